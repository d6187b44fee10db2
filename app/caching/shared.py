"""Memory that all workers of one gunicorn master see: marks on entries somebody owes a delete, and counts.

gunicorn.conf.py imports this module before it forks, so the anonymous shared mapping below is one and the same in every
worker, and outlives a worker that is killed. A process on its own simply has it to itself. No locks between processes:
each writes only its own row, and an aligned eight-byte store is never seen half done.
"""

import mmap
import threading
import time
import zlib
from collections.abc import Callable

ROWS = 32
"""Workers that can share; a later one reuses the row of the one 32 starts before it."""
_SLOTS = 1024
_CELL = 8
_NO_MARKS = bytes(ROWS * _CELL)

NAMES = (
    "hit", "collapsed", "stored", "rejected", "bypass", "failed",
    "waits", "poison", "skipped", "begin-failed", "invalidated", "owed", "delivered",
    "breaker-open", "breaker-half-open", "breaker-closed",
    "error:timeout", "error:connection", "error:authentication", "error:loading", "error:read-only", "error:cluster",
    "error:pool-exhausted", "error:permission", "error:out-of-memory", "error:wrong-type", "error:other",
)  # fmt: skip
_PLACE = {name: place for place, name in enumerate(NAMES)}


class SharedRegion:
    """Marks and counts, one row of each per process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Map the memory, all zero. `clock` gives monotonic seconds and must be the same in all processes."""
        self._memory = mmap.mmap(-1, _CELL * ROWS * (_SLOTS + len(NAMES)))
        cells = memoryview(self._memory).cast("Q")
        self._marks, self._counts = cells[: ROWS * _SLOTS], cells[ROWS * _SLOTS :]
        self._clock, self.since = clock, time.time()
        self._row, self._mine = 0, set[int]()
        self._lock = threading.Lock()

    def claim(self, number: int) -> None:
        """Take the row of worker `number`; call it in the worker, right after the fork."""
        self._row, self._mine, self._lock = number % ROWS, set(), threading.Lock()

    def mark(self, key: str, *, seconds: float) -> None:
        """Tell every process that `key` may be outdated in Redis for the next `seconds`."""
        cell = _slot(key) * ROWS + self._row
        with self._lock:
            self._marks[cell] = max(self._marks[cell], int((self._clock() + seconds) * 1000))
            self._mine.add(cell)

    def unmark(self) -> None:
        """Take back all marks of this process: it owes nothing any more."""
        with self._lock:
            for cell in self._mine:
                self._marks[cell] = 0
            self._mine.clear()

    def is_marked(self, key: str) -> bool:
        """Say whether some process marked `key` (or, rarely, another key of the same slot)."""
        start = _slot(key) * ROWS
        if self._memory[start * _CELL : (start + ROWS) * _CELL] == _NO_MARKS:  # much cheaper than looking at each
            return False
        return max(self._marks[start : start + ROWS]) > self._clock() * 1000

    def count(self, name: str) -> None:
        """Add one to the count `name` of this process; KeyError for a name that is not in `NAMES`."""
        cell = self._row * len(NAMES) + _PLACE[name]
        with self._lock:
            self._counts[cell] += 1

    def counts(self) -> dict[str, int]:
        """Return each count summed over all processes, dead ones included."""
        return {name: sum(self._counts[place :: len(NAMES)]) for name, place in _PLACE.items()}


def _slot(key: str) -> int:
    """Return the key's slot: a digest that is the same in every process."""
    return zlib.crc32(key.encode(errors="surrogatepass")) % _SLOTS


process_region = SharedRegion()
"""The region of this process and of those it forks."""
