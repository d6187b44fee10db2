"""Logging, request ids and measured times. Logs are JSON lines in production and text lines in development."""

import json
import logging
import random
import re
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

from flask import has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Request-scoped state is kept in the WSGI environment, which ends with the request.
_REQUEST_ID: Final = "asin_desk.request_id"
_TIMES: Final = "asin_desk.times"
_TRACE_ID: Final = "asin_desk.trace_id"

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TEXT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s%(trace)s] %(message)s"


class _RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> Literal[True]:
        inside = has_request_context()
        record.request_id = request_id() if inside else "-"
        traced = trace_id() if inside else None
        record.trace_id, record.trace = traced, f" trace={traced}" if traced else ""
        return True


class _JsonFormatter(logging.Formatter):
    """One JSON object per line: time (ISO 8601, UTC), level, logger, request_id, message, and exception if any.

    Lines of a traced request have its trace_id (app.tracing). Lines of the audit log have the members of their event
    too (app.audit).
    """

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
            **getattr(record, "audit", {}),
        }
        if traced := getattr(record, "trace_id", None):
            line["trace_id"] = traced
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(*, level: str, as_json: bool) -> None:
    """Send the log of this process to standard error at `level`. Replaces an earlier configuration."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else logging.Formatter(_TEXT))
    handler.addFilter(_RequestIdFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("app").setLevel(level)
    for chatty in ("httpx", "httpcore", "hpack"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def request_id() -> str:
    """Return the id of the current request: its X-Request-ID header if that is valid, else a new id."""
    return _request_id(request.environ)


def _request_id(environ: "WSGIEnvironment") -> str:
    found: str | None = environ.get(_REQUEST_ID)
    if found is None:
        given = environ.get("HTTP_X_REQUEST_ID")
        # Random, so that two ids do not reveal how many requests came between them. They need not be secret:
        # `os.urandom` would add a system call that releases the interpreter lock to each hit.
        found = environ[_REQUEST_ID] = given if given and _ID.fullmatch(given) else f"{random.getrandbits(96):024x}"
    return found


def keep_trace_id(environ: "WSGIEnvironment", trace_id: str) -> None:
    """Remember that the request with this environment belongs to a trace: 32 hexadecimal digits."""
    environ[_TRACE_ID] = trace_id


def trace_id() -> str | None:
    """Return the trace id of the current request; None when it is not traced."""
    found: str | None = request.environ.get(_TRACE_ID)
    return found


class timed:  # noqa: N801 - it reads as a statement: `with timed("db"):`
    """Add the time spent in the block to metric `name` of Server-Timing.

    The time of a nested block is added only to the metric of that block.
    """

    __slots__ = ("_before", "_environ", "_name", "_started", "_times")

    def __init__(self, name: str, environ: "WSGIEnvironment | None" = None) -> None:
        """Set the name of the metric: a token (RFC 9110 §5.6.2).

        `environ` is the environment of the current request. Passing it saves an access through Flask's proxy.
        """
        self._name, self._environ = name, environ

    def __enter__(self) -> Self:
        """Start the clock."""
        environ = self._environ
        if environ is None:  # a command has no request
            environ = request.environ if has_request_context() else {}
        self._times: dict[str, float] = environ.setdefault(_TIMES, {})
        self._before, self._started = sum(self._times.values()), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock, also after an exception."""
        inner = sum(self._times.values()) - self._before
        took = time.perf_counter() - self._started - inner
        self._times[self._name] = self._times.get(self._name, 0.0) + took


def response_headers(environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """Return X-Request-ID and, if any time was measured, Server-Timing."""
    headers = [("X-Request-ID", _request_id(environ))]
    if times := environ.get(_TIMES):
        headers.append(("Server-Timing", ", ".join([f"{name};dur={1000 * t:.2f}" for name, t in times.items()])))
    return headers
