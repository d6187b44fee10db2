"""What goes wrong, at moments and for times that a seed decides."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from redis import Redis
from redis.exceptions import OutOfMemoryError

from tests.caching.planted import PLANTS
from tests.freshness.load import Load
from tests.freshness.scene import Scene
from tests.proxy import Fault

DATABASE: Final = {"slow database", "answers lost"}
"""Faults that may turn an answer into a 503; no other may."""
DEATH: Final = "worker killed"

_LONGEST_PAUSE: Final = 3.0
_FILLERS: Final = 300
_FILLER_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault: what, from when to when (monotonic seconds)."""

    name: str
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Weather:
    """What faults fall upon: the scene and those at work in it. `dice` decides all there is to decide."""

    scene: Scene
    load: Load
    dice: random.Random

    @property
    def admin(self) -> Redis:
        """A client of the scene's Valkey."""
        return Redis.from_url(self.scene.valkey.url)

    def lasts(self, longest: float = 0.5) -> None:
        """Let time pass, at least 0.05 s; short times are likelier."""
        self.load.pause(0.05 + (longest - 0.05) * self.dice.random() ** 2)


def _hang(weather: Weather) -> None:
    weather.scene.valkey.pause()
    try:
        weather.lasts(_LONGEST_PAUSE)
    finally:
        weather.scene.valkey.resume()


def _crash(weather: Weather) -> None:
    weather.scene.valkey.kill()
    weather.lasts()
    weather.scene.valkey.start()


def _flush(weather: Weather) -> None:
    weather.admin.flushall()


def _kill_connections(weather: Weather) -> None:
    weather.admin.client_kill_filter(_type="normal", skipme=True)


def _pause_clients(weather: Weather) -> None:
    milliseconds = weather.dice.randrange(50, 1000)
    weather.admin.client_pause(milliseconds, all=weather.dice.random() < 0.5)
    weather.load.pause(milliseconds / 1000)


def _kill_a_worker(weather: Weather) -> None:
    weather.load.doom()
    weather.lasts()


def _evict(weather: Weather) -> None:
    """Make room for little more than there is, then fill it with something else."""
    admin = weather.admin
    used = int(admin.info("memory")["used_memory"])
    with _limited(admin, used + _FILLERS * _FILLER_BYTES // 3):
        for number in range(_FILLERS):
            try:
                admin.set(f"filler:{number}", b"x" * _FILLER_BYTES, px=1000)
            except OutOfMemoryError:
                break
        weather.lasts()


def _fill_up(weather: Weather) -> None:
    """Refuse every write that needs memory."""
    with _limited(weather.admin, 1):
        weather.lasts()


@contextmanager
def _limited(admin: Redis, maximum: int) -> Iterator[None]:
    """Let the server have `maximum` bytes and evict any key at random."""
    before = admin.config_get("maxmemory", "maxmemory-policy")
    admin.config_set("maxmemory-policy", "allkeys-random", "maxmemory", maximum)
    try:
        yield
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            admin.config_set(name, str(before[name]))


def _plant(weather: Weather) -> None:
    """Put at the keys that are there whatever is no value of ours."""
    admin = weather.admin
    for key in admin.scan_iter("asin_stats:*"):
        weather.dice.choice(list(PLANTS.values()))(admin, key.decode())
    weather.lasts()


def _slow_database(weather: Weather) -> None:
    seconds = weather.dice.uniform(0.02, 0.3)

    def late(answer: bytes) -> bytes:
        time.sleep(seconds)
        return answer

    _with_database(weather, late)


def _lose_answers(weather: Weather) -> None:
    """Lose a few only: the seller of each lost change then lives without the cache for the writer's 30 seconds."""
    left = [b""] * weather.dice.randint(1, 3)
    _with_database(weather, lambda answer: left.pop() if left else answer)


def _with_database(weather: Weather, answer: Callable[[bytes], bytes]) -> None:
    proxy = weather.scene.proxy
    assert proxy
    proxy.fault = Fault(answer)
    weather.lasts()
    proxy.fault = None


FAULTS: Final[dict[str, Callable[[Weather], None]]] = {
    "Redis hangs": _hang,
    "Redis is killed": _crash,
    "FLUSHALL": _flush,
    "CLIENT KILL": _kill_connections,
    "CLIENT PAUSE": _pause_clients,
    "eviction": _evict,
    "out of memory": _fill_up,
    "planted marks": _plant,
    "slow database": _slow_database,
    "answers lost": _lose_answers,
    DEATH: _kill_a_worker,
}


def storm(weather: Weather, *, seconds: float, without: frozenset[str] = frozenset()) -> Iterator[Struck]:
    """Let one fault after the other happen: first each once, then any, until the time is over."""
    names = sorted(FAULTS.keys() - without)
    deadline = time.monotonic() + seconds
    turns = weather.dice.sample(names, len(names))
    while time.monotonic() < deadline:
        weather.lasts(1.0)
        name = turns.pop() if turns else weather.dice.choice(names)
        started = time.monotonic()
        FAULTS[name](weather)
        yield Struck(name, started, time.monotonic())
