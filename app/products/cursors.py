"""Opaque cursors for keyset pagination: the sort value and id of the last row, and the order they belong to."""

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
    """Where a page ended: `value` is the row's sort value as text (`Infinity` or -1 for a cost that is not known)."""

    value: str
    id: UUID


def encode(position: Position, *, sort: str) -> str:
    """Return the cursor for the page after `position`, URL-safe."""
    raw = json.dumps([sort, position.value, str(position.id)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode(cursor: str, *, sort: str) -> Position:
    """Return the position that `encode` put into the cursor for the same `sort`. Raises InvalidCursorError."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        made_for, value, row = json.loads(raw)
        position = Position(value, UUID(row))
        fits = made_for == sort and _fits(value, sort.lstrip("-"))
    except (binascii.Error, TypeError, ValueError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise InvalidCursorError("This cursor was not made by this list in this order; start again without one.")
    return position


def _fits(value: object, column: str) -> bool:
    """Say whether the database can read `value` as a `column`; raises as the parsers do."""
    if not isinstance(value, str) or "\0" in value:
        return False
    value.encode()  # a lone surrogate is a ValueError
    if column == "created_at":
        return datetime.fromisoformat(value).tzinfo is not None
    return column != "buy_cost" or bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|Infinity", value))
