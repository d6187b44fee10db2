"""A real key set endpoint on loopback that can be stopped, delayed, or made to send invalid answers."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

_LONGEST_HOLD_SECONDS = 20.0


class JwksServer:
    """Serves `keys` as a JSON Web Key Set, or `body` if it is set. `requests` counts the requests."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        """Listen on a free port of loopback."""
        self.keys = list(keys)
        self.status = 200
        self.body: bytes | None = None  # sent instead of the keys
        self.slow_part: Literal["headers", "body"] | None = None  # sent byte by byte in new answers
        self.may_finish = threading.Event()  # lets a slow answer complete
        self.requests = 0
        self._closing = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = self._listen(0)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The URL of the key set."""
        return f"http://127.0.0.1:{self.port}/auth/v1/.well-known/jwks.json"

    def stop(self) -> None:
        """Close the port: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()

    def start_again(self) -> None:
        """Listen on the same port again."""
        self._server = self._listen(self.port)

    def document(self) -> bytes:
        """Return the body of the next answer."""
        return self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()

    def __enter__(self) -> Self:
        """Serve during the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release delayed requests and stop."""
        self._closing.set()
        self.may_answer.set()
        self.stop()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document, slow_part = endpoint.document(), endpoint.slow_part
                # A test that sees the new number of requests may change what the next answer is.
                endpoint.requests += 1
                endpoint.may_answer.wait(_LONGEST_HOLD_SECONDS)
                with contextlib.suppress(ConnectionError):  # the caller may have disconnected
                    endpoint.answer(self, document, slow_part)

            def log_message(self, *_args: object) -> None:
                """Keep the test output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def answer(
        self, request: BaseHTTPRequestHandler, document: bytes, slow_part: Literal["headers", "body"] | None
    ) -> None:
        """Send `document` with the configured status, and `slow_part` byte by byte."""
        request.send_response(self.status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(document) + (1_000_000 if slow_part == "body" else 0)))
        if slow_part == "headers":
            request.flush_headers()
            request.wfile.write(b"X-Drop: ")
        else:
            request.end_headers()
            request.wfile.write(document)
        while slow_part and not self._closing.is_set() and not self.may_finish.wait(0.1):
            request.wfile.write(b" ")
        if slow_part == "headers":
            request.wfile.write(b"\r\n\r\n" + document)
