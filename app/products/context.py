"""What this package reads from Flask's context: the caller and the conditions of a request, and the database."""

import re
from dataclasses import replace
from typing import Final

from flask import current_app, request

from app.auth import current_user
from app.database import Database
from app.problems import Kind, Problem
from app.products.conditions import Conditions
from app.products.repository import Repository

_KEY: Final = re.compile(r'"(?P<quoted>[!#-\[\]-~]{1,255})"|(?P<bare>[!#-\[\]-~]{1,255})')
"""A key, as the structured field string of the draft (RFC 9651 §3.3.3) or, as many clients send it, without quotes."""


def caller_repository() -> Repository:
    """Return the repository of the user who calls the current view."""
    return Repository(_database(), current_user.token, current_user.user_id)


def changing_repository() -> Repository:
    """Return the repository of the caller, whose changes have the conditions of the current request.

    These are the headers Idempotency-Key and If-Match. A weak entity tag in If-Match never matches (RFC 9110 §13.1.1).

    Raises:
        Problem: 400 for an invalid Idempotency-Key.

    """
    if_match = None
    if "If-Match" in request.headers:
        given = request.if_match
        if_match = ("*",) if given.star_tag else tuple(sorted(given.as_set()))
    return replace(caller_repository(), conditions=Conditions(_idempotency_key(), if_match))


def _idempotency_key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    found = _KEY.fullmatch(given)
    if found is None:
        wanted = "Idempotency-Key needs 1 to 255 visible ASCII characters without quotes and backslashes."
        raise Problem(Kind.IDEMPOTENCY_KEY_INVALID, f"{wanted} Nothing was changed.")
    return found["quoted"] or found["bare"]


def own_repository(user_id: str) -> Repository:
    """Return the repository of the caller, who must be `user_id`: the key of a cached result names its owner.

    Raises:
        ValueError: `user_id` is not the caller.

    """
    if user_id != current_user.user_id:
        raise ValueError("A result that is cached for a user must be computed from the data of this user")
    return caller_repository()


def database_is_available() -> bool:
    """Return False while the database is known to be down. Makes no call."""
    return _database().is_available


def _database() -> Database:
    database: Database = current_app.extensions["database"]
    return database
