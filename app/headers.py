"""Headers that every response has, also errors, redirects and static files: security, request id and times.

A WSGI middleware adds them, because every response passes through it. A header that a view has set is kept.
Sources: OWASP *HTTP Security Response Headers* and *REST Security* cheat sheets; RFC 6797 (HSTS); CSP level 3, whose
`frame-ancestors` replaces X-Frame-Options.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from app.metrics.catalogue import RULE
from app.telemetry import response_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS: Final = {
    "Cache-Control": "no-store",  # responses that may be cached set their own
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages set their own
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Added to each response that does not have them. `app.desk` adds those that concern pages only."""

TRANSPORT: Final = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
"""Added as well when the site is served over HTTPS: for one year, browsers use only HTTPS."""


def init_app(app: Flask, *, by_https: bool) -> None:
    """Add the headers to every response of `app`; `by_https`: the site is served over HTTPS."""
    app.wsgi_app = _completing(app.wsgi_app, HEADERS | (TRANSPORT if by_https else {}))  # type: ignore[assignment,method-assign]  # as Flask documents


def _completing(application: "WSGIApplication", headers: dict[str, str]) -> "WSGIApplication":
    """Wrap `application`: add `headers` where they are missing, and the headers of the request."""
    added = list(headers.items())

    def complete(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, given: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - see PEP 3333
            names = dict(given)
            for header in added:
                if header[0] not in names:
                    given.append(header)  # noqa: PERF401 - a comprehension would be one more call
            given += response_headers(environ)
            if request := environ.get("werkzeug.request"):  # Flask removes it before gunicorn counts the request
                environ[RULE] = getattr(request, "url_rule", None)
            return start_response(status, given, *error)

        return application(environ, start)

    return complete
