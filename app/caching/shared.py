"""Memory that the processes of one machine share: marks on entries that somebody owes an end, and counts.

It is a small file in the temporary folder, mapped by every process of this user that works on the same Redis. Each
process writes only its own row, so there are no locks between processes while they work, and an aligned eight-byte
store is never seen half done. A process owns its row by a record lock on one byte of the file (POSIX fcntl locks),
which the kernel releases when the process ends, however it ends. Its marks stay until their time is over.
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
"""Processes that can own a row. Any further ones share one more row, whose marks are never taken back but lapse."""
_SLOTS = 1024
_CELL = 8
_COLUMNS = ROWS + 1
_NO_MARKS = bytes(_COLUMNS * _CELL)
_COUNTS_AT = _COLUMNS * _SLOTS
_SINCE_AT = _COUNTS_AT + _COLUMNS * len(COUNTERS)
_BYTES = _CELL * (_SINCE_AT + 1)
_DOOR = ROWS  # the byte that is locked while a process looks for a row
_LONGEST_SECONDS = 7200.0  # no mark is made for longer; one that ends later is from before the machine restarted
_PLACE = {str(name): place for place, name in enumerate(COUNTERS)}


class SharedRegion:
    """Marks and counts, one row of each per process."""

    def __init__(self, file: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Map the open `file` (a file descriptor), by default one that only this process and its children have.

        `clock` gives monotonic seconds and must be the same in all processes.
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
        """When counting began, in seconds since the epoch."""
        return self._cells[_SINCE_AT] / 1000

    def claim(self) -> None:
        """Take a row; a forked process does so again, as record locks stay with the parent."""
        self._lock, self._inherited = threading.Lock(), dict[int, int]()
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _DOOR)
        try:
            if self._owns(0, ROWS):
                self._renew()
                fcntl.lockf(self._file, fcntl.LOCK_UN, ROWS, 0)
            self._row = next((row for row in range(ROWS) if self._owns(row, 1)), ROWS)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _DOOR)

    def mark(self, key: str, *, seconds: float) -> None:
        """Tell every process that `key` may be outdated in Redis for the next `seconds` (at most two hours)."""
        cell = _slot(key) * _COLUMNS + self._row
        with self._lock:
            self._inherited.setdefault(cell, self._cells[cell])
            until = self._clock() + min(seconds, _LONGEST_SECONDS)
            self._cells[cell] = max(self._cells[cell], int(until * 1000))

    def unmark(self) -> None:
        """Take back all marks of this process: it owes nothing any more. Those of its row's last owner stay."""
        with self._lock:
            if self._row < ROWS:
                for cell, before in self._inherited.items():
                    self._cells[cell] = before
            self._inherited.clear()

    def is_marked(self, key: str) -> bool:
        """Say whether some process marked `key` (or, rarely, another key of the same slot)."""
        start = crc32(key.encode(errors="surrogatepass")) % _SLOTS * _COLUMNS  # as `_slot`, but for the call
        if self._memory[start * _CELL : (start + _COLUMNS) * _CELL] == _NO_MARKS:  # much cheaper than looking at each
            return False
        return max(self._cells[start : start + _COLUMNS]) > self._clock() * 1000

    def count(self, name: str) -> None:
        """Add one to the count `name` of this process; KeyError for a name that is not in `COUNTERS`."""
        cell = _COUNTS_AT + self._row * len(COUNTERS) + _PLACE[name]
        with self._lock:
            self._cells[cell] += 1

    def counts(self) -> dict[str, int]:
        """Return each count summed over all processes, dead ones included, since one of them first came here alone."""
        counts = self._cells[_COUNTS_AT:_SINCE_AT]
        return {name: sum(counts[place :: len(COUNTERS)]) for name, place in _PLACE.items()}

    def _owns(self, row: int, rows: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, rows, row)
        except OSError:
            return False
        return True

    def _renew(self) -> None:
        """Begin to count. Marks stay: they may be of processes that were killed a moment ago."""
        self._cells[_COUNTS_AT:_SINCE_AT] = memoryview(bytes(_CELL * (_SINCE_AT - _COUNTS_AT))).cast("Q")
        self._cells[_SINCE_AT] = int(time.time() * 1000)
        if max(self._cells[:_COUNTS_AT]) > (self._clock() + _LONGEST_SECONDS) * 1000:
            self._cells[:_COUNTS_AT] = memoryview(bytes(_CELL * _COUNTS_AT)).cast("Q")


@cache  # closing a second descriptor of the same file would release this process's locks
def region_of(server: str) -> SharedRegion:
    """Return the region of all processes of this user, on this machine, that work on `server`; one per process.

    Raises:
        RuntimeError: the file cannot be made or is not only ours. Without it a process could serve what another one
            could not delete, so there is no way to go on.

    """
    layout = f"{server} {ROWS} {_SLOTS} {COUNTERS}"
    digest = hashlib.sha256(layout.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"lease-cache-{os.geteuid()}-{digest}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RuntimeError(f"{path} cannot be written ({error.strerror}); set TMPDIR to a folder that can be") from None
    found = os.fstat(file)
    if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(file)
        raise RuntimeError(f"{path} can be changed by others; remove it, or set TMPDIR to a folder of your own")
    return SharedRegion(file)


def _slot(key: str) -> int:
    """Return the key's slot: a digest that is the same in every process."""
    return crc32(key.encode(errors="surrogatepass")) % _SLOTS


_regions = weakref.WeakSet[SharedRegion]()


def _claim_all() -> None:
    for region in _regions:
        region.claim()


os.register_at_fork(after_in_child=_claim_all)
