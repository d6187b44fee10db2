"""Clients that take their time: many connections that send, or read, one byte at a time."""

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
class Manner:
    """How the clients of a crowd behave.

    Attributes:
        opening: what each sends at once.
        byte: what each sends next, again and again; empty for a client that reads a byte at a time instead.

    """

    opening: bytes
    byte: bytes = b""


def head(line: str, *fields: str) -> bytes:
    """Return the head of a request, without its end."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: app", *fields, ""]).encode()


def asking(line: str, token: str) -> Manner:
    """Return clients that ask for something and read the answer a byte at a time."""
    return Manner(head(line, f"Authorization: Bearer {token}") + b"\r\n")


class Crowd:
    """Always `NUMBER` connections to `port`, inside the block; those the server closes are opened anew.

    Attributes:
        closed: how many the server closed.
        statuses: what it said in doing so.
        longest: seconds the longest-lived of them was open.

    """

    def __init__(self, port: int, manner: Manner, number: int = NUMBER) -> None:
        """Describe it."""
        self.closed, self.longest = 0, 0.0
        self.statuses: Counter[str] = Counter()
        self._port, self._manner, self._number = port, manner, number
        self._open: dict[socket.socket, float] = {}
        self._reading: set[socket.socket] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stay)

    @property
    def sends(self) -> bool:
        """Whether they send, rather than read."""
        return bool(self._manner.byte)

    def is_served(self, *, at_least: int | None = None) -> bool:
        """Say whether all, or `at_least` so many, have begun to get what they read slowly."""
        return self.sends or len(self._reading) >= (at_least or self._number)

    def __enter__(self) -> Self:
        """Let all of them connect, then go on in a thread."""
        self._fill()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all of them go."""
        self._over.set()
        self._thread.join()
        for client in self._open:
            client.close()

    def _stay(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            for client in list(self._open):
                if not self._goes_on(client):
                    self._leave(client)
            self._fill()

    def _fill(self) -> None:
        while len(self._open) < self._number and not self._over.is_set():
            client = self._connected()
            self._open[client] = time.monotonic()

    def _connected(self) -> socket.socket:
        """Return a new client that has sent what it sends at once, unless the server closed it already."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # On loopback a segment is 64 KB, and the system sizes its buffers by that: megabytes would fit into them.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        client.connect((LOOPBACK, self._port))
        with contextlib.suppress(OSError):
            client.sendall(self._manner.opening)
        client.settimeout(0)
        return client

    def _goes_on(self, client: socket.socket) -> bool:
        """Send or read one byte; say whether the connection still stands."""
        try:
            if self._manner.byte:
                client.send(self._manner.byte)
                client.recv(1, socket.MSG_PEEK)  # an answer now is a refusal; without one this would block
                return False
            read = client.recv(1)
            self._reading.add(client)
            return bool(read)
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _leave(self, client: socket.socket) -> None:
        self.closed += 1
        self.longest = max(self.longest, time.monotonic() - self._open.pop(client))
        with contextlib.suppress(OSError):
            self.statuses[client.recv(12).decode().removeprefix("HTTP/1.1 ")] += 1
        client.close()
