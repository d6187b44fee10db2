"""Whatever somebody plants at our key: reads stay right, at once or within one wait, and caching comes back."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from threading import Event, Lock
from typing import Final

import pytest
from redis import Redis

from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.engines import KEY, POLICY, QUICK, Computation, Spy, TroubleError, engine, fetch, recovered
from tests.caching.places import Place
from tests.caching.planted import BRIEF_FAILURE, MANY_WRITERS, PLANTS
from tests.sellers import Seller

everywhere = pytest.mark.parametrize("place", ["Valkey 9", "Redis 6.2"], indirect=True)

_SLACK: Final = 2.0
"""Seconds by which a busy machine may be late."""
_USED: Final = {Outcome.HIT, Outcome.COLLAPSED, Outcome.STORED}
_KEYS: Final = {name: f"{KEY}:{number}" for number, name in enumerate(PLANTS)}


class _Plain:
    """A codec of somebody's own, which minds no length."""

    def encode(self, value: str) -> bytes:
        return value.encode()

    def decode(self, payload: bytes) -> str:
        return payload.decode()


def _nothing(_protocol: LeaseProtocol, _key: str) -> None:
    """Leave the entry absent."""


def _value(protocol: LeaseProtocol, key: str) -> None:
    fetch(protocol, Computation("db"), key=key)


def _writer(protocol: LeaseProtocol, key: str) -> None:
    protocol.begin(key)


@everywhere
@pytest.mark.parametrize("before", [_nothing, _value, _writer])
def test_reads_are_right_and_caching_comes_back(
    place: Place, protocol: LeaseProtocol, before: Callable[[LeaseProtocol, str], None]
) -> None:
    """Within the time that a writer may be in flight; what is not believed is dropped at the first read."""
    admin = place.look()
    for name, plant in PLANTS.items():
        before(protocol, _KEYS[name])
        plant(admin, _KEYS[name])
    planted = time.monotonic()

    for key in _KEYS.values():
        started = time.monotonic()
        assert fetch(protocol, Computation("db"), key=key).value == "db"
        assert time.monotonic() - started < QUICK.wait + _SLACK

    _all_come_back(protocol, planted)


@everywhere
def test_a_write_ends_whatever_it_meets(place: Place, protocol: LeaseProtocol) -> None:
    """Planted before its begin or between begin and end: afterwards nothing stays that is not ours."""
    admin = place.look()
    for name, plant in PLANTS.items():
        plant(admin, _KEYS[name])
        token = protocol.begin(_KEYS[name])
        assert admin.strlen(_KEYS[name]) <= 65_536 + 100
        plant(admin, _KEYS[name])
        protocol.end(_KEYS[name], token)
    planted = time.monotonic()

    _all_come_back(protocol, planted)


def _all_come_back(protocol: LeaseProtocol, planted: float) -> None:
    """Wait until every entry is used again."""
    missing = set(_KEYS)

    def come_back() -> bool:
        missing.difference_update(
            [name for name in missing if fetch(protocol, Computation("db"), key=_KEYS[name]).outcome in _USED]
        )
        return not missing

    left = planted + QUICK.writer + _SLACK - time.monotonic()
    assert wait_until(come_back, seconds=left), missing


@pytest.mark.parametrize("start", [b"fail:", b"lease:x", b"dirty:x@99999999999999"])
def test_a_mark_that_stands_too_long_is_dropped_and_counted(protocol: LeaseProtocol, spy: Spy, start: bytes) -> None:
    """At the first read, so the second one stores."""
    for seconds in (None, 3600):
        spy.redis.set(KEY, start, ex=seconds)
        first, second = (fetch(protocol, Computation("db")) for _ in range(2))

        assert (first.value, first.outcome, first.detail) == ("db", Outcome.BYPASS, "poison")
        assert second.outcome is Outcome.STORED
    assert protocol.region.counts()["poison"] == 2


def test_the_longest_value_is_a_hit_and_a_longer_one_is_not_sent(protocol: LeaseProtocol, spy: Spy) -> None:
    """The script and the codec agree on what is too long."""
    longest = "x" * (MAX_PAYLOAD_BYTES - 2)
    fetch(protocol, Computation(longest))
    assert fetch(protocol, Computation()).outcome is Outcome.HIT

    spy.redis.append(KEY, " ")

    assert fetch(protocol, Computation("db")).detail == "poison"
    assert fetch(protocol, Computation(longest + "x")).detail == "unserialisable"
    by_its_own = replace(POLICY, codec=_Plain())
    assert protocol.fetch(KEY, Computation(longest + "xyz"), by_its_own).detail == "unserialisable"


