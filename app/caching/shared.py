"""Memory shared by the processes of one machine: marks on entries with owed deletes, and the event counters.

The memory is a small file in the temporary folder. Every process of the same user that works on the same Redis maps it.
Each process writes only its own row, so the processes need no locks to mark and to count. An aligned store of 8 bytes
is atomic. A process owns its row through a record lock on one byte of the file (POSIX fcntl locks). The kernel releases
the lock when the process ends for any reason. The marks of an ended process stay until they expire.
"""

import fcntl
import hashlib
import mmap
import os
import stat
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from zlib import crc32

from app.caching.events import COUNTERS

ROWS = 128
"""Maximum number of processes that own a row. Further processes share one extra row; its marks only expire."""
_SLOTS = 1024
_CELL = 8
_COLUMNS = ROWS + 1
_NO_MARKS = bytes(_COLUMNS * _CELL)
_COUNTS_AT = _COLUMNS * _SLOTS
_SINCE_AT = _COUNTS_AT + _COLUMNS * len(COUNTERS)
_BYTES = _CELL * (_SINCE_AT + 1)
_CLAIM_BYTE = ROWS  # this byte is locked while a process claims a row
_MAX_MARK_SECONDS = 7200.0  # the longest lifetime of a mark; a later deadline is left over from before a reboot
_COUNTER_INDEX = {str(name): index for index, name in enumerate(COUNTERS)}


class SharedRegion:
    """Marks and counters, one row of each per process."""

    def __init__(self, file: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Map the open `file` (a file descriptor). The default is a private file, shared only with child processes.

        `clock` returns monotonic seconds and must be the same clock in all processes.
        """
        if file is None:
            with tempfile.TemporaryFile() as private:
                file = os.dup(private.fileno())
        self._file, self._clock = file, clock
        os.ftruncate(file, _BYTES)
        self._memory = mmap.mmap(file, _BYTES)
        self._cells = memoryview(self._memory).cast("Q")
        self.claim()
        _regions.add(self)

    @property
    def since(self) -> float:
        """Time at which counting started, in seconds since the epoch."""
        return self._cells[_SINCE_AT] / 1000

    def claim(self) -> None:
        """Claim a row. A forked process claims its own row, because record locks are not inherited."""
        self._lock, self._inherited = threading.Lock(), dict[int, int]()
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _CLAIM_BYTE)
        try:
            if self._owns(0, ROWS):
                self._reset()
                fcntl.lockf(self._file, fcntl.LOCK_UN, ROWS, 0)
            self._row = next((row for row in range(ROWS) if self._owns(row, 1)), ROWS)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _CLAIM_BYTE)

    def mark(self, key: str, *, seconds: float) -> None:
        """Mark `key` for all processes as possibly outdated in Redis for `seconds` (at most two hours)."""
        cell = _slot(key) * _COLUMNS + self._row
        with self._lock:
            self._inherited.setdefault(cell, self._cells[cell])
            until = self._clock() + min(seconds, _MAX_MARK_SECONDS)
            self._cells[cell] = max(self._cells[cell], int(until * 1000))

    def unmark(self) -> None:
        """Remove the marks of this process, which owes no deletes any more. Marks of earlier owners of the row stay."""
        with self._lock:
            if self._row < ROWS:
                for cell, before in self._inherited.items():
                    self._cells[cell] = before
            self._inherited.clear()

    def is_marked(self, key: str) -> bool:
        """Return whether a process has marked `key`, or (rarely) another key of the same slot."""
        start = crc32(key.encode(errors="surrogatepass")) % _SLOTS * _COLUMNS  # `_slot` inlined, to save a call
        if self._memory[start * _CELL : (start + _COLUMNS) * _CELL] == _NO_MARKS:  # faster than a loop
            return False
        return max(self._cells[start : start + _COLUMNS]) > self._clock() * 1000

    def count(self, name: str) -> None:
        """Add one to the counter `name` of this process. Raises KeyError for a name that is not in `COUNTERS`."""
        cell = _COUNTS_AT + self._row * len(COUNTERS) + _COUNTER_INDEX[name]
        with self._lock:
            self._cells[cell] += 1

    def counts(self) -> dict[str, int]:
        """Return each counter as the sum over all processes, including ended ones, since `since`."""
        counts = self._cells[_COUNTS_AT:_SINCE_AT]
        return {name: sum(counts[index :: len(COUNTERS)]) for name, index in _COUNTER_INDEX.items()}

    def _owns(self, row: int, rows: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, rows, row)
        except OSError:
            return False
        return True

    def _reset(self) -> None:
        """Reset the counters. Marks stay, because a process that was killed a moment ago may have made them."""
        self._cells[_COUNTS_AT:_SINCE_AT] = memoryview(bytes(_CELL * (_SINCE_AT - _COUNTS_AT))).cast("Q")
        self._cells[_SINCE_AT] = int(time.time() * 1000)
        if max(self._cells[:_COUNTS_AT]) > (self._clock() + _MAX_MARK_SECONDS) * 1000:
            self._cells[:_COUNTS_AT] = memoryview(bytes(_CELL * _COUNTS_AT)).cast("Q")


@cache  # closing a second descriptor of the file would release this process's locks
def region_of(server: str) -> SharedRegion:
    """Return the region that all processes of this user on this machine use for `server`.

    Raises:
        RuntimeError: the file cannot be created, or other users can access it. Without it, a process would not know
            which deletes the others owe.

    """
    layout = f"{server} {ROWS} {_SLOTS} {COUNTERS}"
    digest = hashlib.sha256(layout.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"lease-cache-{os.geteuid()}-{digest}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RuntimeError(f"{path} cannot be written ({error.strerror}); set TMPDIR to a writable folder") from None
    found = os.fstat(file)
    if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(file)
        raise RuntimeError(f"{path} can be changed by others; remove it, or set TMPDIR to a private folder")
    return SharedRegion(file)


def _slot(key: str) -> int:
    """Return the slot of a key: a checksum that is the same in every process."""
    return crc32(key.encode(errors="surrogatepass")) % _SLOTS


_regions = weakref.WeakSet[SharedRegion]()


def _claim_all() -> None:
    for region in _regions:
        region.claim()


os.register_at_fork(after_in_child=_claim_all)
