"""Test of reads and writes under load while another thread tampers with the entry at random times."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from typing import Final

import pytest

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.deployments import Deployment, on_newest_and_oldest
from tests.caching.engines import KEY, SHORT_TIMING, SharedFailureError, engine, fetch, has_recovered
from tests.caching.tampering import BRIEF_FAILURE, TAMPERINGS

_SLACK: Final = 2.0
"""Seconds of delay that a busy machine may add."""


class _Database:
    """A database that holds one number. Every change increments it."""

    def __init__(self) -> None:
        self.committed = self.acknowledged = 0
        self._lock = Lock()

    def change(self, protocol: LeaseProtocol, pause: Callable[[], object]) -> None:
        """Make one change with the protocol."""
        token = protocol.begin(KEY)
        pause()
        with self._lock:
            self.committed += 1
            own = self.committed
        pause()
        protocol.end(KEY, token)
        with self._lock:
            self.acknowledged = max(self.acknowledged, own)

    def read(self, protocol: LeaseProtocol, pause: Callable[[], object]) -> Outcome:
        """Read with the protocol, and check that the answer shows every acknowledged change."""

        def compute() -> int:
            seen = self.committed
            pause()
            return seen

        due, started = self.acknowledged, time.monotonic()
        answer = fetch(protocol, compute)
        assert answer.value >= due, (answer, due)
        assert time.monotonic() - started < SHORT_TIMING.wait + _SLACK
        return answer.outcome


class _TamperingLoad:
    """Threads that read, change and tamper with one entry on two engines."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self._deployment, self._seed, self._stop = deployment, seed, Event()
        self._database, self._failing_until = _Database(), 0.0
        self._engines = [engine(deployment.topology) for _ in range(2)]
        self.outcomes = list[Outcome]()
        self.tamperings = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the threads inside the block. Raise the error of a thread afterwards."""
        with ThreadPoolExecutor() as pool:
            jobs = [self._tamper, *(self._change, self._read, self._read) * 2]
            threads = [pool.submit(job, number) for number, job in enumerate(jobs)]
            try:
                yield
            finally:
                self._stop.set()
        for each in threads:
            each.result()

    def is_used_again(self) -> bool:
        """Return whether every engine uses the entry. A failure mark may be the last tampering; it expires."""
        try:
            return all(
                has_recovered(each) and self._database.read(each, lambda: None) in {Outcome.HIT, Outcome.STORED}
                for each in self._engines
            )
        except SharedFailureError:
            return False

    def _random_pause(self, number: int, longest: float) -> Callable[[], object]:
        rng = random.Random(self._seed + number)  # noqa: S311 - repeatable choices
        return lambda: self._stop.wait(rng.uniform(0, longest))

    def _change(self, number: int) -> None:
        pause, between = self._random_pause(number, 0.005), self._random_pause(number, 0.1)
        while not between():
            self._database.change(self._engines[number % 2], pause)

    def _read(self, number: int) -> None:
        pause = self._random_pause(number, 0.005)
        while not pause():
            try:
                self.outcomes.append(self._database.read(self._engines[number % 2], pause))
            except SharedFailureError:
                assert time.monotonic() < self._failing_until + _SLACK, "a failure mark that no thread stored"

    def _tamper(self, number: int) -> None:
        rng, admin = random.Random(self._seed + number), self._deployment.make_client()  # noqa: S311 - same
        while not self._stop.wait(rng.uniform(0, 0.06)):
            tamper = rng.choice([*TAMPERINGS.values(), BRIEF_FAILURE])
            if tamper is BRIEF_FAILURE:
                self._failing_until = time.monotonic() + SHORT_TIMING.wait
            tamper(admin, KEY)
            self.tamperings += 1


@on_newest_and_oldest
@pytest.mark.parametrize("seconds", [3, pytest.param(90, marks=pytest.mark.proof)])
def test_reads_are_correct_during_random_tampering(deployment: Deployment, seconds: float) -> None:
    """Two engines under load. They use the entry again soon after the last tampering."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    load = _TamperingLoad(deployment, seed)

    with load.running():
        wait_until(lambda: False, seconds=seconds)
        assert wait_until(lambda: load.tamperings > 10 * seconds, seconds=3 * seconds)  # a busy machine takes longer

    assert wait_until(load.is_used_again, seconds=SHORT_TIMING.writer + _SLACK)
    assert {Outcome.HIT, Outcome.STORED, Outcome.BYPASS} <= set(load.outcomes)
