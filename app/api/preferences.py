"""The header Prefer (RFC 7240)."""

from flask import request
from werkzeug.http import parse_dict_header


def preference(name: str) -> str | None:
    """Return the value of a preference of the current request. None if it was not sent; parameters are ignored."""
    found = parse_dict_header(",".join(request.headers.getlist("Prefer"))).get(name)
    return None if found is None else found.partition(";")[0].strip(' "')
