"""Files that only their owner can read, and file locks that are released when their process ends."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["AlreadyLockedError", "lock", "read_or_create", "write_private"]


class AlreadyLockedError(RuntimeError):
    """Another process holds the lock."""


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 atomically: readers see the old file or the complete new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a private file. If the file is missing, create it with the text that `make` returns."""
    if not path.exists():
        write_private(path, make())
    return path.read_text()


def lock(path: Path) -> int:
    """Lock `path` and return the file descriptor that holds the lock. Processes that inherit it hold the lock too.

    Raises:
        AlreadyLockedError: another process holds the lock.

    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyLockedError(str(path)) from None
    return descriptor
