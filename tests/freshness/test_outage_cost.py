"""What a hung Redis costs: one timeout for each request in flight, and nothing afterwards.

`make soak` lets it hang for ten seconds and shows what the same outage costs without the circuit breaker.
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
from tests.freshness.scene import WORKERS, Scene, Stage
from tests.freshness.test_faults import MINUTES

pytestmark = pytest.mark.proof
_CLIENTS: Final = 12
_THREADS: Final = {"THREADS": str(_CLIENTS), "REDIS_MAX_CONNECTIONS": str(_CLIENTS + 2)}  # so that nobody queues
_TIMEOUT: Final = 1.0
_OUTAGE: Final = 10.0 if MINUTES else 3.0
_BACK: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """How reads fared while Redis hung; times in seconds.

    Attributes:
        requests: how many were answered.
        slow: how many of them paid a timeout.
        median: of all.
        rest: the 99th percentile of those that paid none.
        back: from the moment Redis went on until every worker had served a hit; infinite when one did not.

    """

    requests: int
    slow: int
    median: float
    rest: float
    back: float

    def __str__(self) -> str:
        """Return one row of a table."""
        return f"{self.requests:8} {self.slow:6} {self.median:10.3f} {self.rest:10.3f} {self.back:8.2f}"


def test_a_hung_redis_costs_one_timeout_for_each_request_in_flight(stage: Stage) -> None:
    """All others are as fast as without Redis, and a second after it went on the cache serves again."""
    with stage("ours", REDIS_URL="", **_THREADS) as scene, _load(scene) as load:
        load.pause(1.0)
    without = _percentile(load.history, 99)
    ours = _outage(stage, "ours")
    print(f"{'':12} requests   slow     median  rest, p99     back")  # noqa: T201 - the soak's report
    print(f"{'ours':12} {ours}   (without Redis, p99: {without:.3f})")  # noqa: T201 - same
    if MINUTES:
        print(f"{'no breaker':12} {_outage(stage, 'no breaker')}")  # noqa: T201 - same
    assert 1 <= ours.slow <= WORKERS * _CLIENTS
    assert ours.rest < max(2 * without, _TIMEOUT / 2)
    assert ours.back < _BACK


def _outage(stage: Stage, variant: str) -> Cost:
    with stage(variant, REDIS_TIMEOUT=str(_TIMEOUT), **_THREADS) as scene, _load(scene) as load:
        assert wait_until(lambda: all_served_hits(load.history, workers=WORKERS, since=0) < math.inf, seconds=20)
        started = time.monotonic()
        scene.valkey.pause()
        load.pause(_OUTAGE)
        scene.valkey.resume()
        resumed = time.monotonic()
        wait_until(lambda: all_served_hits(load.history, workers=WORKERS, since=resumed) < math.inf, seconds=5)
        during = [each for each in load.history if started < each.ended < resumed]
        back = all_served_hits(load.history, workers=WORKERS, since=resumed) - resumed
    rest = [each for each in during if "redis-timeout" not in each.note]
    return Cost(len(during), len(during) - len(rest), _percentile(during, 50), _percentile(rest, 99), back)


@contextmanager
def _load(scene: Scene) -> Iterator[Load]:
    with scene.sellers(_CLIENTS) as sellers, Load(scene.server.port, sellers, seed=0, writers=0, readers=1) as load:
        yield load


def _seconds(operation: Operation) -> float:
    return operation.ended - operation.started


def _percentile(operations: Sequence[Operation], percent: int) -> float:
    """Return what `percent` of the operations did not take longer than; 0 for none."""
    times = sorted(map(_seconds, operations))
    return times[min(len(times) * percent // 100, len(times) - 1)] if times else 0.0
