"""Counters, gauges and histograms. Label values must come from a bounded set, never from a caller's text."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.metrics.memory import CELLS, MEMORY, Name

_SUM: Final = CELLS - 1
_NANOSECONDS: Final = 1_000_000_000
MOST_BOUNDS: Final = CELLS - 2
"""A slot holds this many bounds, the bucket without a bound, and the sum."""


class _Instrument:
    """A metric of this server.

    Attributes:
        name: its name, without the suffix that Prometheus adds.
        description: what it measures, for people.
        labels: the names of its labels.

    """

    def __init__(
        self,
        name: str,
        description: str,
        *,
        labels: Sequence[str] = (),
        expected: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """Define the metric.

        Args:
            name: see the attributes.
            description: see the attributes.
            labels: see the attributes.
            expected: label values that are reported as 0 before anything was counted. Without a value of 0, the first
                event is not an increase for Prometheus.

        """
        self.name, self.description, self.labels = name, description, labels
        self._expected = expected if labels else [()]

    def _found(self, totals: Mapping[Name, list[int]]) -> Iterator[tuple[list[str], list[int]]]:
        """Yield the label values of each slot and its cells, in a stable order."""
        found = {(self.name, *values): [0] * CELLS for values in self._expected}
        found |= {name: cells for name, cells in totals.items() if name[0] == self.name}
        for name, cells in sorted(found.items()):
            yield list(name[1:]), cells

    def _start(self, values: tuple[str, ...]) -> int:
        name = (self.name, *values)
        start = MEMORY.slots.get(name)
        return MEMORY.add(name) if start is None else start


class Counter(_Instrument):
    """A number that only grows."""

    def add(self, number: int, *values: str) -> None:
        """Add `number` to the counter with these label values."""
        start = self._start(values)
        with MEMORY.lock:
            MEMORY.cells[start] += number

    def collect(self) -> Metric:
        """Return the sums over all workers."""
        family = CounterMetricFamily(self.name, self.description, labels=self.labels)
        for values, cells in self._found(MEMORY.totals()):
            family.add_metric(values, cells[0])
        return family


class Gauge(_Instrument):
    """A number that each worker sets, at least every `LIVE_SECONDS`. It must not be negative."""

    def set(self, number: int) -> None:
        """Set the number of this worker."""
        MEMORY.cells[self._start(())] = number

    def now(self) -> int:
        """Return the sum over the workers that are alive."""
        return MEMORY.live_totals().get((self.name,), [0])[0]

    def collect(self) -> Metric:
        """Return the sum over the workers that are alive."""
        family = GaugeMetricFamily(self.name, self.description)
        for _, cells in self._found(MEMORY.live_totals()):
            family.add_metric([], cells[0])
        return family


class Histogram(_Instrument):
    """A distribution of durations. It also is the number of events and the sum of their durations."""

    def __init__(
        self,
        name: str,
        description: str,
        *,
        bounds: Sequence[float],
        labels: Sequence[str] = (),
        expected: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """Define the metric; `bounds`: the upper bounds of the buckets, in seconds. Raises ValueError for too many."""
        if len(bounds) > MOST_BOUNDS:
            raise ValueError(f"at most {MOST_BOUNDS} bounds")
        super().__init__(name, description, labels=labels, expected=expected)
        self.bounds = bounds

    def observe(self, seconds: float, *values: str) -> None:
        """Count a duration with these label values."""
        name = (self.name, *values)
        start = MEMORY.slots.get(name)  # `_start` inlined, to save a call in each request
        if start is None:
            start = MEMORY.add(name)
        with MEMORY.lock:
            MEMORY.cells[start + bisect_left(self.bounds, seconds)] += 1
            MEMORY.cells[start + _SUM] += int(seconds * _NANOSECONDS)

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Add durations that were counted elsewhere: their number by bucket, and their sum in seconds."""
        start = self._start(())
        with MEMORY.lock:
            for index, number in enumerate(counts, start):
                MEMORY.cells[index] += number
            MEMORY.cells[start + _SUM] += int(seconds * _NANOSECONDS)

    def so_far(self) -> tuple[int, float]:
        """Return the number of events without labels and the sum of their durations in seconds, of all workers."""
        cells = MEMORY.totals().get((self.name,), [0] * CELLS)
        return sum(cells[: len(self.bounds) + 1]), cells[_SUM] / _NANOSECONDS

    def collect(self) -> Metric:
        """Return the sums over all workers."""
        family = HistogramMetricFamily(self.name, self.description, labels=self.labels)
        for values, cells in self._found(MEMORY.totals()):
            counts = [sum(cells[: index + 1]) for index in range(len(self.bounds) + 1)]
            bounds = [*map(repr, map(float, self.bounds)), "+Inf"]
            buckets: list[Sequence[str | float | None]] = [[b, n] for b, n in zip(bounds, counts, strict=True)]
            family.add_metric(values, buckets, cells[_SUM] / _NANOSECONDS)  # type: ignore[arg-type]  # accepts pairs
        return family
