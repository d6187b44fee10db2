"""The HTTP responses of products, deals and pages of them: JSON with an entity tag (RFC 9110 §8.8.3)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Response, jsonify, request

_NO_HEADERS: Final[Mapping[str, str]] = {}


def document_response(
    document: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """Return a product or deal, with its member `etag` as the entity tag. 304 if the client already has it."""
    response = jsonify(document)
    response.status_code = status
    response.headers.update(headers)
    response.set_etag(document["etag"])
    return _conditional(response)


def page_response(document: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Return a page of a list, with a hash of the page as the entity tag. 304 if the client already has it."""
    response = jsonify(document)
    response.headers.update(headers)
    response.add_etag()
    return _conditional(response)


def _conditional(response: Response) -> Response:
    """Answer a read with 304 if the entity tag is in If-None-Match. Werkzeug leaves changes as they are."""
    response.headers["Cache-Control"] = "private, no-cache"
    # Hide If-Match, which is meant for changes: Werkzeug would answer a read with 412 and a body.
    response.make_conditional({**request.environ, "HTTP_IF_MATCH": ""})
    return response
