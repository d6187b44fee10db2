"""Faults, injected at times and for durations that a seed decides."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from redis import Redis
from redis.exceptions import OutOfMemoryError

from local.processes import wait_until
from tests.caching.tampering import TAMPERINGS
from tests.freshness.load import Load
from tests.freshness.system import System
from tests.proxy import Fault

DATABASE_FAULTS: Final = {"slow database", "lost responses"}
"""The only faults that may cause a 503."""
WORKER_KILLED: Final = "worker killed"

_LONGEST_PAUSE: Final = 3.0
_LONGEST_KILL: Final = 10.0
_FILLERS: Final = 300
_FILLER_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that was injected: its name, start and end in seconds of the monotonic clock."""

    name: str
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault needs: the running system, its load, and the source of all random choices."""

    system: System
    load: Load
    rng: random.Random

    @property
    def admin(self) -> Redis:
        """A client of the system's Valkey."""
        return Redis.from_url(self.system.valkey.url)

    def wait(self, longest: float = 0.5) -> None:
        """Wait for a random time from 0.05 s to `longest` seconds. Short times are more likely."""
        self.load.pause(0.05 + (longest - 0.05) * self.rng.random() ** 2)


def _hang(context: FaultContext) -> None:
    context.system.valkey.pause()
    try:
        context.wait(_LONGEST_PAUSE)
    finally:
        context.system.valkey.resume()


def _crash(context: FaultContext) -> None:
    context.system.valkey.kill()
    context.wait()
    context.system.valkey.start()


def _flush(context: FaultContext) -> None:
    context.admin.flushall()


def _kill_connections(context: FaultContext) -> None:
    context.admin.client_kill_filter(_type="normal", skipme=True)


def _pause_clients(context: FaultContext) -> None:
    milliseconds = context.rng.randrange(50, 1000)
    context.admin.client_pause(milliseconds, all=context.rng.random() < 0.5)
    context.load.pause(milliseconds / 1000)


def _kill_a_worker(context: FaultContext) -> None:
    kills = context.load.kills
    context.load.kill_next_writer()
    wait_until(lambda: context.load.kills > kills, seconds=_LONGEST_KILL)  # an import takes a while
    context.wait()


def _evict(context: FaultContext) -> None:
    """Set maxmemory slightly above the used memory, then store other keys until the server evicts."""
    admin = context.admin
    used = int(admin.info("memory")["used_memory"])
    with _limited(admin, used + _FILLERS * _FILLER_BYTES // 3):
        for number in range(_FILLERS):
            try:
                admin.set(f"filler:{number}", b"x" * _FILLER_BYTES, px=1000)
            except OutOfMemoryError:
                break
        context.wait()


def _fill_up(context: FaultContext) -> None:
    """Set maxmemory so low that Redis refuses every write that needs memory."""
    with _limited(context.admin, 1):
        context.wait()


@contextmanager
def _limited(admin: Redis, maximum: int) -> Iterator[None]:
    """Limit the server to `maximum` bytes of memory and let it evict random keys."""
    before = admin.config_get("maxmemory", "maxmemory-policy")
    admin.config_set("maxmemory-policy", "allkeys-random", "maxmemory", maximum)
    try:
        yield
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            admin.config_set(name, str(before[name]))


def _tamper(context: FaultContext) -> None:
    """Tamper with every existing entry."""
    admin = context.admin
    for key in admin.scan_iter("asin_stats:*"):
        context.rng.choice(list(TAMPERINGS.values()))(admin, key.decode())
    context.wait()


def _slow_database(context: FaultContext) -> None:
    seconds = context.rng.uniform(0.02, 0.3)

    def delayed(answer: bytes) -> bytes:
        time.sleep(seconds)
        return answer

    _with_database(context, delayed)


def _lose_responses(context: FaultContext) -> None:
    """Lose only a few responses: after each lost one, its seller's entry is not cached for the writer's 30 s."""
    left = [b""] * context.rng.randint(1, 3)
    _with_database(context, lambda answer: left.pop() if left else answer)


def _with_database(context: FaultContext, answer: Callable[[bytes], bytes]) -> None:
    proxy = context.system.proxy
    assert proxy
    proxy.fault = Fault(answer)
    context.wait()
    proxy.fault = None


FAULTS: Final[dict[str, Callable[[FaultContext], None]]] = {
    "Redis hangs": _hang,
    "Redis is killed": _crash,
    "FLUSHALL": _flush,
    "CLIENT KILL": _kill_connections,
    "CLIENT PAUSE": _pause_clients,
    "eviction": _evict,
    "out of memory": _fill_up,
    "tampering": _tamper,
    "slow database": _slow_database,
    "lost responses": _lose_responses,
    WORKER_KILLED: _kill_a_worker,
}


def inject_faults(
    context: FaultContext, *, seconds: float, without: frozenset[str] = frozenset()
) -> Iterator[InjectedFault]:
    """Inject one fault after the other for `seconds`: first each of them once, then random ones."""
    names = sorted(FAULTS.keys() - without)
    deadline = time.monotonic() + seconds
    pending = context.rng.sample(names, len(names))
    while time.monotonic() < deadline:
        context.wait(1.0)
        name = pending.pop() if pending else context.rng.choice(names)
        started = time.monotonic()
        FAULTS[name](context)
        yield InjectedFault(name, started, time.monotonic())
