"""Send bytes to the application and take its answers apart, strictly: a malformed answer is a mistake too."""

import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Final, Self

from local.server import LOOPBACK
from tests.hostile.attempts import Attempt

SECONDS: Final = 20.0
"""Within which each part of an answer must have come, on a machine that is busy with us."""

LARGE: Final = 60_000
"""Bytes of a request from which on a server may refuse before it has read all, and then reset the connection."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\x20-\x7e]*\r\n")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)\r\n")
_NO_BODY: Final = {204, 304}


class MalformedAnswerError(Exception):
    """What came back is not HTTP, or not all of it came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for found, value in self.headers if found == name]

    def first(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def raw(self) -> bytes:
        """Everything a client sees of it."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode("latin-1") + b"\n" + self.body


class Line:
    """A connection to the application on this port that is used for as long as both sides keep it."""

    def __init__(self, port: int) -> None:
        """Connect when first needed."""
        self._port = port
        self._socket: socket.socket | None = None
        self._file: BinaryIO | None = None
        self.lost = 0

    def ask(self, attempt: Attempt) -> list[Answer]:
        """Send it and return the answers: one, or for a loose or cut off request any number.

        Raises:
            MalformedAnswerError: an answer is none.
            OSError: the connection broke; TimeoutError: no answer came in time.

        """
        if attempt.loose or not attempt.complete:
            self.close()
            return self._everything(attempt)
        reused = self._socket is not None
        try:
            return [self._one(attempt)]
        except ConnectionError:
            self.close()
            if not reused:
                raise
        self.lost += 1  # it was closed while idle, as both sides may at any time (RFC 9112, section 9.5)
        return [self._one(attempt)]

    def close(self) -> None:
        """Hang up."""
        for part in (self._file, self._socket):
            if part is not None:
                part.close()
        self._socket = self._file = None

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.close()

    def _open(self) -> tuple[socket.socket, BinaryIO]:
        if self._socket is None or self._file is None:
            self._socket = socket.create_connection((LOOPBACK, self._port), timeout=SECONDS)
            self._file = self._socket.makefile("rb")
        return self._socket, self._file

    def _one(self, attempt: Attempt) -> Answer:
        channel, file = self._open()
        try:
            channel.sendall(attempt.raw)
        except ConnectionError:
            if len(attempt.raw) < LARGE:
                raise
        answer = read_answer(file, attempt.method)
        if answer is None:
            raise ConnectionResetError("closed without an answer")
        if "close" in answer.first("connection"):
            self.close()
        return answer

    def _everything(self, attempt: Attempt) -> list[Answer]:
        channel, file = self._open()
        answers = []
        try:
            channel.sendall(attempt.raw)
            channel.shutdown(socket.SHUT_WR)
            while (answer := read_answer(file, attempt.method)) is not None:
                answers.append(answer)
        except ConnectionError:  # closed on a client that says what nobody understands
            pass
        finally:
            self.close()
        return answers


def read_answer(file: BinaryIO, method: str) -> Answer | None:
    """Read one answer to a request of this method; None when the connection ends before one begins."""
    line = file.readline(65_536)
    if not line:
        return None
    if not (found := _STATUS.fullmatch(line)):
        raise MalformedAnswerError(f"status line {line[:200]!r}")
    status, headers = int(found[1]), tuple(_headers(file))
    if status < 200:
        return read_answer(file, method)
    answer = Answer(status, headers, b"")
    return answer if method == "HEAD" or status in _NO_BODY else Answer(status, headers, _body(file, answer))


def _headers(file: BinaryIO) -> list[tuple[str, str]]:
    headers = []
    while (line := file.readline(65_536)) != b"\r\n":
        if not (found := _HEADER.fullmatch(line)):
            raise MalformedAnswerError(f"header {line[:200]!r}")
        headers.append((found[1].decode().lower(), found[2].decode("latin-1")))
    return headers


def _body(file: BinaryIO, answer: Answer) -> bytes:
    coding, lengths = answer.all("transfer-encoding"), answer.all("content-length")
    if coding:
        if coding != ["chunked"] or lengths:
            raise MalformedAnswerError("its body is framed in two ways")
        return b"".join(iter(lambda: _chunk(file), b""))
    if not lengths:
        return file.read()
    body = file.read(int(lengths[0]))
    if len(lengths) > 1 or len(body) != int(lengths[0]):
        raise MalformedAnswerError(f"a body of {len(body)} bytes, where {lengths} were announced")
    return body


def _chunk(file: BinaryIO) -> bytes:
    size = int(file.readline(100), 16)
    chunk = file.read(size)
    if len(chunk) != size or file.read(2) != b"\r\n":
        raise MalformedAnswerError("a chunk is cut off")
    return chunk
