"""Crowds of slow clients: many connections that send or read one byte at a time."""

import contextlib
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from local.server import LOOPBACK

NUMBER: Final = 200
_PAUSE_SECONDS: Final = 0.5
_SEGMENT_BYTES: Final = 1400


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The behaviour of the clients of a crowd.

    Attributes:
        opening: the bytes that each client sends at once.
        byte: the byte that each client then sends repeatedly; empty for a client that reads one byte at a time.

    """

    opening: bytes
    byte: bytes = b""


def head(line: str, *fields: str) -> bytes:
    """Return the head of a request without the empty line at its end."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: app", *fields, ""]).encode()


def slow_reader(line: str, token: str) -> Behaviour:
    """Return the behaviour of clients that send a request and read the answer one byte at a time."""
    return Behaviour(head(line, f"Authorization: Bearer {token}") + b"\r\n")


class Crowd:
    """Keeps `number` connections to `port` open inside the block. Connections that the server closes are replaced.

    Attributes:
        closed: the number of connections that the server closed.
        statuses: the HTTP statuses that it sent before.
        longest: the longest time in seconds that one of them was open.

    """

    def __init__(self, port: int, behaviour: Behaviour, number: int = NUMBER) -> None:
        """Prepare the crowd."""
        self.closed, self.longest = 0, 0.0
        self.statuses: Counter[str] = Counter()
        self._port, self._behaviour, self._number = port, behaviour, number
        self._open: dict[socket.socket, float] = {}
        self._reading: set[socket.socket] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def sends(self) -> bool:
        """Whether the clients send slowly, rather than read slowly."""
        return bool(self._behaviour.byte)

    def is_served(self, *, at_least: int | None = None) -> bool:
        """Return whether all clients, or `at_least` this number, have received a first byte of their answer."""
        return self.sends or len(self._reading) >= (at_least or self._number)

    def __enter__(self) -> Self:
        """Connect all clients, then continue in a thread."""
        self._fill()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all clients."""
        self._over.set()
        self._thread.join()
        for client in self._open:
            client.close()

    def _run(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            for client in list(self._open):
                if not self._step(client):
                    self._record_close(client)
            self._fill()

    def _fill(self) -> None:
        while len(self._open) < self._number and not self._over.is_set():
            client = self._connect()
            self._open[client] = time.monotonic()

    def _connect(self) -> socket.socket:
        """Return a new client that has sent its opening bytes, unless the server has already closed the connection."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # On loopback a segment has 64 KB by default. The buffers grow with it, so an answer of megabytes would fit.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        client.connect((LOOPBACK, self._port))
        with contextlib.suppress(OSError):
            client.sendall(self._behaviour.opening)
        client.settimeout(0)
        return client

    def _step(self, client: socket.socket) -> bool:
        """Send or read one byte; return whether the connection is still open."""
        try:
            if self._behaviour.byte:
                client.send(self._behaviour.byte)
                client.recv(1, socket.MSG_PEEK)  # an answer now is a refusal; otherwise BlockingIOError is raised
                return False
            read = client.recv(1)
            self._reading.add(client)
            return bool(read)
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _record_close(self, client: socket.socket) -> None:
        self.closed += 1
        self.longest = max(self.longest, time.monotonic() - self._open.pop(client))
        with contextlib.suppress(OSError):
            self.statuses[client.recv(12).decode().removeprefix("HTTP/1.1 ")] += 1
        client.close()
