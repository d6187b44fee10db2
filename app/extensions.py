"""The Flask extensions, unbound: the factory binds them to an application."""

from flask import request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import BadRequest

from app.caching import Cache


class FormProtect(CSRFProtect):  # type: ignore[misc] # ships no types
    """Flask-WTF's protection, but a form with a field that has no name is a bad request: Flask-WTF fails on it."""

    def protect(self) -> None:
        """Check the CSRF token of the current request.

        Raises:
            CSRFError: it is missing or wrong.
            BadRequest: a field of the form has no name (RFC 7578, section 4.2, wants one).

        """
        if request.method not in {"GET", "HEAD", "OPTIONS", "TRACE"} and None in request.form:
            raise BadRequest("A field of the form has no name.")
        super().protect()


cache = Cache(with_jinja2_ext=False)
csrf = FormProtect()
