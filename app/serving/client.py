"""The socket of a client: what has arrived is kept until a request is whole, what is not taken yet is kept too.

It never blocks, and gunicorn's switching between blocking and not is ignored. Two calls alone wait, and each only as
long as the client keeps to `RATE`: `recv` for the rest of a body, and `sendall` while much of a file was not taken. An
ordinary answer is kept whole instead.
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

__all__ = ["LIMITED", "PATIENCE", "RATE", "UNSENT_BYTES", "ClientSocket"]

PATIENCE: Final = 10.0
"""Seconds that a thread waits for one client in one direction, beside what `RATE` gives."""

RATE: Final = 32 << 10
"""Bytes a second: each `RATE` bytes moved give a client one more second."""

UNSENT_BYTES: Final = 256 << 10
"""More than this of a long answer is not kept: the thread that makes it waits for the client."""

LIMITED: Final = frozenset({Kind.TRANSFER, Kind.BODY})
"""Kinds of which a thread may wait for the client."""

_RECEIVE_BYTES: Final = 16 << 10
_DISCARD_BYTES: Final = 64 << 10


class ClientSocket(socket.socket):
    """A connection to a client. A thread has it while it serves a request, the main loop otherwise."""

    __slots__ = ("_left", "_patience", "begun", "received", "stalled", "unsent")

    def __init__(self, accepted: socket.socket) -> None:
        """Take over `accepted`, which must not be used any more."""
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        super().settimeout(0)
        self.received = bytearray()
        """What has arrived and was not given to a thread."""
        self.unsent = bytearray()
        """What the client has not taken yet."""
        self.begun = Arrived(Kind.ORDINARY, 0)
        """The request that a thread serves."""
        self.stalled = False
        """Whether a thread gave this client up."""
        self._left, self._patience = 0, PATIENCE

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of the base class
        """Do nothing: two system calls less for each request."""

    def settimeout(self, value: float | None) -> None:
        """Do nothing, likewise."""

    def receive(self) -> bool:
        """Add what has arrived to `received`. Returns False when the client has ended its side; raises OSError."""
        try:
            data = super().recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return True
        self.received += data
        return bool(data)

    def begin(self) -> bool:
        """Let `recv` give out the next request, if it is there. Returns False when more must arrive first."""
        found = arrived(self.received) if self.received else None
        if found is None:
            return False
        self.begun, self._left = found, found.size
        self._patience, self.stalled = PATIENCE, False
        if found.kind in LIMITED:
            # The system tells that there is room only when a third of its buffer is free, and may let that grow to
            # megabytes: a client that keeps to RATE would seem to take nothing for longer than its patience.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
        return True

    @property
    def is_read(self) -> bool:
        """Whether the whole request was read, so that the next one can follow."""
        return not self._left

    def recv(self, bufsize: int, flags: int = 0) -> bytes:  # noqa: ARG002 - the signature of the base class
        """Return bytes of the request that was begun, never of a later one; wait only for the rest of a large body."""
        if self._left:
            size = min(bufsize, self._left)
            data = bytes(self.received[:size])
            del self.received[:size]
            self._left -= size
            return data
        if self.begun.broken:
            raise LimitRequestHeaders("head too long")
        if not self.begun.follows:
            return b""
        data = self._patiently(lambda: socket.socket.recv(self, bufsize))
        self._patience += len(data) / RATE
        return data

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:  # noqa: ARG002 - as above
        """Send `data`, and keep what the client does not take. For a long answer, wait until little is kept.

        Raises:
            ConnectionResetError: the client is gone, or slower than `RATE`.

        """
        if not self.unsent:
            sent = self._send(data)
            if sent == len(data):  # type: ignore[arg-type] # gunicorn sends bytes
                return
            data = memoryview(data)[sent:]
        self.unsent += data
        self.flush()
        while self.begun.kind in LIMITED and len(self.unsent) > UNSENT_BYTES:
            sent = self._patiently(lambda: socket.socket.send(self, self.unsent))
            self._patience += sent / RATE
            del self.unsent[:sent]

    def flush(self) -> bool:
        """Send what is kept as far as the client takes it. Returns whether nothing is left; raises OSError."""
        if self.unsent:
            del self.unsent[: self._send(self.unsent)]
        return not self.unsent

    def discard(self) -> int:
        """Throw away what has arrived. Returns how many bytes that was, 0 at the end; raises OSError."""
        return len(super().recv(_DISCARD_BYTES))

    def _send(self, data: "ReadableBuffer") -> int:
        try:
            return super().send(data)
        except BlockingIOError:
            return 0

    def _patiently(self, move: Callable[[], T]) -> T:
        """Do `move`, waiting for it within what is left of this client's patience."""
        started = time.monotonic()
        super().settimeout(max(self._patience, 0.001))
        try:
            return move()
        except TimeoutError:
            self.stalled = True
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from None
        finally:
            super().settimeout(0)
            self._patience -= time.monotonic() - started
