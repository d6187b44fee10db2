"""Problem documents (RFC 9457) for requests that never reach the application."""

import json
import secrets
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from gunicorn.http import errors  # type: ignore[import-untyped]

from app.metrics.catalogue import REFUSED_REQUESTS

__all__ = ["refusal", "status_of"]

_KINDS: Final = {
    400: ("bad-request", "Bad request"),
    403: ("forbidden", "Forbidden"),
    408: ("request-timeout", "Request timeout"),
    414: ("address-too-long", "Address too long"),
    417: ("expectation-failed", "Expectation failed"),
    431: ("headers-too-large", "Headers too large"),
    500: ("internal-error", "Internal error"),
    501: ("not-implemented", "Not implemented"),
    503: ("unavailable", "Temporarily unavailable"),
}
"""Kinds of problems and their titles (app.problems.kinds). This package does not import those of the application."""
_DETAILS: Final = {
    400: "The request is not valid HTTP, or ended early.",
    403: "This connection is not allowed.",
    408: "The request did not arrive in time.",
    414: "The address of the request is too long.",
    417: "The Expect header of the request is not supported.",
    431: "The header fields of the request are too large.",
    500: "Something went wrong on our side. Quote X-Request-ID when reporting this.",
    501: "The transfer coding of the request is not supported.",
    503: "Too many files are being transferred; try again in a moment.",
}
_RETRY_AFTER_SECONDS: Final = 5
_STATUS_OF: Final = (
    (errors.InvalidResponseHeader, 500),
    (errors.InvalidResponseHeaderName, 500),
    (errors.ConfigurationProblem, 500),
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.UnsupportedTransferCoding, 501),
    (errors.ForbiddenProxyRequest, 403),
    (errors.ParseException, 400),  # base class of all errors of gunicorn's parser
)


def status_of(error: BaseException) -> int:
    """Return the status code for an error raised in gunicorn: 4xx for a fault of the client, else 500 or 501."""
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), 500)


def refusal(status: int) -> tuple[str, bytes]:
    """Return a new request id and the complete response with it, and count it.

    The response quotes nothing of the request.
    """
    REFUSED_REQUESTS.add(1, str(status))
    identifier, phrase = secrets.token_hex(8), HTTPStatus(status).phrase
    kind, title = _KINDS[status]
    document = {
        "type": f"/problems/{kind}",
        "kind": kind,
        "title": title,
        "status": status,
        "detail": _DETAILS[status],
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    fields = {
        "Date": formatdate(usegmt=True),
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": len(body),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": identifier,
        **({"Retry-After": _RETRY_AFTER_SECONDS} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}),
    }
    lines = (f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items()), "", "")
    return identifier, "\r\n".join(lines).encode() + body
