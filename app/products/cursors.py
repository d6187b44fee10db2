"""Opaque cursors for keyset pagination. A cursor contains the sort order, and the sort value and id of the last row."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.products import results
from app.products.errors import InvalidCursorError


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a page. `value` is the sort value of its last row as text (`Infinity` or -1 for an unknown cost)."""

    value: str
    id: UUID


def encode(position: Position, *, sort: str) -> str:
    """Return the URL-safe cursor of the page after `position`."""
    return pack(sort, position.value, str(position.id))


def after(end: Any, *, sort: str) -> str | None:  # noqa: ANN401 - any JSON
    """Return the cursor of the page after `end`, the member `next` of a page of the database; None if it is null."""
    if not end:
        return None
    found = results.document(end, "value", "id")
    return encode(Position(found["value"], UUID(found["id"])), sort=sort)


def pack(*members: str) -> str:
    """Return a URL-safe text that contains these texts."""
    raw = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def unpack(cursor: str, *, members: int) -> list[str]:
    """Return the texts that `pack` put into the cursor. Raises InvalidCursorError if it has another number of texts."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidCursorError from None
    if not isinstance(found, list) or len(found) != members or not all(isinstance(text, str) for text in found):
        raise InvalidCursorError
    return found


def arguments(cursor: str | None, *, sort: str) -> dict[str, str | None]:
    """Return the arguments of a SQL function for the page after `cursor`, or the first. Raises InvalidCursorError."""
    if not cursor:
        return {"p_after_value": None, "p_after_id": None}
    end = decode(cursor, sort=sort)
    return {"p_after_value": end.value, "p_after_id": str(end.id)}


def decode(cursor: str, *, sort: str) -> Position:
    """Return the position that `encode` put into the cursor for the same `sort`. Raises InvalidCursorError."""
    cursor_sort, value, row = unpack(cursor, members=3)
    try:
        position = Position(value, UUID(row))
        valid = cursor_sort == sort and is_valid(value, sort.lstrip("-"))
    except ValueError:
        valid = False
    if not valid:
        raise InvalidCursorError
    return position


def is_valid(value: str, column: str) -> bool:
    """Return whether the database can parse `value` as a value of `column`. May also raise ValueError if it cannot."""
    if "\0" in value:
        return False
    value.encode()  # raises ValueError for a lone surrogate
    if column in {"created_at", "deleted_at"}:
        return datetime.fromisoformat(value).tzinfo is not None
    return column != "buy_cost" or bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|Infinity", value))
