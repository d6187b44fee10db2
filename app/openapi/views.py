"""The routes of the description: `/openapi.json` for programs."""

import hashlib
import json
from typing import Final

from flask import Blueprint, Response, current_app, request

from app.api import accept_own_etags, compress
from app.openapi.document import describe

description = Blueprint("description", __name__)

_KEY: Final = "openapi"


@description.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document, or 304 if the client already has it."""
    accept_own_etags()
    body = document_json()
    response = Response(body, mimetype="application/json")
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(hashlib.sha256(body).hexdigest()[:32])
    response.make_conditional(request)
    compress(response)
    return response


def document_json() -> bytes:
    """Return the document of the current application as JSON. It is made once per process."""
    made: bytes | None = current_app.extensions.get(_KEY)
    if made is None:
        made = json.dumps(describe(current_app), ensure_ascii=False).encode()
        current_app.extensions[_KEY] = made
    return made
