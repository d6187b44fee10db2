"""Tests of `ValueCodec`: a value is restored with its type, or refused."""

import base64
import datetime as dt
import json
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum, StrEnum
from http import HTTPStatus
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.exceptions import Conflict, Gone, HTTPException, MethodNotAllowed, NotFound

from app.caching.codec import JsonCodec, PayloadTooLongError
from app.caching.values import ValueCodec

CODEC = ValueCodec()
_CEST = dt.timezone(dt.timedelta(hours=2))


class Color(IntEnum):
    """An enum of numbers."""

    RED = 1


class Word(StrEnum):
    """An enum of strings."""

    A = "a"


def _without_fold(moment: dt.datetime) -> dt.datetime:
    return moment.replace(fold=0)


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.binary() | st.decimals(allow_nan=False) | st.uuids() | st.dates()
    | st.datetimes(timezones=st.sampled_from([dt.UTC, _CEST])).map(_without_fold) | st.text().map(Markup)
    | st.sampled_from(HTTPStatus)
)  # fmt: skip
_KEYS = st.text() | st.integers() | st.just("$tuple") | st.tuples(st.integers())
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(_KEYS, inner)
    | st.sets(st.integers()) | st.frozensets(st.text()),
    max_leaves=8,
)  # fmt: skip


def _exact(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, dict):
        return [(_exact(key), _exact(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return (type(value), [_exact(item) for item in value])
    return (type(value), value)


@given(_VALUES)
def test_decode_restores_value_and_type(value: object) -> None:
    """Also of all nested values."""
    assert _exact(CODEC.decode(CODEC.encode(value))) == _exact(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_plain_json_is_stored_as_plain_json(value: object) -> None:
    """Any other program can read it."""
    assert json.loads(CODEC.encode(value)) == value


REFUSED: list[Any] = [
    object(), Color.RED, [Color.RED], {"a": Word.A}, {Word.A: 1}, OrderedDict(a=1), bytearray(b"x"), 1j, float("nan"),
    {1: float("inf")}, dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Rome")), MethodNotAllowed(["GET"]), Exception(),
    Response(iter(["a"])),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_value_that_cannot_be_restored_is_refused(value: object) -> None:
    """Both codecs raise TypeError or ValueError, which their callers catch."""
    with pytest.raises((TypeError, ValueError)):
        CODEC.encode(value)
    with pytest.raises((TypeError, ValueError)):
        JsonCodec().encode(value)


def test_endless_nesting_is_a_value_error() -> None:
    """Callers catch ValueError and release their lease."""
    endless: list[Any] = []
    endless.append(endless)
    for value in (endless, (endless,)):
        with pytest.raises(ValueError, match="nested too deeply"):
            CODEC.encode(value)


def test_response_is_restored_completely() -> None:
    """Status, headers (also repeated ones), body and the application's response class."""
    app = Flask(__name__)
    response = app.response_class(
        b"\xff\0", status="218 This is fine", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    )

    with app.app_context():
        found = CODEC.decode(CODEC.encode((response, HTTPStatus.OK, {"X": "y"})))

    assert (type(found[0]), found[1:]) == (app.response_class, (HTTPStatus.OK, {"X": "y"}))
    assert (found[0].status, found[0].data, list(found[0].headers)) == (
        response.status,
        b"\xff\0",
        list(response.headers),
    )


def test_http_exception_is_restored() -> None:
    """A standard error with its description, or an exception with its own response, as `abort` raises them."""
    for error in (NotFound(), Gone("It was deleted."), Conflict(Markup("<b>"))):
        found = CODEC.decode(CODEC.encode(error))
        assert (type(found), vars(found)) == (type(error), vars(error))
    found = CODEC.decode(CODEC.encode(HTTPException(response=Response("gone", 410))))
    assert (found.get_response().status_code, found.get_response().data) == (410, b"gone")


_TAGS = ["tuple", "dict", "bytes", "datetime", "date", "decimal", "uuid", "markup", "status", "response", "error", "no"]


@pytest.mark.parametrize("content", ["x", 5, None, [], {}, [[1]], ["x", [["a"]], "!"], [999, None]], ids=repr)
@pytest.mark.parametrize("tag", _TAGS)
def test_injected_tag_is_invalid_or_a_harmless_value(tag: str, content: object) -> None:
    """Decoding it returns a value of one of the supported types, or raises ValueError."""
    kinds = (tuple, dict, bytes, dt.date, Decimal, UUID, Markup, HTTPStatus, Response, HTTPException)
    try:
        found = CODEC.decode(b"tagged:" + json.dumps({f"${tag}": content}).encode())
    except ValueError:
        return
    assert isinstance(found, kinds)


def test_more_than_one_mebibyte_is_neither_stored_nor_read() -> None:
    """Holds for text and for bytes."""
    for value in ("x" * (1 << 20), b"x" * (1 << 20)):
        with pytest.raises(PayloadTooLongError):
            CODEC.encode(value)
    with pytest.raises(ValueError, match="too long"):
        CODEC.decode(b"tagged:" + base64.b64encode(b"x" * (1 << 20)))
