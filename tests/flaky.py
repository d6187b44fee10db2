"""A proxy in front of a server that answers some requests itself, as an overloaded gateway does, and records all."""

import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Final
from urllib.parse import urlsplit

from tests.loopback import LoopbackServer

_SECONDS: Final = 30.0
_NOT_FORWARDED: Final = {"accept-encoding", "connection", "host"}


@dataclass(frozen=True, slots=True)
class Interference:
    """What happens to one request.

    Attributes:
        status: the status that is answered instead; 0 closes the connection without an answer.
        arrives: whether the server gets the request all the same.
        retry_after: value of Retry-After in seconds.

    """

    status: int
    arrives: bool = False
    retry_after: int = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived. `at` is in monotonic seconds; `headers` have lower-case names."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    at: float


class FlakyProxy(LoopbackServer):
    """Forwards requests to `upstream`. Use it as a context manager.

    `planned` has for each "METHOD path" what happens to the next requests, in order; None forwards the request.
    `arrivals` are all requests.
    """

    def __init__(self, upstream: str) -> None:
        """Listen on a free port."""
        self.planned: dict[str, list[Interference | None]] = {}
        self.arrivals: list[Arrival] = []
        super().__init__(self._handler(urlsplit(upstream).netloc))

    def _interference(self, method: str, path: str) -> Interference | None:
        planned = self.planned.get(f"{method} {path}")
        return planned.pop(0) if planned else None

    def _handler(self, upstream: str) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Forward one request, or interfere."""
                headers = {name.lower(): value for name, value in self.headers.items()}
                proxy.arrivals.append(Arrival(self.command, self.path, headers, time.monotonic()))
                self.close_connection = True
                body = self.rfile.read(int(headers.get("content-length", 0)))
                planned = proxy._interference(self.command, self.path.partition("?")[0])
                if planned is None:
                    self._answer(*self._forward(headers, body))
                    return
                if planned.arrives:
                    self._forward(headers, body)
                if planned.status:
                    self._answer(planned.status, {"Retry-After": str(planned.retry_after)}, b"{}")

            do_POST = do_GET  # noqa: N815 - the name of the base class

            def _forward(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
                connection = HTTPConnection(upstream, timeout=_SECONDS)
                try:
                    sent = {name: value for name, value in headers.items() if name not in _NOT_FORWARDED}
                    connection.request(self.command, self.path, body, sent)
                    answer = connection.getresponse()
                    kept = {"Content-Type": answer.headers.get("Content-Type", "")}
                    return answer.status, kept, answer.read()
                finally:
                    connection.close()

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
                """Log nothing."""

        return Handler
