"""Counts of clients that were given up, logged once a minute: a line for each would let them fill the log."""

from collections import Counter
from collections.abc import Callable
from typing import Final

__all__ = ["Tally"]

_SECONDS: Final = 60.0


class Tally:
    """What happened since the last line, by name."""

    def __init__(self, log: Callable[[str], None]) -> None:
        """Write lines with `log`."""
        self._log = log
        self._counts: Counter[str] = Counter()
        self._not_before = 0.0

    def add(self, name: str) -> None:
        """Count one."""
        self._counts[name] += 1

    def report(self, now: float) -> None:
        """Log what was counted, unless the last line is younger than a minute at `now` (monotonic seconds)."""
        if not self._counts or now < self._not_before:
            return
        counted = ", ".join(f"{number} {name}" for name, number in sorted(self._counts.items()))
        self._log(f"slow clients closed: {self._counts.total()} ({counted})")
        self._counts.clear()
        self._not_before = now + _SECONDS
