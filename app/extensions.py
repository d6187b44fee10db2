"""The Flask extensions. They are not bound here; the factory binds them to an application."""

from flask import request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import BadRequest

from app.caching import Cache


class FormProtect(CSRFProtect):  # type: ignore[misc] # ships no types
    """Flask-WTF's CSRF protection. It also rejects forms with an unnamed field, on which Flask-WTF itself fails."""

    def protect(self) -> None:
        """Check the CSRF token of the current request.

        Raises:
            CSRFError: the token is missing or invalid.
            BadRequest: a field of the form has no name (RFC 7578, section 4.2, requires one).

        """
        if request.method not in {"GET", "HEAD", "OPTIONS", "TRACE"} and None in request.form:
            raise BadRequest("A field of the form has no name.")
        super().protect()


cache = Cache(with_jinja2_ext=False)
csrf = FormProtect()
