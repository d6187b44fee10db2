"""Requests of htmx: answers that replace a part of the open page instead of the whole page."""

import json
from http import HTTPStatus
from typing import Final

from flask import Response, make_response, request
from flask.typing import ResponseReturnValue

STATS_CHANGED: Final = "stats:changed"
"""Event for the script of the tiles: it requests the numbers at once."""


def is_wanted() -> bool:
    """Return whether a script wants a part of the page. Restoring a page of the history needs the whole page."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def target() -> str:
    """Return the id of the element that the answer replaces; empty if the request names none."""
    return request.headers.get("HX-Target", "") if is_wanted() else ""


def varying(content: ResponseReturnValue, *events: str) -> Response:
    """Return a response that depends on `HX-Request`. `events` are fired on the page."""
    response = make_response(content)
    response.vary.add("HX-Request")
    if events:
        response.headers["HX-Trigger"] = json.dumps(dict.fromkeys(events))
    return response


def sent_to(address: str) -> Response:
    """Return a response that makes htmx open another page."""
    response = make_response("", HTTPStatus.NO_CONTENT)
    response.headers["HX-Redirect"] = address
    return response


def retargeted(content: ResponseReturnValue, element_id: str) -> Response:
    """Return a response that replaces the content of another element than the request wanted."""
    response = make_response(content)
    response.headers["HX-Retarget"] = f"#{element_id}"
    response.headers["HX-Reswap"] = "innerHTML"
    return response
