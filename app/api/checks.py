"""Checks of each request to the API: media types that the client accepts, and query parameters."""

from collections.abc import Sequence
from typing import Final

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from app.problems import FieldError, Kind, Problem, pointer

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
ANY_OR_JSON: Final = frozenset({None, "", "*/*", JSON})
"""The most frequent values of the header Accept that allow JSON. None stands for a missing header."""


def check_request(available: Sequence[str] = (JSON,), *, takes_query: bool = False) -> None:
    """Refuse a request that accepts none of the `available` media types, or that has unexpected query parameters.

    An empty `available` allows every Accept header. `takes_query`: the view parses the query itself.

    Raises:
        Problem: 406 for the media types, 422 for the parameters.

    """
    # Java's oldest HTTP client sends `*/*; q=.2`, which Werkzeug would ignore as malformed.
    accepted = parse_accept_header(request.headers.get("Accept", "").replace("q=.", "q=0."), MIMEAccept)
    if available and accepted.provided and not any(_allows(accepted, media_type) for media_type in available):
        listed = ", ".join(available)
        wanted = f"This address answers with {listed}."
        raise Problem(Kind.NOT_ACCEPTABLE, wanted, headers={"Vary": "Accept"}, available=list(available))
    if not takes_query and request.args:
        errors = [FieldError(pointer(name), "There is no such parameter") for name in request.args]
        raise Problem(Kind.INVALID_PARAMETERS, "This address has no query parameters.", errors=errors)


def _allows(accepted: MIMEAccept, media_type: str) -> bool:
    """Return whether the client accepts `media_type`. The most specific range decides (RFC 9110 §12.5.1).

    Parameters of a media type, such as charset, are ignored.
    """
    qualities = {value.partition(";")[0].strip().lower(): quality for value, quality in accepted}
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*", "*")
    return next((qualities[found] for found in ranges if found in qualities), 0) > 0
