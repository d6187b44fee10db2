"""A connection to the application, and a strict parser of its answers: a malformed answer is an error."""

import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Final, Self

from local.server import LOOPBACK
from tests.hostile.attempts import Attempt

SECONDS: Final = 20.0
"""Timeout in seconds for each part of an answer. It allows for a machine that is busy with these tests."""

LARGE: Final = 60_000
"""Size in bytes from which a server may refuse a request before it has read all of it, and reset the connection."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\x20-\x7e]*\r\n")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)\r\n")
_NO_BODY: Final = {204, 304}


class MalformedAnswerError(Exception):
    """The answer is not valid HTTP, or is incomplete."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. The names of its headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for found, value in self.headers if found == name]

    def first(self, name: str) -> str:
        """Return the first value of a header, or an empty string."""
        return next(iter(self.all(name)), "")

    @property
    def raw(self) -> bytes:
        """The headers and the body, in which the oracle searches for leaks."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode("latin-1") + b"\n" + self.body


class Connection:
    """A connection to the application. It is reused until one side closes it."""

    def __init__(self, port: int) -> None:
        """Store the port. The first request opens the connection."""
        self._port = port
        self._socket: socket.socket | None = None
        self._file: BinaryIO | None = None
        self.lost = 0

    def send(self, attempt: Attempt) -> list[Answer]:
        """Send a request and return its answers: one, or any number for an ambiguous or truncated request.

        Raises:
            MalformedAnswerError: an answer is not valid HTTP.
            OSError: the connection broke; TimeoutError: no answer came in time.

        """
        if attempt.ambiguous or not attempt.complete:
            self.close()
            return self._all_answers(attempt)
        reused = self._socket is not None
        try:
            return [self._one_answer(attempt)]
        except ConnectionError:
            self.close()
            if not reused:
                raise
        self.lost += 1  # it was closed while idle, as both sides may at any time (RFC 9112, section 9.5)
        return [self._one_answer(attempt)]

    def close(self) -> None:
        """Close the connection."""
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
        """Close the connection."""
        self.close()

    def _open(self) -> tuple[socket.socket, BinaryIO]:
        if self._socket is None or self._file is None:
            self._socket = socket.create_connection((LOOPBACK, self._port), timeout=SECONDS)
            self._file = self._socket.makefile("rb")
        return self._socket, self._file

    def _one_answer(self, attempt: Attempt) -> Answer:
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

    def _all_answers(self, attempt: Attempt) -> list[Answer]:
        channel, file = self._open()
        answers = []
        try:
            channel.sendall(attempt.raw)
            channel.shutdown(socket.SHUT_WR)
            while (answer := read_answer(file, attempt.method)) is not None:
                answers.append(answer)
        except ConnectionError:  # the server closes the connection after a malformed request
            pass
        finally:
            self.close()
        return answers


def read_answer(file: BinaryIO, method: str) -> Answer | None:
    """Read one answer to a request with `method`. Return None if the connection ends before the answer starts."""
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
            raise MalformedAnswerError("the body has contradictory framing")
        return b"".join(iter(lambda: _chunk(file), b""))
    if not lengths:
        return file.read()
    body = file.read(int(lengths[0]))
    if len(lengths) > 1 or len(body) != int(lengths[0]):
        raise MalformedAnswerError(f"the body has {len(body)} bytes, but Content-Length is {lengths}")
    return body


def _chunk(file: BinaryIO) -> bytes:
    size = int(file.readline(100), 16)
    chunk = file.read(size)
    if len(chunk) != size or file.read(2) != b"\r\n":
        raise MalformedAnswerError("a chunk is truncated")
    return chunk
