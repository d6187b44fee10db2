"""A proxy between the app and Supabase that can drop or corrupt answers: real faults on a real connection."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

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


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, some concurrent callers wait for seconds, as if the database hung


class SupabaseProxy:
    """Forwards every request to the Supabase at `upstream`, or applies `fault`. Use it as a context manager."""

    def __init__(self, upstream: str) -> None:
        """Listen on a free port, without a fault. `received` stores the headers of each call."""
        self.fault: Fault | None = None
        self.received: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler(urlsplit(upstream).netloc))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """The URL of the proxy."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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
