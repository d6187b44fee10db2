"""The notice about the last action, kept in the session until the next page shows it."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from flask import session

MOST_UNDONE: Final = 50
"""Maximum number of deals that one click can restore. Their ids are in the cookie, which is limited to 4 KB."""

_ENTRY: Final = "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """Message about the result of an action.

    Attributes:
        text: the message.
        tone: whether the action succeeded.
        undo: ids of deleted deals that a button restores.
        selected: ids of deals that stay selected on the page, because the action was refused.
        stage: the stage that stays chosen.
        undo_at: address of the form that takes a decision back; empty if there is none.
        back: the page to return to after this undo.

    """

    text: str
    tone: Literal["done", "problem"] = "done"
    undo: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    stage: str = ""
    undo_at: str = ""
    back: str = ""


def flash(notice: Notice) -> None:
    """Show `notice` on the next page, like Flask's `flash`. It replaces a notice that was not shown yet."""
    session[_ENTRY] = asdict(notice)


def take() -> Notice | None:
    """Return the pending notice and remove it."""
    kept = session.pop(_ENTRY, None)
    return Notice(**kept) if kept else None
