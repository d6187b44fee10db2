"""The measurements of the last minutes, kept in the memory of each worker for the operators' chart."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

EVERY_SECONDS: Final = 5
"""Seconds between two measurements. All workers measure at the same times, so that their histories agree."""
_KEPT: Final = 61  # measurements: those of five minutes


@dataclass(frozen=True, slots=True)
class Measurement:
    """Counts since the server started.

    Attributes:
        at: time of the measurement, in seconds of the Unix epoch.
        hits: reads answered from the cache.
        misses: reads that computed the value.
        calls: commands sent to Redis.
        seconds: the sum of their durations.

    """

    at: float
    hits: int
    misses: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Interval:
    """What happened between two measurements.

    Attributes:
        at: its end, in seconds of the Unix epoch.
        hits: hits per second.
        misses: misses per second.
        latency_ms: mean duration of a Redis command in milliseconds; None if there was none.

    """

    at: float
    hits: float
    misses: float
    latency_ms: float | None


class History:
    """The measurements of the last five minutes. Thread-safe."""

    def __init__(self) -> None:
        """Start without measurements."""
        self._lock = threading.Lock()
        self._kept: deque[Measurement] = deque(maxlen=_KEPT)

    def is_due(self, now: float) -> bool:
        """Return whether a measurement is due at `now`, in seconds of the Unix epoch."""
        with self._lock:
            return not self._kept or now // EVERY_SECONDS != self._kept[-1].at // EVERY_SECONDS

    def add(self, measurement: Measurement) -> None:
        """Keep a measurement, and drop the one that is too old. A clock that went back starts a new history."""
        with self._lock:
            if self._kept and measurement.at <= self._kept[-1].at:
                self._kept.clear()
            self._kept.append(measurement)

    def intervals(self) -> Sequence[Interval]:
        """Return what happened between the measurements, oldest first."""
        with self._lock:
            kept = list(self._kept)
        return [_interval(*both) for both in pairwise(kept)]


def _interval(before: Measurement, after: Measurement) -> Interval:
    seconds, calls = after.at - before.at, after.calls - before.calls
    return Interval(
        at=after.at,
        hits=max(0, after.hits - before.hits) / seconds,
        misses=max(0, after.misses - before.misses) / seconds,
        latency_ms=1000 * max(0.0, after.seconds - before.seconds) / calls if calls > 0 else None,
    )
