"""The one notice a page shows about what was just done, kept in the session across the redirect."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from flask import session

MOST_UNDONE: Final = 50
"""Deals an offer to undo can name: the session is a cookie, and browsers keep 4 KB."""

_ENTRY: Final = "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, in words; `undo` holds ids of deleted deals that one button brings back."""

    text: str
    tone: Literal["done", "problem"] = "done"
    undo: tuple[str, ...] = ()


def leave(notice: Notice) -> None:
    """Show `notice` on the next page; it replaces one not shown yet."""
    session[_ENTRY] = asdict(notice)


def take() -> Notice | None:
    """Return the notice that waits to be shown, once."""
    kept = session.pop(_ENTRY, None)
    return Notice(**kept) if kept else None
