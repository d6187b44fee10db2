"""Memory in which the workers of one server count. gunicorn's master maps it; each worker inherits the mapping.

Each process writes only its own row, so the processes need no locks. A row consists of slots, one for each combination
of a metric and its label values. The row also contains the names of its slots, because each worker creates slots in its
own order. A worker that replaces an ended one continues the row of the ended one, so no count is lost.
"""

import json
import logging
import mmap
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

logger = logging.getLogger(__name__)

ROWS: Final = 64
"""Maximum number of processes. Row 0 belongs to a process that no gunicorn master has started."""
SLOTS: Final = 640
"""Maximum number of combinations of a metric and its label values in one process."""
CELLS: Final = 16
"""Numbers in one slot: the buckets of a histogram and its sum."""
LIVE_SECONDS: Final = 5.0
"""A worker whose last sign of life is older has ended, or hangs. Its gauges are not reported."""

Name = tuple[str, ...]
"""The name of a metric, followed by its label values."""

_NAME_BYTES: Final = 128
_HEADER: Final = 2  # cells at the start of a row: the number of slots in use, the time of the last sign of life
_ROW: Final = _HEADER + SLOTS * CELLS
_NAMES_AT: Final = ROWS * _ROW * 8
_BYTES: Final = _NAMES_AT + ROWS * SLOTS * _NAME_BYTES


class Memory:
    """The rows of all processes, and the slots of this one. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Map new memory, filled with zeros. `clock` returns monotonic seconds, the same in all processes."""
        self._bytes, self._clock = mmap.mmap(-1, _BYTES), clock
        self.cells = memoryview(self._bytes)[:_NAMES_AT].cast("Q")
        self.use_row(0)

    def use_row(self, row: int) -> None:
        """Count in `row` from now on. Call it after a fork, before any thread starts."""
        self._row, self.lock = row, threading.Lock()
        self.slots = {name: self._start(row, number) for number, name in enumerate(self._names(row))}

    def add(self, name: Name) -> int:
        """Return the index in `cells` of the first cell of a slot, and create the slot if there is none.

        All names share the last slot when the row is full, and it is not reported. Raises ValueError if the name is too
        long.
        """
        text = json.dumps(name).encode()
        if len(text) > _NAME_BYTES:
            raise ValueError(f"the name and the labels of a metric are too long: {name}")
        with self.lock:
            if name not in self.slots:
                number = len(set(self.slots.values()))
                if number < SLOTS - 1:
                    at = self._name_at(self._row, number)
                    self._bytes[at : at + len(text)] = text
                    self.cells[self._row * _ROW] = number + 1  # last, so that readers find a complete name
                elif number == SLOTS - 1:
                    logger.warning("Metrics: there is no room for further label values; they are not counted")
                self.slots[name] = self._start(self._row, min(number, SLOTS - 1))
            return self.slots[name]

    def show_life(self) -> None:
        """Record that this process is alive, and that its gauges are up to date."""
        self.cells[self._row * _ROW + 1] = int(self._clock() * 1000)

    def totals(self) -> dict[Name, list[int]]:
        """Return the sum of each cell over all processes, including ended ones."""
        return self._summed(range(ROWS))

    def live_totals(self) -> dict[Name, list[int]]:
        """Return the sum of each cell over the processes that are alive."""
        since = (self._clock() - LIVE_SECONDS) * 1000
        return self._summed(row for row in range(ROWS) if self.cells[row * _ROW + 1] > max(since, 0))

    def _summed(self, rows: "range | Iterator[int]") -> dict[Name, list[int]]:
        sums: dict[Name, list[int]] = {}
        for row in rows:
            for number, name in enumerate(self._names(row)):
                start = self._start(row, number)
                found = self.cells[start : start + CELLS].tolist()
                sums[name] = [a + b for a, b in zip(sums[name], found, strict=True)] if name in sums else found
        return sums

    def _names(self, row: int) -> Iterator[Name]:
        for number in range(self.cells[row * _ROW]):
            at = self._name_at(row, number)
            yield tuple(json.loads(self._bytes[at : at + _NAME_BYTES].rstrip(b"\0")))

    @staticmethod
    def _start(row: int, number: int) -> int:
        return row * _ROW + _HEADER + number * CELLS

    @staticmethod
    def _name_at(row: int, number: int) -> int:
        return _NAMES_AT + (row * SLOTS + number) * _NAME_BYTES


def free_row(taken: Collection[int]) -> int:
    """Return the first row for a worker that no other worker uses. If there is none, workers share the last row."""
    return next((row for row in range(1, ROWS) if row not in taken), ROWS - 1)


MEMORY: Final = Memory()
"""The memory of this server."""
