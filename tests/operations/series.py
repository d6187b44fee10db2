"""Made-up series of samples, and the calculations that Prometheus makes with them."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

Labels = frozenset[tuple[str, str]]
Samples = list[tuple[float, float]]
"""Pairs of a time in seconds and a value, in order of time."""


Matcher = tuple[str, str, str]
"""The name of a label, one of `=`, `!=`, `=~` and `!~`, and a value."""


class Store:
    """Series with one sample each `interval` seconds, from time 0 on."""

    def __init__(self, series: Mapping[str, str], *, interval: float = 60.0) -> None:
        """Store series in promtool's notation: `name{label="value"}` and values such as `0+10x5` or `3 3 _ 4`."""
        self._series = [(_labels(name), _samples(values, interval)) for name, values in series.items()]

    def select(
        self,
        name: str,
        matchers: Sequence[Matcher],
        since: float,
        until: float,
        *,
        keep_name: bool = False,
    ) -> Iterator[tuple[Labels, Samples]]:
        """Yield the labels of each matching series, and its samples of this time. Omits series without samples.

        The time includes `until` but not `since`, as in Prometheus 3.
        """
        for labels, samples in self._series:
            inside = [(time, value) for time, value in samples if since < time <= until]
            if labels["__name__"] == name and inside and all(_matches(labels, *each) for each in matchers):
                yield frozenset(pair for pair in labels.items() if keep_name or pair[0] != "__name__"), inside


def _labels(text: str) -> dict[str, str]:
    name, _, rest = text.partition("{")
    return {"__name__": name, **dict(re.findall(r'(\w+)="([^"]*)"', rest))}


def _samples(text: str, interval: float) -> Samples:
    values: list[float | None] = []
    for part in text.split():
        if part == "_":
            values.append(None)
        elif found := re.fullmatch(r"(-?[\d.]+)(?:([+-][\d.]+))?x(\d+)", part):
            first, step, times = float(found[1]), float(found[2] or 0), int(found[3])
            values += [first + step * number for number in range(times + 1)]
        else:
            values.append(float(part))
    return [(number * interval, value) for number, value in enumerate(values) if value is not None]


def _matches(labels: Mapping[str, str], name: str, sign: str, wanted: str) -> bool:
    value = labels.get(name, "")
    equal = bool(re.fullmatch(wanted, value)) if "~" in sign else value == wanted
    return equal is not sign.startswith("!")


def increase(samples: Samples, since: float, until: float) -> float | None:
    """Return by how much a counter has grown between two times; None with fewer than two samples.

    The growth between the first and the last sample is extrapolated towards both ends of the time, as Prometheus does
    (`extrapolatedRate` in promql/functions.go).
    """
    if len(samples) < 2:
        return None
    values = [value for _, value in samples]
    resets = sum(before for before, after in pairwise(values) if after < before)
    grown = values[-1] - values[0] + resets
    sampled = samples[-1][0] - samples[0][0]
    step = sampled / (len(samples) - 1)
    at_start, at_end = samples[0][0] - since, until - samples[-1][0]
    if grown > 0 and values[0] >= 0:
        at_start = min(at_start, sampled * values[0] / grown)  # a counter was not below 0
    extended = sampled + sum(gap if gap < 1.1 * step else step / 2 for gap in (at_start, at_end))
    return grown * extended / sampled


def histogram_quantile(share: float, buckets: Mapping[Labels, float]) -> dict[Labels, float]:
    """Return the quantile for each group of buckets, by linear interpolation within a bucket."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, number in buckets.items():
        named = dict(labels)
        bound = float(named.pop("le").replace("+Inf", "inf"))
        groups.setdefault(frozenset(named.items()), []).append((bound, number))
    return {labels: _quantile(share, sorted(found)) for labels, found in groups.items()}


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float:
    total = buckets[-1][1]
    if len(buckets) < 2 or not total or not math.isinf(buckets[-1][0]):
        return math.nan
    rank = share * total
    index = next(index for index, (_, number) in enumerate(buckets) if number >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    start, below = (0.0, 0.0) if index == 0 else buckets[index - 1]
    bound, number = buckets[index]
    return start + (bound - start) * (rank - below) / (number - below)
