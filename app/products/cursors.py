"""Opaque cursors for keyset pagination. A cursor contains the sort order, and the sort value and id of the last row."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.products.errors import InvalidCursorError


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a page. `value` is the sort value of its last row as text (`Infinity` or -1 for an unknown cost)."""

    value: str
    id: UUID


def encode(position: Position, *, sort: str) -> str:
    """Return the URL-safe cursor of the page after `position`."""
    raw = json.dumps([sort, position.value, str(position.id)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode(cursor: str, *, sort: str) -> Position:
    """Return the position that `encode` put into the cursor for the same `sort`. Raises InvalidCursorError."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        cursor_sort, value, row = json.loads(raw)
        position = Position(value, UUID(row))
        valid = cursor_sort == sort and _is_valid(value, sort.lstrip("-"))
    except (binascii.Error, TypeError, ValueError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise InvalidCursorError
    return position


def _is_valid(value: object, column: str) -> bool:
    """Return whether the database can parse `value` as a value of `column`. May also raise ValueError if it cannot."""
    if not isinstance(value, str) or "\0" in value:
        return False
    value.encode()  # raises ValueError for a lone surrogate
    if column == "created_at":
        return datetime.fromisoformat(value).tzinfo is not None
    return column != "buy_cost" or bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|Infinity", value))
