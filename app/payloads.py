"""Parse the body or the query of a request into a model. Errors name the fields that are wrong."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.problems import FieldError, Kind, Problem, field_errors, pointer

MAX_BODY_BYTES = 1 << 20

TEXT: Final = "text/plain"

_MAX_MEMBERS: Final = 100  # of one JSON object; our models have at most 12

M = TypeVar("M", bound=BaseModel)


def body(model: type[M]) -> M:
    """Parse the body of the current request: JSON, or with a model that has `from_text`, also text.

    Raises:
        Problem: 415 for another media type, 413 over `MAX_BODY_BYTES`, 422 for too many members in an object.
        pydantic.ValidationError: the body is not JSON, or does not fit `model`.

    """
    from_text = text_parser(model)
    if from_text and request.mimetype == TEXT:
        return from_text(_raw_body().decode("utf-8-sig", "replace"))
    if not request.is_json:
        accepted = f"application/json, {TEXT}" if from_text else "application/json"
        wanted = f"Send JSON with Content-Type: application/json{f', or text as {TEXT}' if from_text else ''}."
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, wanted, headers={"Accept": accepted})
    raw = _raw_body()
    # The model reports invalid JSON with a better message.
    with suppress(ValueError, RecursionError):
        _require_few_members(raw.decode())
    return model.model_validate_json(raw)


def text_parser(model: type[M]) -> Callable[[str], M] | None:
    """Return the class method `from_text` of a model that can also be sent as text, None if it has none."""
    parser: Callable[[str], M] | None = getattr(model, "from_text", None)
    return parser


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
