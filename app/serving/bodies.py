"""The body of an upload, read by a thread while it arrives."""

import errno
from typing import Protocol

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

__all__ = ["BrokenIsLost"]


class _Reader(Protocol):
    def read(self, size: int) -> bytes: ...


class BrokenIsLost:
    """Reads for gunicorn's `Body`; chunks that are no HTTP look like a lost connection, which the application knows."""

    def __init__(self, reader: _Reader) -> None:
        """Read from `reader`."""
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes. Raises ConnectionResetError, an OSError, for chunks that are malformed."""
        try:
            return self._reader.read(size)
        except ParseException as error:
            raise ConnectionResetError(errno.ECONNRESET, "the body is malformed") from error
