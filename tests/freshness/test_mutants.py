"""Mutation tests of the checker: it detects engines that are known to be wrong."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pytest
from redis import Redis

from local.processes import wait_until
from tests.freshness.history import Violation, hits, violations
from tests.freshness.linearizability import judge, summary
from tests.freshness.load import Load
from tests.freshness.system import SHORT_TIMEOUT, StartSystem, System
from tests.sellers import Seller

_DEADLINE: Final = 60.0  # seconds
_ATTEMPTS: Final = 2  # in one attempt, reads and changes may happen never to overlap
_FILL_DELAY: Final = 0.25  # seconds; long enough for a change to happen during a fill

Fault = Callable[[System, Load, random.Random], None]


def _no_fault(_: System, load: Load, __: random.Random) -> None:
    load.pause(0.5)


def _entries_are_evicted(system: System, load: Load, rng: random.Random) -> None:
    """Make reads miss, so that they compute while changes are in flight."""
    with Redis.from_url(system.valkey.url) as redis:
        redis.flushdb()
    load.pause(rng.uniform(0.2, 0.5))


def _worker_is_killed(_: System, load: Load, rng: random.Random) -> None:
    load.kill_next_writer()
    load.pause(rng.uniform(1, 2))


def _redis_hangs(system: System, load: Load, rng: random.Random) -> None:
    """Pause Redis for longer than the timeout. Changes start when the breakers are open."""
    load.pause(rng.uniform(0.2, 0.5))
    with load.only_reads():
        system.valkey.pause()
        load.pause(SHORT_TIMEOUT + 0.1)
    load.pause(rng.uniform(0.2, 0.5))
    system.valkey.resume()
    load.pause(0.1)


def _redis_hangs_while_a_worker_is_stopped(system: System, load: Load, rng: random.Random) -> None:
    """Pause Redis while one of the two workers is stopped, so that this worker does not notice the outage."""
    load.pause(rng.uniform(0.2, 0.5))
    with load.only_reads():
        stopped = int(next(each.worker for each in load.history if each.worker))
        os.kill(stopped, signal.SIGSTOP)
        system.valkey.pause()
        load.pause(SHORT_TIMEOUT + 0.1)
    load.pause(rng.uniform(0.2, 0.5))
    system.valkey.resume()
    os.kill(stopped, signal.SIGCONT)
    load.pause(0.3)


_MUTANTS: Final[dict[str, Fault]] = {
    "stock memoize": _no_fault,
    "get, setex, delete": _no_fault,
    "no lease check": _entries_are_evicted,
    "no announcement": _worker_is_killed,
    "no owed deletes": _redis_hangs,
    "no shared marks": _redis_hangs_while_a_worker_is_stopped,
}


@pytest.mark.proof
@pytest.mark.timeout(200)
@pytest.mark.parametrize("variant", _MUTANTS)
def test_checker_detects_a_wrong_engine(start_system: StartSystem, rng: random.Random, variant: str) -> None:
    """Each engine lacks the protection against the fault that the test injects."""
    found = next((violation for _ in range(_ATTEMPTS) for violation in _found(start_system, rng, variant)), None)
    assert found, f"no violation in {_ATTEMPTS} attempts of {_DEADLINE:g} s"
    print(f"{variant}: {found}")  # noqa: T201 - shown with -s: an example of a violation


def _found(start_system: StartSystem, rng: random.Random, variant: str) -> Iterator[Violation]:
    """Yield violations until the deadline."""
    fault = _MUTANTS[variant]
    with start_system(variant, fill_delay=_FILL_DELAY) as system, system.sellers(4) as sellers:
        # After the death of a worker, the old value is allowed for as long as the overlap.
        load = _load(system, sellers, rng, think_time=3.0 if fault is _worker_is_killed else 0.3)
        with load:
            deadline = time.monotonic() + _DEADLINE
            while time.monotonic() < deadline:
                fault(system, load, rng)
                yield from violations(load.history)
        print(Counter(each.note.partition(" worker")[0] for each in load.history))  # noqa: T201 - shown when it fails


def _load(system: System, sellers: Sequence[Seller], rng: random.Random, *, think_time: float = 0.3) -> Load:
    """Return a load with few changes: a later change would also remove a stale entry that the checker should find."""
    return Load(system.server.port, sellers, seed=rng.random(), confirms=True, writers=1, think_time=think_time)


def test_our_engine_has_no_violation_under_the_same_faults(start_system: StartSystem, rng: random.Random) -> None:
    """The same load and fill delay, with one fault after the other."""
    with start_system("ours", fill_delay=_FILL_DELAY) as system, system.sellers(4) as sellers:
        load = _load(system, sellers, rng)
        with load:
            for fault in (
                _no_fault,
                _entries_are_evicted,
                _redis_hangs,
                _redis_hangs_while_a_worker_is_stopped,
                _redis_hangs_while_a_worker_is_stopped,
                _worker_is_killed,
            ):
                fault(system, load, rng)
            assert wait_until(lambda: hits(load.history) > 30, seconds=20)
    print(summary(judge(load.history)))  # noqa: T201 - shown with -s
    found = violations(load.history)
    assert not found, "\n".join(map(str, found[:5]))
