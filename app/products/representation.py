"""How the breakdown looks in HTTP: where it came from (RFC 9211), validators, and how long it took."""

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Response, json
from werkzeug.datastructures import Headers

from app.caching import Answer, Outcome
from app.products.stats import AsinStats

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_FORMS = {
    Outcome.HIT: "asin-stats; hit",
    Outcome.COLLAPSED: "asin-stats; hit; collapsed",
    Outcome.STORED: "asin-stats; fwd=miss; stored",
    Outcome.REJECTED: "asin-stats; fwd=miss; detail=writer-in-flight",
    Outcome.BYPASS: "asin-stats; fwd=bypass",
}


class _Headers(Headers):
    """Headers made of lines that are known to be good; others are looked through for line breaks, one by one."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._list = lines


class _CompleteResponse(Response):
    """A response that lacks nothing: a plain GET gets it as it is, without the passes that make others fit for WSGI."""

    _status, _status_code, direct_passthrough = "200 OK", 200, False

    def __init__(self, body: bytes, headers: Headers) -> None:  # Werkzeug's looks for what may be lacking
        self.response, self.headers, self._on_close = [body], headers, []

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" in environ:
            self.make_conditional(environ)
        elif environ["REQUEST_METHOD"] == "GET" and not self._on_close:
            start_response(self._status, self.headers.to_wsgi_list())
            return self.response  # type: ignore[return-value]  # Werkzeug would take text as well
        return super().__call__(environ, start_response)


def cache_status(answer: Answer[AsinStats]) -> str:
    """Return the Cache-Status header (RFC 9211) that tells what the cache did for `answer`."""
    status = _FORMS[answer.outcome]
    if answer.ttl is not None:
        status = f"{status}; ttl={math.floor(answer.ttl)}"
    return f"{status}; detail={answer.detail}" if answer.detail else status


def stats_response(answer: Answer[AsinStats]) -> Response:
    """Return the breakdown as JSON, or 304 to a client that has it already."""
    body, fixed = _rendered(answer.value)
    return _CompleteResponse(body, _Headers([*fixed, ("Cache-Status", cache_status(answer))]))


@lru_cache(maxsize=4096)
def _rendered(stats: AsinStats) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the body and the headers that depend on nothing else."""
    body = json.dumps(stats.document(), separators=(",", ":")).encode() + b"\n"
    return body, [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Authorization, Cookie"),
    ]
