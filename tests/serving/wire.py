"""A raw connection to the server: sends bytes and reads answers."""

import email
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

from local.application import AppServer
from local.server import LOOPBACK

_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    fields: Message
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Wire:
    """A connection that sends raw bytes and reads one answer at a time."""

    def __init__(self, connection: socket.socket) -> None:
        """Use `connection`."""
        self.socket = connection
        self._file = connection.makefile("rb")

    def close(self) -> None:
        """Close the file of the connection."""
        self._file.close()

    def send(self, data: bytes) -> None:
        """Send all bytes."""
        self.socket.sendall(data)

    def reply(self) -> Reply:
        """Read one answer. Its length must be declared, or it must end the connection."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1."), line
        head = b""
        while (field := self._file.readline()) not in {b"\r\n", b""}:
            head += field
        fields = email.message_from_bytes(head)
        status, length = int(line.split()[1]), fields["Content-Length"]
        if status == 100:  # it has no body, and the final answer follows
            return Reply(status, fields, b"")
        return Reply(status, fields, self._file.read(int(length)) if length else self._file.read())

    def ended(self) -> bool:
        """Return whether the server has closed its side without sending more bytes."""
        return self._file.read() == b""


@contextmanager
def wire(server: AppServer) -> Iterator[Wire]:
    """Connect to `server`."""
    with socket.create_connection((LOOPBACK, server.port), timeout=_SECONDS) as connection:
        found = Wire(connection)
        try:
            yield found
        finally:
            found.close()
