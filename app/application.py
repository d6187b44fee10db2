"""Flask subclass that caches URL matching and skips what its hooks do for coroutines.

Both methods of Flask that are overridden here are documented. Nothing depends on them: the application works the same
on `flask.Flask` itself. docs/performance.md says what each is worth.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from flask import Flask, Request, request
from werkzeug.routing import MapAdapter, Rule

P = ParamSpec("P")
R = TypeVar("R")

_REMEMBERED: Final = 128
"""Request lines that are remembered: sellers ask for few things very often."""

_LINE: Final = (
    "wsgi.url_scheme",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
)
"""What an adapter is made of, unless the client asks for another protocol."""


# Werkzeug documents this method of LocalProxy: one Python call, where an attribute of the proxy takes three.
current_request: Final[Callable[[], Request]] = request._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001
"""Returns the current request itself."""


class _Adapter(MapAdapter):
    """An adapter that looks for the view of its own request line once; the map must be complete by then."""

    def __init__(self, bound: MapAdapter) -> None:
        """Stand for `bound`."""
        super().__init__(
            bound.map,
            bound.server_name,
            bound.script_name,
            bound.subdomain,
            bound.url_scheme,
            bound.path_info,
            bound.default_method,
            bound.query_args,
        )
        self._own: tuple[Rule, Mapping[str, Any]] | None = None

    def match(self, *line: Any, **options: Any) -> Any:  # noqa: ANN401 - Werkzeug's overloads, passed on
        """Return what Werkzeug finds: for each request a new dictionary, because a request may change it."""
        if line or options != {"return_rule": True}:  # Flask asks with that alone
            return super().match(*line, **options)
        if self._own is None:
            self._own = super().match(return_rule=True)
        rule, arguments = self._own
        return rule, {**arguments}


class Application(Flask):
    """Flask with a memory for request lines, and without coroutines."""

    def __init__(self, import_name: str) -> None:
        """Make an application without routes; see Flask."""
        super().__init__(import_name)
        self._adapters: dict[tuple[str | None, ...], _Adapter] = {}

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return `func` as it is: there are no coroutines."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of `request`: one and the same for the same request line and host."""
        if request is None and self.config["SERVER_NAME"] is None:
            return None  # as Flask does
        if request is None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        line = tuple(map(request.environ.get, _LINE))
        adapter = self._adapters.get(line)
        if adapter is None:
            bound = super().create_url_adapter(request)
            if bound is None:  # Flask has one for each request, but its types do not say so
                return None
            adapter = _Adapter(bound)
            if len(self._adapters) >= _REMEMBERED:
                self._adapters.clear()
            self._adapters[line] = adapter
        return adapter
