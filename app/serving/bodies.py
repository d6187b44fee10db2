"""The body of an upload, which a thread reads while it arrives."""

import errno
from typing import Protocol

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

__all__ = ["BrokenIsLost"]


class _Reader(Protocol):
    def read(self, size: int) -> bytes: ...


class BrokenIsLost:
    """Reader for gunicorn's `Body` that reports malformed chunks as a lost connection."""

    def __init__(self, reader: _Reader) -> None:
        """Read from `reader`."""
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes. Raises ConnectionResetError, an OSError, for malformed chunks."""
        try:
            return self._reader.read(size)
        except ParseException as error:
            raise ConnectionResetError(errno.ECONNRESET, "the body is malformed") from error
