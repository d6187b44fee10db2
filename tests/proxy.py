"""A proxy between the app and Supabase that can drop or corrupt answers: real faults on a real connection."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Final
from urllib.parse import urlsplit

from tests.loopback import LoopbackServer

_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault that the proxy applies to every call of the database.

    Attributes:
        answer: maps the true answer to the bytes that are sent instead, before the connection is closed.
        arrives: whether the request reaches the database, so that a change happens although its answer is lost.

    """

    answer: Callable[[bytes], bytes]
    arrives: bool = True


def http_answer(status: str, body: bytes, *, media_type: str = "application/json") -> bytes:
    """Return the bytes of a complete HTTP answer."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_PAGE: Final = b"<!doctype html><html><body>Bad gateway</body></html>"


def faulty_answer(status: str, body: bytes, media_type: str = "application/json") -> Fault:
    """Return a fault that replaces the answer of the database. The request still reaches the database."""
    return Fault(lambda _: http_answer(status, body, media_type=media_type))


FAULTS: Final = {
    "closed before it was forwarded": Fault(lambda _: b"", arrives=False),
    "answer lost": Fault(lambda _: b""),
    "answer cut off in its head": Fault(lambda answer: answer[:20]),
    "answer cut off in its body": Fault(lambda answer: answer[:-1]),
    "not HTTP": Fault(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n"),
    "truncated JSON": faulty_answer("200 OK", b'{"all": 1, "asin_fo'),
    "an HTML page": faulty_answer("200 OK", _PAGE, "text/html"),
    "HTML that says it is JSON": faulty_answer("200 OK", _PAGE),
    "empty": faulty_answer("200 OK", b""),
    "no content": faulty_answer("204 No Content", b""),
    "an empty list": faulty_answer("200 OK", b"[]"),
    "an empty object": faulty_answer("200 OK", b"{}"),
    "a number": faulty_answer("200 OK", b"7"),
    "a string": faulty_answer("200 OK", b'"ok"'),
    "500 without a body": faulty_answer("500 Internal Server Error", b""),
    "500 as HTML": faulty_answer("500 Internal Server Error", _PAGE, "text/html"),
    "502 of a gateway": faulty_answer("502 Bad Gateway", _PAGE, "text/html"),
    "503 of PostgREST": faulty_answer("503 Service Unavailable", b'{"code": "PGRST001", "message": "no connection"}'),
    "500 with an SQLSTATE": faulty_answer(
        "500 Internal Server Error", b'{"code": "57014", "message": "secret SQL words"}'
    ),
    "429 of a gateway": faulty_answer("429 Too Many Requests", b"slow down", "text/plain"),
}  # fmt: skip
"""Faulty answers by name. The app must treat each as a failure of the database."""


class SupabaseProxy(LoopbackServer):
    """Forwards every request to the Supabase at `upstream`, or applies `fault`. Use it as a context manager."""

    def __init__(self, upstream: str) -> None:
        """Listen on a free port, without a fault. `received` stores the headers of each call."""
        self.fault: Fault | None = None
        self.received: list[dict[str, str]] = []
        super().__init__(self._handler(urlsplit(upstream).netloc))

    def fails_after(self, calls: int) -> None:
        """Let this many calls pass. Later ones do not arrive."""
        numbers = itertools.count(1)

        def answer(true: bytes) -> bytes:
            if next(numbers) == calls:
                self.fault = Fault(lambda _: b"", arrives=False)
            return true

        self.fault = Fault(answer)

    def holds(self, call: int) -> tuple[threading.Event, threading.Event]:
        """Hold the answer to the call with this number, from 1. Returns the events "it is held" and "release it"."""
        numbers = itertools.count(1)
        held, released = threading.Event(), threading.Event()

        def answer(true: bytes) -> bytes:
            if next(numbers) == call:
                held.set()
                released.wait(_SECONDS)
            return true

        self.fault = Fault(answer)
        return held, released

    def _handler(self, upstream: str) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Forward one call, and return the answer or the faulty one."""
                fault = proxy.fault
                proxy.received.append(dict(self.headers.items()))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b"" if fault and not fault.arrives else self._forward(body)
                self.wfile.write(fault.answer(answer) if fault else answer)
                self.close_connection = True

            def _forward(self, body: bytes) -> bytes:
                connection = HTTPConnection(upstream, timeout=_SECONDS)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
                    connection.request(self.command, self.path, body, headers)
                    answer = connection.getresponse()
                    media_type = answer.headers.get("Content-Type", "")
                    return http_answer(f"{answer.status} {answer.reason}", answer.read(), media_type=media_type)
                finally:
                    connection.close()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
                """Log nothing."""

        return Handler
