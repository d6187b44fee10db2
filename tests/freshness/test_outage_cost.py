"""Test of the cost of a hung Redis: one timeout for each request in flight, and nothing afterwards.

`make soak` lets Redis hang for 10 s, and prints the cost of the same outage without the circuit breaker.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from local.processes import wait_until
from tests.freshness.history import Operation, all_served_hits
from tests.freshness.load import Load
from tests.freshness.system import WORKERS, StartSystem, System
from tests.freshness.test_faults import MINUTES

pytestmark = pytest.mark.proof
_CLIENTS: Final = 12
_THREADS: Final = {
    "THREADS": str(_CLIENTS),
    "REDIS_MAX_CONNECTIONS": str(_CLIENTS + 2),
}  # enough for all clients, so that no request queues
_TIMEOUT: Final = 1.0
_OUTAGE: Final = 10.0 if MINUTES else 3.0
_MAX_RECOVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an outage for reads. Times are in seconds.

    Attributes:
        requests: number of requests answered during the outage.
        slow: number of those that waited for a timeout.
        median: median time of all requests.
        rest: 99th percentile of the requests that did not wait for a timeout.
        recovery: time from the end of the outage until every worker had served a hit; infinite if one did not.

    """

    requests: int
    slow: int
    median: float
    rest: float
    recovery: float

    def __str__(self) -> str:
        """Return one row of a table."""
        return f"{self.requests:8} {self.slow:6} {self.median:10.3f} {self.rest:10.3f} {self.recovery:8.2f}"


def test_hung_redis_costs_one_timeout_for_each_request_in_flight(start_system: StartSystem) -> None:
    """All other requests are as fast as without Redis, and hits resume within a second after the outage."""
    with start_system("ours", REDIS_URL="", **_THREADS) as system, _load(system) as load:
        load.pause(1.0)
    without = _percentile(load.history, 99)
    ours = _outage(start_system, "ours")
    print(f"{'':12} requests   slow     median  rest, p99     recovery")  # noqa: T201 - the soak's report
    print(f"{'ours':12} {ours}   (without Redis, p99: {without:.3f})")  # noqa: T201 - same
    if MINUTES:
        print(f"{'no breaker':12} {_outage(start_system, 'no breaker')}")  # noqa: T201 - same
    assert 1 <= ours.slow <= WORKERS * _CLIENTS
    assert ours.rest < max(2 * without, _TIMEOUT / 2)
    assert ours.recovery < _MAX_RECOVERY


def _outage(start_system: StartSystem, variant: str) -> Cost:
    with start_system(variant, REDIS_TIMEOUT=str(_TIMEOUT), **_THREADS) as system, _load(system) as load:
        assert wait_until(lambda: all_served_hits(load.history, workers=WORKERS, since=0) < math.inf, seconds=20)
        started = time.monotonic()
        system.valkey.pause()
        load.pause(_OUTAGE)
        system.valkey.resume()
        resumed = time.monotonic()
        wait_until(lambda: all_served_hits(load.history, workers=WORKERS, since=resumed) < math.inf, seconds=5)
        during = [each for each in load.history if started < each.ended < resumed]
        recovery = all_served_hits(load.history, workers=WORKERS, since=resumed) - resumed
    rest = [each for each in during if "redis-timeout" not in each.note]
    return Cost(len(during), len(during) - len(rest), _percentile(during, 50), _percentile(rest, 99), recovery)


@contextmanager
def _load(system: System) -> Iterator[Load]:
    with system.sellers(_CLIENTS) as sellers, Load(system.server.port, sellers, seed=0, writers=0, readers=1) as load:
        yield load


def _seconds(operation: Operation) -> float:
    return operation.ended - operation.started


def _percentile(operations: Sequence[Operation], percent: int) -> float:
    """Return the percentile of the operations' times, or 0 if there are no operations."""
    times = sorted(map(_seconds, operations))
    return times[min(len(times) * percent // 100, len(times) - 1)] if times else 0.0
