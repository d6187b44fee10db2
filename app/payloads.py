"""Parse the body or the query of a request into a model. Errors name the fields that are wrong."""

import json
from contextlib import suppress
from typing import Final, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.problems import FieldError, Kind, Problem, field_errors, pointer

MAX_BODY_BYTES = 1 << 20

_MAX_MEMBERS: Final = 100  # of one JSON object; our models have at most 12

M = TypeVar("M", bound=BaseModel)


def body(model: type[M]) -> M:
    """Parse the JSON body of the current request.

    Raises:
        Problem: 415 when it is not declared as JSON, 413 over `MAX_BODY_BYTES`, 422 for too many members in an object.
        pydantic.ValidationError: the body is not JSON, or does not fit `model`.

    """
    if not request.is_json:
        wanted = "Send JSON with Content-Type: application/json."
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, wanted, headers={"Accept": "application/json"})
    raw = _raw_body()
    # The model reports invalid JSON with a better message.
    with suppress(ValueError, RecursionError):
        _require_few_members(raw.decode())
    return model.model_validate_json(raw)


def query(model: type[M]) -> M:
    """Parse the query string of the current request.

    Raises:
        Problem: 422 for unknown, repeated and invalid parameters.

    """
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        errors = [FieldError(pointer(name), "This parameter is repeated") for name in repeated]
        raise Problem(Kind.INVALID_PARAMETERS, "Send each query parameter once; nothing was changed.", errors=errors)
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        detail = "The request has invalid query parameters; nothing was changed."
        raise Problem(Kind.INVALID_PARAMETERS, detail, errors=field_errors(error)) from None


def _limit_members(members: list[tuple[str, object]]) -> None:
    """Refuse an object with too many members, because the model would describe an error for each of them."""
    if len(members) > _MAX_MEMBERS:
        found = f"The body contains an object with {len(members):,} members; nothing was changed."
        raise Problem(Kind.INVALID_FIELDS, found)


_require_few_members: Final = json.JSONDecoder(object_pairs_hook=_limit_members, parse_int=len).decode
"""`parse_int=len` skips the conversion of numbers, which is slow for long ones."""


def _raw_body() -> bytes:
    """Return the body. Werkzeug silently truncates a chunked body that is too large, so its bytes are counted here."""
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raw = b" " * (MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(Kind.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return raw
