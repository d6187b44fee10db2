"""Rules for all requests, independent of the view."""

from typing import IO, Final

import flask
from flask import Flask
from werkzeug.utils import cached_property

from app.problems import Kind, Problem

_PLAIN: Final = {"", "identity"}


class Request(flask.Request):
    """Request that rejects bodies with a content coding."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """Return the stream of the body; all methods that read the body use it.

        Raises:
            Problem: 415 for a body with a content coding, because none is supported (RFC 9110 §8.4 and §15.5.16).

        """
        if self.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
            wanted = "Send the body without Content-Encoding; nothing was changed."
            raise Problem(Kind.UNSUPPORTED_CODING, wanted, headers={"Accept-Encoding": "identity"})
        return super().stream


def init_app(app: Flask) -> None:
    """Apply the rules to `app`. A path with an empty segment, such as `/products//x`, is answered with 404."""
    app.request_class = Request
    app.url_map.merge_slashes = False  # otherwise Werkzeug would redirect to the host that the client sent
