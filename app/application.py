"""Flask, but that it does not find out anew for each request what cannot have changed since the last one.

Both overrides are of methods that Flask offers for it. Nothing depends on them: the application works the same on
`flask.Flask` itself.
"""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from flask import Flask, Request
from werkzeug.routing import MapAdapter

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


class Application(Flask):
    """The application. It has no coroutines."""

    def __init__(self, import_name: str) -> None:
        """Make an application without routes; see Flask."""
        super().__init__(import_name)
        self._adapters: dict[tuple[str | None, ...], MapAdapter | None] = {}

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return `func` as it is."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of `request`: one and the same for the same request line and host."""
        if request is None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        line = tuple(map(request.environ.get, _LINE))
        adapter = self._adapters.get(line)
        if adapter is None:
            adapter = super().create_url_adapter(request)
            if len(self._adapters) >= _REMEMBERED:
                self._adapters.clear()
            self._adapters[line] = adapter
        return adapter
