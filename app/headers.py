"""The headers of every answer, errors, redirects and static files included: security, request id and times.

They are added outside of Flask, where every answer passes, however it came about. What a view has said stays: these
are for what it leaves open. Sources: OWASP *HTTP Security Response Headers* and *REST Security* cheat sheets; RFC 6797
(HSTS); CSP level 3, whose `frame-ancestors` makes X-Frame-Options superfluous.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from app.telemetry import response_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS: Final = {
    "Cache-Control": "no-store",  # whatever may be kept says so itself
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages have one of their own
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Added to each answer that does not have them. Those that matter for pages alone come from `app.desk`."""

TRANSPORT: Final = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
"""The same where the whole site is served by HTTPS: for a year browsers ask for nothing else."""


def init_app(app: Flask, *, by_https: bool) -> None:
    """Put the headers on every answer of `app`; `by_https`: whether its site is served by HTTPS."""
    app.wsgi_app = _completing(app.wsgi_app, HEADERS | (TRANSPORT if by_https else {}))  # type: ignore[assignment,method-assign]  # as Flask documents


def _completing(application: "WSGIApplication", headers: dict[str, str]) -> "WSGIApplication":
    """Return `application` with these headers on every answer that lacks them, and with those of its request."""
    added = list(headers.items())

    def complete(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, given: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - see PEP 3333
            names = dict(given)
            for header in added:
                if header[0] not in names:
                    given.append(header)  # noqa: PERF401 - a comprehension would be one more call
            given += response_headers(environ)
            return start_response(status, given, *error)

        return application(environ, start)

    return complete
