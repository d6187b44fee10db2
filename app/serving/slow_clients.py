"""Counts the slow clients that were closed. Logs the counts once a minute, so that clients cannot flood the log."""

from collections import Counter
from collections.abc import Callable
from typing import Final

__all__ = ["SlowClients"]

_SECONDS: Final = 60.0


class SlowClients:
    """Counts by reason since the last log line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        """Log with `log`."""
        self._log = log
        self._counts: Counter[str] = Counter()
        self._not_before = 0.0

    def add(self, reason: str) -> None:
        """Add one to the count of `reason`."""
        self._counts[reason] += 1

    def report(self, now: float) -> None:
        """Log the counts, unless the last line is less than a minute old at `now` (monotonic seconds)."""
        if not self._counts or now < self._not_before:
            return
        counted = ", ".join(f"{number} {reason}" for reason, number in sorted(self._counts.items()))
        self._log(f"slow clients closed: {self._counts.total()} ({counted})")
        self._counts.clear()
        self._not_before = now + _SECONDS
