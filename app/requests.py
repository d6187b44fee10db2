"""What a request may look like, whichever view it is for."""

from typing import IO, Final

import flask
from flask import Flask
from werkzeug.utils import cached_property

from app.problems import Problem

_PLAIN: Final = {"", "identity"}


class Request(flask.Request):
    """Flask's request, whose body is never taken for what it is not."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """Return the body, for everything that reads one.

        Raises:
            Problem: 415 for a body with a content coding: nothing here decodes one (RFC 9110 §8.4 and §15.5.16).

        """
        if self.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
            wanted = "Send the body without Content-Encoding; nothing was changed."
            raise Problem(415, wanted, headers={"Accept-Encoding": "identity"})
        return super().stream


def init_app(app: Flask) -> None:
    """Read the requests of `app` so. A path with an empty segment, such as `/products//x`, is none of ours: 404."""
    app.request_class = Request
    app.url_map.merge_slashes = False  # else Werkzeug redirects it, to whatever host the client named
