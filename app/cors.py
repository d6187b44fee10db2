"""CORS: browsers may let pages of the configured origins call the API with an access token.

Without configured origins nothing is added. The session cookie is never allowed (`Access-Control-Allow-Credentials`
is not sent), so pages of other origins cannot act as a user who is signed in to the desk.
Source: Fetch standard, section 3.3.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PATHS: Final = ("/products", "/matches", "/diagnostics", "/problems", "/openapi.json", "/healthz", "/readyz")
"""Beginnings of the paths of the API."""

_ALLOW: Final = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Request-ID, traceparent",
    ),
    ("Access-Control-Max-Age", "7200"),  # seconds; browsers keep it no longer
]
_EXPOSED: Final = (
    "Allow, Cache-Status, Content-Disposition, Deprecation, ETag, Link, Location, Preference-Applied, RateLimit, "
    "RateLimit-Policy, Retry-After, Server-Timing, Sunset, WWW-Authenticate, X-Request-ID"
)


def init_app(app: Flask, *, origins: frozenset[str]) -> None:
    """Allow pages of `origins` to call the API of `app`."""
    if origins:
        app.wsgi_app = _allowing(app.wsgi_app, origins)  # type: ignore[assignment,method-assign]  # as Flask documents


def _allowing(application: "WSGIApplication", origins: frozenset[str]) -> "WSGIApplication":
    """Wrap `application`: answer preflight requests, and add the headers of CORS to all other responses."""

    def allow(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(_PATHS):
            return application(environ, start_response)
        origin = environ.get("HTTP_ORIGIN")
        allowed = [("Access-Control-Allow-Origin", origin)] if origin in origins else []
        if allowed and _is_preflight(environ):
            start_response("204 No Content", [*allowed, *_ALLOW, ("Vary", "Origin")])
            return []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - see PEP 3333
            added = [*allowed, ("Access-Control-Expose-Headers", _EXPOSED)] if allowed else []
            return start_response(status, [*_varying(headers), *added], *error)

        return application(environ, start)

    return allow


def _is_preflight(environ: "WSGIEnvironment") -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def _varying(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers with `Origin` in Vary. Responses without CORS headers depend on the origin too."""
    found = [value for name, value in headers if name.lower() == "vary"]
    others = [(name, value) for name, value in headers if name.lower() != "vary"]
    return [*others, ("Vary", ", ".join([*found, "Origin"]))]
