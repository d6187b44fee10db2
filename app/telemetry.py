"""Logs and the request id that ties them together: JSON lines in production, readable lines in development."""

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

# What is kept of a request is kept in its WSGI environment: it ends with the request, and one look through the proxy
# `request` finds all of it.
_REQUEST_ID: Final = "asin_desk.request_id"
_TIMES: Final = "asin_desk.times"

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TEXT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"


class _RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> Literal[True]:
        record.request_id = request_id() if has_request_context() else "-"
        return True


class _JsonFormatter(logging.Formatter):
    """One JSON object per line: time (ISO 8601, UTC), level, logger, request_id, message, and exception if any.

    Lines of the audit log have the members of their event too (app.audit).
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
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(*, level: str, as_json: bool) -> None:
    """Send the log of this process to standard error at `level`; replaces what was configured before."""
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
    """Return the id of the current request: the caller's X-Request-ID if it is a plain token, else a new one."""
    return _request_id(request.environ)


def _request_id(environ: "WSGIEnvironment") -> str:
    found: str | None = environ.get(_REQUEST_ID)
    if found is None:
        given = environ.get("HTTP_X_REQUEST_ID")
        # Random, so that ids do not tell how many requests there were between two of them. They are no secret, so
        # this is not `os.urandom`: it asks the kernel and lets other threads go first, which each hit would pay for.
        found = environ[_REQUEST_ID] = given if given and _ID.fullmatch(given) else f"{random.getrandbits(96):024x}"
    return found


class timed:  # noqa: N801 - it reads as a statement: `with timed("db"):`
    """Add the time spent inside to `name` in the Server-Timing header; an inner name is not counted twice."""

    __slots__ = ("_before", "_environ", "_name", "_started", "_times")

    def __init__(self, name: str, environ: "WSGIEnvironment | None" = None) -> None:
        """Name what is timed: a token of RFC 9110 §5.6.2.

        `environ` is that of the current request. A caller that has it at hand saves a look through Flask's proxy.
        """
        self._name, self._environ = name, environ

    def __enter__(self) -> Self:
        """Start the clock."""
        environ = self._environ
        if environ is None:  # in a command there is no request whose time could be reported
            environ = request.environ if has_request_context() else {}
        self._times: dict[str, float] = environ.setdefault(_TIMES, {})
        self._before, self._started = sum(self._times.values()), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever happened."""
        inner = sum(self._times.values()) - self._before
        took = time.perf_counter() - self._started - inner
        self._times[self._name] = self._times.get(self._name, 0.0) + took


def response_headers(environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """Return the headers that describe how a request was handled: its id and, if any were taken, its times."""
    headers = [("X-Request-ID", _request_id(environ))]
    if times := environ.get(_TIMES):
        headers.append(("Server-Timing", ", ".join([f"{name};dur={1000 * t:.2f}" for name, t in times.items()])))
    return headers
