"""Tagged JSON, for results of views, templates and functions that plain JSON cannot represent.

A plain JSON value is stored unchanged. Any other payload starts with `tagged:`. In this payload, each value of another
type is an object with one member whose name starts with `$`, such as `{"$tuple":[1,2]}`. Decoding creates only values
of the types listed below, so a planted entry cannot execute code.
"""

import base64
import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import UUID

from flask import Response, current_app
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, default_exceptions

from app.caching.codec import SCALARS, JsonCodec, PayloadTooLongError, dump_json, load_json, reject_constant

_MARK: Final = b"tagged:"


class _Tag(NamedTuple):
    name: str
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


class ValueCodec(JsonCodec):
    """Plain JSON, tuples, sets, bytes, dates, decimals, UUIDs, Markup and HTTP responses, each restored exactly."""

    def encode(self, value: Any) -> bytes:  # noqa: ANN401 - any of these types
        """Return the payload.

        Raises:
            TypeError: the type is not listed above; the message names it.
            ValueError: the value contains NaN or an infinity, is nested too deeply, or is too long.

        """
        try:
            return super().encode(value)
        except TypeError:  # not plain JSON
            pass
        try:
            payload = _MARK + dump_json(_tagged(value))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return payload

    def decode(self, payload: bytes) -> Any:  # noqa: ANN401 - any of these types
        """Return the value of a payload that `encode` made. Raises ValueError for any other payload."""
        if not payload.startswith(_MARK):
            return super().decode(payload)
        try:
            return load_json(payload[len(_MARK) :], _DECODER)
        except PayloadTooLongError:
            raise
        except (TypeError, AttributeError, ArithmeticError, LookupError) as error:  # not written by `encode`
            raise ValueError("not a tagged value") from error


def _tagged(value: Any) -> Any:  # noqa: ANN401 - any value in, JSON out
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is list:
        return [_tagged(item) for item in value]
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: _tagged(item) for key, item in value.items()}
        return {"$dict": [[_tagged(key), _tagged(item)] for key, item in value.items()]}
    tag = _BY_TYPE.get(kind) or _tag_of_family(value)
    return {tag.name: _tagged(tag.pack(value))}


def _tag_of_family(value: object) -> _Tag:
    if isinstance(value, Response):
        return _RESPONSE
    if isinstance(value, HTTPException):
        return _ERROR
    raise TypeError(
        f"a value of type {type(value).__qualname__} cannot be cached; docs/use-the-engine.md lists the supported types"
    )


def _untagged(document: dict[str, Any]) -> Any:  # noqa: ANN401 - any of the tagged types
    if len(document) == 1:
        ((name, content),) = document.items()
        if name.startswith("$"):
            return dict(content) if name == "$dict" else _BY_NAME[name].unpack(content)
    return document


def _pack_time(moment: dt.datetime) -> str:
    if moment.fold or type(moment.tzinfo) not in {dt.timezone, type(None)}:
        raise TypeError("a datetime in a named time zone cannot be cached; convert it to UTC")
    return moment.isoformat()


def _pack_response(response: Response) -> list[Any]:
    if response.is_streamed or response.direct_passthrough:
        raise TypeError("a streamed response cannot be cached: its body can be read only once")
    headers = [[name, value] for name, value in response.headers.items()]
    return [response.status, headers, base64.b64encode(response.get_data()).decode()]


def _unpack_response(content: list[Any]) -> Response:
    status, headers, body = content
    kind = current_app.response_class if current_app else Response
    return kind(base64.b64decode(body), status=status, headers=[(name, value) for name, value in headers])


def _pack_error(error: HTTPException) -> list[Any]:
    """Pack an error raised by `flask.abort`: a standard error with its description, or a response."""
    if type(error) is HTTPException and error.response is not None:
        return [None, error.response]
    description = vars(error).get("description")
    kind = default_exceptions.get(error.code or 0)
    if type(error) is not kind or vars(kind(description)) != vars(error):
        raise TypeError(f"an error of type {type(error).__qualname__} cannot be cached: it has additional attributes")
    return [error.code, description]


def _unpack_error(content: list[Any]) -> HTTPException:
    code, detail = content
    return HTTPException(response=detail) if code is None else default_exceptions[code](detail)


_RESPONSE: Final = _Tag("$response", _pack_response, _unpack_response)
_ERROR: Final = _Tag("$error", _pack_error, _unpack_error)
_BY_TYPE: Final[dict[type, _Tag]] = {
    tuple: _Tag("$tuple", list, tuple),
    set: _Tag("$set", list, set),
    frozenset: _Tag("$frozenset", list, frozenset),
    bytes: _Tag("$bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    dt.datetime: _Tag("$datetime", _pack_time, dt.datetime.fromisoformat),
    dt.date: _Tag("$date", dt.date.isoformat, dt.date.fromisoformat),
    Decimal: _Tag("$decimal", str, Decimal),
    UUID: _Tag("$uuid", str, UUID),
    Markup: _Tag("$markup", str.__str__, Markup),
    HTTPStatus: _Tag("$status", int, HTTPStatus),
}
_BY_NAME: Final = {tag.name: tag for tag in (*_BY_TYPE.values(), _RESPONSE, _ERROR)}
_DECODER = json.JSONDecoder(parse_constant=reject_constant, object_hook=_untagged)