def test_200_000_planted_writers_cost_a_write_nothing_to_speak_of(seller: Seller, redis: Redis) -> None:
    """They are not read one by one, and not kept."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for planted in [False, True] * 10:
        if planted:
            redis.set(seller.key, MANY_WRITERS)
        started = time.perf_counter()
        seller.creates()
        took[planted].append(time.perf_counter() - started)
        assert seller.reads_stats().headers["Cache-Status"].startswith("asin-stats; fwd=miss; stored")

    assert median(took[True]) <= 2 * median(took[False]), took


class _Numbers:
    """A database of one number, which every change raises."""

    def __init__(self) -> None:
        self.committed = self.acknowledged = 0
        self._lock = Lock()

    def change(self, protocol: LeaseProtocol, pause: Callable[[], object]) -> None:
        """Make one change by the protocol."""
        token = protocol.begin(KEY)
        pause()
        with self._lock:
            self.committed += 1
            mine = self.committed
        pause()
        protocol.end(KEY, token)
        with self._lock:
            self.acknowledged = max(self.acknowledged, mine)

    def read(self, protocol: LeaseProtocol, pause: Callable[[], object]) -> Outcome:
        """Read by the protocol, and see that nothing acknowledged is missing."""

        def compute() -> int:
            seen = self.committed
            pause()
            return seen

        due, started = self.acknowledged, time.monotonic()
        answer = fetch(protocol, compute)
        assert answer.value >= due, (answer, due)
        assert time.monotonic() - started < QUICK.wait + _SLACK
        return answer.outcome


class _Storm:
    """Threads that read, change and plant, until the block ends; it raises what one of them raised."""

    def __init__(self, place: Place, seed: int) -> None:
        self._place, self._seed, self._over = place, seed, Event()
        self._numbers, self._failing_until = _Numbers(), 0.0
        self._engines = [engine(place.topology) for _ in range(2)]
        self.outcomes = list[Outcome]()
        self.planted = 0

    @contextmanager
    def raging(self) -> Iterator[None]:
        with ThreadPoolExecutor() as pool:
            work = [self._plants, *(self._changes, self._reads, self._reads) * 2]
            running = [pool.submit(job, number) for number, job in enumerate(work)]
            try:
                yield
            finally:
                self._over.set()
        for each in running:
            each.result()

    def is_used_again(self) -> bool:
        """Say whether every engine uses the entry."""
        return all(
            recovered(each) and self._numbers.read(each, lambda: None) in {Outcome.HIT, Outcome.STORED}
            for each in self._engines
        )

    def _thinking(self, number: int, longest: float) -> Callable[[], object]:
        dice = random.Random(self._seed + number)  # noqa: S311 - repeatable choices
        return lambda: self._over.wait(dice.uniform(0, longest))

    def _changes(self, number: int) -> None:
        pause, between = self._thinking(number, 0.005), self._thinking(number, 0.1)
        while not between():
            self._numbers.change(self._engines[number % 2], pause)

    def _reads(self, number: int) -> None:
        pause = self._thinking(number, 0.005)
        while not pause():
            try:
                self.outcomes.append(self._numbers.read(self._engines[number % 2], pause))
            except TroubleError:
                assert time.monotonic() < self._failing_until + _SLACK, "a failure that nobody planted"

    def _plants(self, number: int) -> None:
        dice, admin = random.Random(self._seed + number), self._place.look()  # noqa: S311 - same
        while not self._over.wait(dice.uniform(0, 0.06)):
            plant = dice.choice([*PLANTS.values(), BRIEF_FAILURE])
            if plant is BRIEF_FAILURE:
                self._failing_until = time.monotonic() + QUICK.wait
            plant(admin, KEY)
            self.planted += 1


@everywhere
@pytest.mark.parametrize("seconds", [3, pytest.param(90, marks=pytest.mark.proof)])
def test_no_read_is_wrong_while_somebody_plants_at_random(place: Place, seconds: float) -> None:
    """Two instances under load; a second after the last plant they use the entry again."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    storm = _Storm(place, seed)

    with storm.raging():
        wait_until(lambda: False, seconds=seconds)

    assert wait_until(storm.is_used_again, seconds=QUICK.writer + _SLACK)
    assert storm.planted > 10 * seconds
    assert {Outcome.HIT, Outcome.STORED, Outcome.BYPASS} <= set(storm.outcomes)
