"""The HTTP response of the breakdown: JSON, the Cache-Status header (RFC 9211) and validators."""

import hashlib
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Response, json
from werkzeug.datastructures import Headers

from app.caching import Answer, Outcome
from app.products.breakdown import AsinStats

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CACHE_STATUSES = {
    Outcome.HIT: "asin-stats; hit",
    Outcome.COLLAPSED: "asin-stats; hit; collapsed",
    Outcome.STORED: "asin-stats; fwd=miss; stored",
    Outcome.REJECTED: "asin-stats; fwd=miss; detail=writer-in-flight",
    Outcome.BYPASS: "asin-stats; fwd=bypass",
}


class _CompleteResponse(Response):
    """A response whose headers are complete. A plain GET skips the steps in which Werkzeug completes headers.

    Construct it with Content-Type and Content-Length in the headers.
    """

    _has_callbacks = False

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call `func` after the response has been sent."""
        self._has_callbacks = True
        return super().call_on_close(func)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Send the response, or 304 if the client already has the same body."""
        if "HTTP_IF_NONE_MATCH" in environ:
            # Hide If-Match, which is meant for changes: Werkzeug would answer 412, with the numbers as the body.
            self.make_conditional({**environ, "HTTP_IF_MATCH": ""})
        elif environ["REQUEST_METHOD"] == "GET" and not self._has_callbacks:
            start_response(self.status, list(self.headers))
            return self.response  # type: ignore[return-value]  # Werkzeug also accepts text
        return super().__call__(environ, start_response)


def cache_status(answer: Answer[AsinStats]) -> str:
    """Return the value of the Cache-Status header (RFC 9211), which says how the cache handled the request."""
    status = _CACHE_STATUSES[answer.outcome]
    if answer.ttl is not None:
        status = f"{status}; ttl={math.floor(answer.ttl)}"
    return f"{status}; detail={answer.detail}" if answer.detail else status


def stats_response(answer: Answer[AsinStats]) -> Response:
    """Return the breakdown as JSON, or 304 if the client already has it."""
    body, fixed = _rendered(answer.value)
    headers = Headers()
    headers[:] = [*fixed, ("Cache-Status", cache_status(answer))]  # three times as fast as adding them one by one
    return _CompleteResponse([body], "200 OK", headers)


@lru_cache(maxsize=4096)
def _rendered(stats: AsinStats) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the body, and the headers that depend only on the body.

    There is no `Vary: Authorization`: RFC 9110 §12.5.5 makes it redundant. The session interface adds `Vary: Cookie` to
    answers that depend on the cookie.
    """
    body = json.dumps(stats.document(), separators=(",", ":")).encode() + b"\n"
    return body, [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Accept"),
    ]
