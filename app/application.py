"""Flask subclass that caches URL matching, skips the support for coroutines, and corrects the answer to OPTIONS.

The overridden methods of Flask are documented. Nothing depends on them: the application also works on `flask.Flask`
itself. docs/performance.md states the gain of each.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from flask import Flask, Request, Response
from werkzeug.routing import MapAdapter, Rule

P = ParamSpec("P")
R = TypeVar("R")

_CACHE_SIZE: Final = 128
"""Size of the routing cache, in request lines. Sellers request few different URLs, and those often."""

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
"""The entries of the WSGI environment that a URL adapter depends on."""


class _Adapter(MapAdapter):
    """URL adapter that matches its own request line only once. All routes must be registered before that."""

    def __init__(self, bound: MapAdapter) -> None:
        """Copy the settings of `bound`."""
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
        self._cached_match: tuple[Rule, Mapping[str, Any]] | None = None

    def match(self, *line: Any, **options: Any) -> Any:  # noqa: ANN401 - Werkzeug's overloads, passed on
        """Return the cached match. The arguments are a new dictionary each time, because a request may change it."""
        if line or options != {"return_rule": True}:  # Flask calls it with this argument only
            return super().match(*line, **options)
        if self._cached_match is None:
            self._cached_match = super().match(return_rule=True)
        rule, arguments = self._cached_match
        return rule, {**arguments}


class Application(Flask):
    """Flask with a routing cache and without coroutines."""

    def __init__(self, import_name: str) -> None:
        """Create an application without routes; see `flask.Flask`."""
        super().__init__(import_name)
        self._adapters: dict[tuple[str | None, ...], _Adapter] = {}

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return `func` unchanged: this application has no coroutines."""
        return func

    def make_default_options_response(self) -> Response:
        """Return the answer to OPTIONS, without a content type: it has no content."""
        response = super().make_default_options_response()
        del response.headers["Content-Type"]
        return response

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return the URL adapter for `request`. Requests with the same request line and host share one."""
        if request is None and self.config["SERVER_NAME"] is None:
            return None  # the result of Flask's own method
        if request is None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        line = tuple(map(request.environ.get, _LINE))
        adapter = self._adapters.get(line)
        if adapter is None:
            bound = super().create_url_adapter(request)
            if bound is None:  # never for a request, but Flask's types allow it
                return None
            adapter = _Adapter(bound)
            if len(self._adapters) >= _CACHE_SIZE:
                self._adapters.clear()
            self._adapters[line] = adapter
        return adapter
