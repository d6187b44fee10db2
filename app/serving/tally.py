"""Counts closed slow clients and logs them once a minute, so that they cannot flood the log."""

from collections import Counter
from collections.abc import Callable
from typing import Final

__all__ = ["Tally"]

_SECONDS: Final = 60.0


class Tally:
    """Counts by name since the last log line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        """Log with `log`."""
        self._log = log
        self._counts: Counter[str] = Counter()
        self._not_before = 0.0

    def add(self, name: str) -> None:
        """Add one to the count of `name`."""
        self._counts[name] += 1

    def report(self, now: float) -> None:
        """Log the counts, unless the last line is less than a minute old at `now` (monotonic seconds)."""
        if not self._counts or now < self._not_before:
            return
        counted = ", ".join(f"{number} {name}" for name, number in sorted(self._counts.items()))
        self._log(f"slow clients closed: {self._counts.total()} ({counted})")
        self._counts.clear()
        self._not_before = now + _SECONDS
