"""Read a request's body or query into a model, or say exactly what is wrong with it."""

import json
from contextlib import suppress
from typing import Final, TypeVar

from flask import request
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge

from app.problems import Problem

MAX_BODY_BYTES = 1 << 20

_MOST_MEMBERS: Final = 100  # of one JSON object; our models have a dozen

M = TypeVar("M", bound=BaseModel)


def body(model: type[M]) -> M:
    """Parse the JSON body of the current request.

    Raises:
        Problem: 415 when it is not declared as JSON, 413 over `MAX_BODY_BYTES`, 422 for an object of too many members.
        pydantic.ValidationError: it is not JSON, or not what `model` describes.

    """
    if not request.is_json:
        raise Problem(415, "Send JSON with Content-Type: application/json.", headers={"Accept": "application/json"})
    raw = _raw_body()
    # What is no JSON at all, the model says better.
    with suppress(ValueError, RecursionError):
        _require_few_members(raw.decode())
    return model.model_validate_json(raw)


def query(model: type[M]) -> M:
    """Parse the query string of the current request. Raises pydantic.ValidationError; a repeated name counts once."""
    return model.model_validate(request.args.to_dict())


def _few(members: list[tuple[str, object]]) -> None:
    """Refuse an object that would make the model describe an error for each of a hundred thousand members."""
    if len(members) > _MOST_MEMBERS:
        raise Problem(422, f"The body has an object of {len(members):,} members; nothing was changed.")


_require_few_members: Final = json.JSONDecoder(object_pairs_hook=_few, parse_int=len).decode
"""Numbers are not read, only measured: Python takes long for a long one."""


def _raw_body() -> bytes:
    """Return the body. A chunked one declares no length and would be cut off silently, so it is counted here."""
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raw = b" " * (MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return raw
