"""The one notice a page shows about what was just done, kept in the session across the redirect."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from flask import session

MOST_UNDONE: Final = 50
"""Deals a notice can name, so that one click brings them back: the session is a cookie, and browsers keep 4 KB."""

_ENTRY: Final = "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, in words.

    Attributes:
        text: the words.
        tone: whether it was what the user wanted.
        undo: ids of deleted deals that one button brings back.
        ticked: ids of deals that are still ticked on the page, because the action on them did not happen.
        stage: the stage that is still chosen there.

    """

    text: str
    tone: Literal["done", "problem"] = "done"
    undo: tuple[str, ...] = ()
    ticked: tuple[str, ...] = ()
    stage: str = ""


def leave(notice: Notice) -> None:
    """Show `notice` on the next page; it replaces one not shown yet."""
    session[_ENTRY] = asdict(notice)


def take() -> Notice | None:
    """Return the notice that waits to be shown, once."""
    kept = session.pop(_ENTRY, None)
    return Notice(**kept) if kept else None
