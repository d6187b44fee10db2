"""The places of the desk, in the order of the navigation. A page names its place with `{% set place = … %}`."""

from dataclasses import dataclass
from typing import Final

from flask import current_app

from app.auth import Auth, current_user
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.desk import sessions


@dataclass(frozen=True, slots=True)
class Place:
    """One link of the navigation.

    Attributes:
        endpoint: the endpoint of its first page.
        label: the text of the link.
        icon: the name of a symbol in `icons.svg`.
        key: the key that goes there after `g`.
        operators_only: whether only operators see it.

    """

    endpoint: str
    label: str
    icon: str
    key: str
    operators_only: bool = False


PLACES: Final = (
    Place("desk.work", "Work", "work", "w"),
    Place("desk.deals", "Deals", "list", "d"),
    Place("desk.import_form", "Import & export", "import", "i"),
    Place("desk.trash", "Trash", "trash", "t"),
    Place("desk.account", "Account", "person", "a"),
    Place("desk.operations", "Operations", "gauge", "o", operators_only=True),
)


def visible_places() -> list[Place]:
    """Return the places that the user of the current page may open; none if nobody is signed in."""
    if not sessions.is_open():
        return []
    return [place for place in PLACES if not place.operators_only or _is_operator()]


def _is_operator() -> bool:
    """Return whether the user is an operator; False on a page without a user, or if the database cannot tell."""
    auth: Auth = current_app.extensions["auth"]
    try:
        return auth.is_operator(current_user)
    except (RuntimeError, DatabaseUnavailableError, DatabaseRefusalError):
        return False
