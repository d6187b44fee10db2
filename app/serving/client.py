"""The socket of a client. It buffers a request until it is complete, and the part of a response not yet sent.

The socket is non-blocking; gunicorn's calls that switch between blocking and non-blocking are ignored. Only two calls
wait, and only while the client keeps to `RATE`: `recv` for the rest of a body, and `sendall` while much of a file is
unsent. An ordinary response is buffered as a whole instead.
"""

import errno
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from gunicorn.http.errors import LimitRequestHeaders  # type: ignore[import-untyped]

from app.serving.framing import Arrived, Kind, arrived

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

__all__ = ["LIMITED", "RATE", "UNSENT_BYTES", "WAIT_SECONDS", "ClientSocket"]

WAIT_SECONDS: Final = 10.0
"""Seconds that a thread waits for one client in one direction, in addition to the time earned by `RATE`."""

RATE: Final = 32 << 10
"""Minimum rate in bytes per second: each `RATE` bytes transferred give the client one more second."""

UNSENT_BYTES: Final = 256 << 10
"""Maximum number of buffered bytes of a long response. Beyond it, the thread waits for the client."""

LIMITED: Final = frozenset({Kind.TRANSFER, Kind.BODY})
"""Kinds of requests for which a thread may wait for the client."""

_RECEIVE_BYTES: Final = 16 << 10
_DISCARD_BYTES: Final = 64 << 10


class ClientSocket(socket.socket):
    """A connection to a client. A thread uses it while it serves a request; otherwise the main loop does."""

    __slots__ = ("_left", "_seconds_left", "current", "received", "stalled", "unsent")

    def __init__(self, accepted: socket.socket) -> None:
        """Take over `accepted`, which must not be used afterwards."""
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        super().settimeout(0)
        self.received = bytearray()
        """Received bytes that no thread has read yet."""
        self.unsent = bytearray()
        """Bytes of the response that were not sent yet."""
        self.current = Arrived(Kind.ORDINARY, 0)
        """The request that a thread serves, or the last one."""
        self.stalled = False
        """Whether a thread closed the connection because the client was too slow."""
        self._left, self._seconds_left = 0, WAIT_SECONDS

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of the base class
        """Do nothing. This saves two system calls per request."""

    def settimeout(self, value: float | None) -> None:
        """Do nothing, for the same reason."""

    def receive(self) -> bool:
        """Append arrived bytes to `received`. Returns False when the client has closed its side; raises OSError."""
        try:
            data = super().recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return True
        self.received += data
        return bool(data)

    def start_request(self) -> bool:
        """Make `recv` return the next request if it has arrived. Returns False if more bytes are needed."""
        found = arrived(self.received) if self.received else None
        if found is None:
            return False
        self.current, self._left = found, found.size
        self._seconds_left, self.stalled = WAIT_SECONDS, False
        if found.kind in LIMITED:
            # The system reports a socket as writable only when a third of its send buffer is free, and this buffer can
            # grow to megabytes. A client that keeps to RATE would then seem to read nothing for longer than the limit.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
        return True

    @property
    def is_read(self) -> bool:
        """Whether the request was read completely, so that the connection can be kept."""
        return not self._left

    def recv(self, bufsize: int, flags: int = 0) -> bytes:  # noqa: ARG002 - the signature of the base class
        """Return bytes of the current request, never of the next one. Waits only for the rest of a large body."""
        if self._left:
            size = min(bufsize, self._left)
            data = bytes(self.received[:size])
            del self.received[:size]
            self._left -= size
            return data
        if self.current.broken:
            raise LimitRequestHeaders("head too long")
        if not self.current.follows:
            return b""
        data = self._wait_for_client(lambda: socket.socket.recv(self, bufsize))
        self._seconds_left += len(data) / RATE
        return data

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:  # noqa: ARG002 - as above
        """Send `data` and buffer what the client does not read yet. For a file, wait until the buffer is short.

        Raises:
            ConnectionResetError: the client has disconnected, or is slower than `RATE`.

        """
        if not self.unsent:
            sent = self._send(data)
            if sent == len(data):  # type: ignore[arg-type] # gunicorn sends bytes
                return
            data = memoryview(data)[sent:]
        self.unsent += data
        self.flush()
        while self.current.kind in LIMITED and len(self.unsent) > UNSENT_BYTES:
            sent = self._wait_for_client(lambda: socket.socket.send(self, self.unsent))
            self._seconds_left += sent / RATE
            del self.unsent[:sent]

    def flush(self) -> bool:
        """Send buffered bytes without waiting. Returns whether all were sent; raises OSError."""
        if self.unsent:
            del self.unsent[: self._send(self.unsent)]
        return not self.unsent

    def discard(self) -> int:
        """Discard arrived bytes. Returns their number, 0 at the end of the stream; raises OSError."""
        return len(super().recv(_DISCARD_BYTES))

    def _send(self, data: "ReadableBuffer") -> int:
        try:
            return super().send(data)
        except BlockingIOError:
            return 0

    def _wait_for_client(self, move: Callable[[], T]) -> T:
        """Call `move`, which may wait as long as the remaining time of this client allows."""
        started = time.monotonic()
        super().settimeout(max(self._seconds_left, 0.001))
        try:
            return move()
        except TimeoutError:
            self.stalled = True
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from None
        finally:
            super().settimeout(0)
            self._seconds_left -= time.monotonic() - started
