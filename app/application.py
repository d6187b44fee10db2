"""Flask, but that a request does not do again what the last one did, nor what nothing was registered for.

Every override is of a method that Flask documents, and leaves the work to Flask wherever there is some.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import Flask, Request, appcontext_tearing_down, request_tearing_down
from flask.ctx import RequestContext
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule
from werkzeug.sansio.utils import get_host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

P = ParamSpec("P")
R = TypeVar("R")

_REMEMBERED = 128
"""Request lines of which is remembered where they lead: sellers ask for few things very often."""


class _Request(Request):
    @property
    def blueprints(self) -> list[str]:
        return [] if self.url_rule is None else _blueprints(self.url_rule.endpoint)

    def close(self) -> None:
        if "files" in vars(self):  # nothing else needs closing
            super().close()


class _Context(RequestContext):
    app: "Application"

    def match_request(self) -> None:
        try:
            self.request.url_rule, arguments = self.app.match(self.url_adapter)
            self.request.view_args = {**arguments}
        except HTTPException as error:
            self.request.routing_exception = error


class Application(Flask):
    """The application. It has no websockets, no subdomains, no other host than is asked for, and no coroutines."""

    request_class = _Request

    def __init__(self, import_name: str) -> None:
        """Make an application without routes; see Flask."""
        super().__init__(import_name)
        self._adapter = lru_cache(_REMEMBERED)(self._bind)
        self.match = lru_cache(_REMEMBERED)(_match)
        """Return the rule an adapter finds, and its arguments. Raises the HTTPException the adapter raises."""

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return `func` as it is."""
        return func

    def request_context(self, environ: "WSGIEnvironment") -> RequestContext:
        """Return the context of a request."""
        return _Context(self, environ)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of `request`: one and the same for the same request line and host."""
        if request is None:
            return super().create_url_adapter(None) if self.config["SERVER_NAME"] else None
        environ = request.environ
        return self._adapter(
            environ["wsgi.url_scheme"],
            environ.get("HTTP_HOST"),
            request.server,
            environ["REQUEST_METHOD"],
            environ.get("SCRIPT_NAME", ""),
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
        )

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Run the hooks before the view, where there are any."""
        return super().preprocess_request() if self.before_request_funcs or self.url_value_preprocessors else None

    def do_teardown_request(self, *error: BaseException | None) -> None:
        """Run the hooks after the request, where there are any."""
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(*error)

    def do_teardown_appcontext(self, *error: BaseException | None) -> None:
        """Run the hooks after the application context, where there are any."""
        if self.teardown_appcontext_funcs or appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(*error)

    def _bind(  # noqa: PLR0913, PLR0917 - what a request line says, and where it came in
        self,
        scheme: str,
        host: str | None,
        server: tuple[str, int | None] | None,
        method: str,
        mount: str,
        path: str,
        query: str,
    ) -> MapAdapter:
        return self.url_map.bind(get_host(scheme, host, server), _text(mount), "", scheme, method, _text(path), query)


def _match(adapter: MapAdapter) -> tuple[Rule, Mapping[str, Any]]:
    return adapter.match(return_rule=True)


@lru_cache
def _blueprints(endpoint: str) -> list[str]:
    """Return the blueprint that `endpoint` belongs to, and those around it, outwards."""
    names = []
    while "." in endpoint:
        endpoint = endpoint.rpartition(".")[0]
        names.append(endpoint)
    return names


def _text(value: str) -> str:
    """Return what WSGI calls a native string as the text it is (PEP 3333: bytes in the guise of Latin-1)."""
    return value if value.isascii() else value.encode("latin-1").decode(errors="replace")
