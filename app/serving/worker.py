"""gunicorn's gthread worker behind the gate, with problem documents for its own errors."""

import contextlib
import errno
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]

from app.metrics import publisher
from app.metrics.catalogue import CONNECTIONS, IN_FLIGHT, THREADS
from app.serving.client import ClientSocket
from app.serving.connection import Connection
from app.serving.framing import Kind
from app.serving.gate import Gate
from app.serving.refusals import refusal, status_of

__all__ = ["Worker"]


class Worker(Gate):
    """The worker class. `handle_request` and `handle_error` run in threads; the other methods run in the main loop."""

    @classmethod
    def check_config(cls, cfg: Config, log: Logger) -> None:
        """Reject settings that hide plain HTTP/1 from the gate, such as TLS."""
        super().check_config(cfg, log)
        if cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.protocol != "http" or cfg.http2_cleartext != "off":
            sys.exit("app.serving.Worker supports plain HTTP/1 only: let a proxy terminate TLS, HTTP/2 and PROXY.")

    def init_process(self) -> None:
        """Start the thread for the health check, then serve."""
        self.health_pool = ThreadPoolExecutor(max_workers=1)
        super().init_process()

    def run(self) -> None:
        """Serve until stopped, then publish the last measurements."""
        super().run()
        publisher.publish()

    def tick(self, now: float) -> None:
        """Close the connections whose deadline has passed, and publish the gauges of this worker."""
        super().tick(now)
        IN_FLIGHT.set(self.nr_conns - len(self.waiting))
        CONNECTIONS.set(self.nr_conns)
        THREADS.set(self.cfg.threads)
        publisher.publish()

    def enqueue_req(self, conn: Connection) -> None:
        """Give the arrived request to a thread."""
        pool = self.health_pool if conn.sock.current.kind is Kind.HEALTH else self.tpool
        pool.submit(self.handle, conn).add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle_request(self, req: Request, conn: Connection) -> Any:  # noqa: ANN401 - gunicorn's own
        """Call the application. If a thread had to read the body, the connection is closed afterwards."""
        if conn.sock.current.follows:
            req.force_close()
            req.body.reader = _BodyReader(req.body.reader)
        return super().handle_request(req, conn)

    def handle_error(self, req: Request | None, client: ClientSocket, addr: Any, exc: BaseException) -> None:  # noqa: ANN401, ARG002
        """Answer an HTTP error, or an exception that the application did not handle, with a problem document."""
        status = status_of(exc)
        identifier, answer = refusal(status)
        kind, host = type(exc).__name__, addr[0] if isinstance(addr, tuple) else "a local socket"
        if status >= 500 and status != 501:
            self.log.error("answered with %d, request id %s", status, identifier, exc_info=exc)
        else:
            self.log.info("refused a request from %s with %d, request id %s: %s", host, status, identifier, kind)
        with contextlib.suppress(OSError):
            client.sendall(answer)


class _Reader(Protocol):
    def read(self, size: int) -> bytes: ...


class _BodyReader:
    """Reader for gunicorn's `Body` that reports malformed chunks as a lost connection."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes. Raises ConnectionResetError, an OSError, for malformed chunks."""
        try:
            return self._reader.read(size)
        except ParseException as error:
            raise ConnectionResetError(errno.ECONNRESET, "the body is malformed") from error
