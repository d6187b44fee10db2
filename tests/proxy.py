"""A proxy between the app and Supabase that loses or spoils answers when told to: real faults on a real connection."""

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
    """What goes wrong with every call of the database.

    Attributes:
        answer: what is sent, before the connection is closed, instead of the true answer, which it is given.
        arrives: whether the request reaches the database, so that a change happens although nobody hears of it.

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
    request_queue_size = 128  # with five, of callers who come at once some wait for seconds, as if the database hung


class SupabaseProxy:
    """Passes everything on to the Supabase at `upstream`, or does what `fault` says. Runs inside its block."""

    def __init__(self, upstream: str) -> None:
        """Listen on a free port; nothing is wrong yet. `heard` keeps the headers of each call."""
        self.fault: Fault | None = None
        self.heard: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler(urlsplit(upstream).netloc))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Where it listens."""
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
                """Pass one call on, and what comes back or is made of it."""
                fault = proxy.fault
                proxy.heard.append(dict(self.headers.items()))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b"" if fault and not fault.arrives else self._passed_on(body)
                self.wfile.write(fault.answer(answer) if fault else answer)
                self.close_connection = True

            def _passed_on(self, body: bytes) -> bytes:
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
                """Say nothing."""

        return Handler
