"""What this package reads from Flask's context: the caller and the conditions of a request, and the database."""

import re
from dataclasses import replace
from typing import Final

from flask import current_app, request

from app.auth import current_user
from app.database import Database
from app.openapi.components import IDEMPOTENCY_KEY
from app.problems import Kind, Problem
from app.products.conditions import Conditions
from app.products.matching.repository import Matching
from app.products.repository import Repository

_KEY_FORM: Final = re.compile(IDEMPOTENCY_KEY)


def caller_repository() -> Repository:
    """Return the repository of the user who calls the current view."""
    return Repository(_database(), current_user.token, current_user.user_id)


def changing_repository() -> Repository:
    """Return the repository of the caller, whose changes have the conditions of the current request.

    These are the headers Idempotency-Key and If-Match. A change that names no single product or deal ignores If-Match.

    Raises:
        Problem: 400 for an invalid Idempotency-Key.

    """
    conditions = Conditions(_key(), _if_match() if "If-Match" in request.headers else None)
    return replace(caller_repository(), conditions=conditions)


def caller_matching() -> Matching:
    """Return the candidates, decisions and matches of the user who calls the current view."""
    return Matching(caller_repository())


def changing_matching() -> Matching:
    """Return the same as `caller_matching`, with the conditions of `changing_repository`, and raise what it raises."""
    return Matching(changing_repository())


def _key() -> str | None:
    """Return the idempotency key of the current request, None without one. Raises Problem for an invalid one."""
    header = request.headers.get("Idempotency-Key")
    return None if header is None else _idempotency_key(header)


def _idempotency_key(header: str) -> str:
    """Return the key in a header, without quotes and escapes. Raises Problem for an invalid one, also for two keys."""
    if not _KEY_FORM.fullmatch(header):
        wanted = "An Idempotency-Key has 1 to 255 visible ASCII characters; nothing was changed."
        raise Problem(Kind.IDEMPOTENCY_KEY_INVALID, wanted)
    return re.sub(r"\\(.)", r"\1", header[1:-1]) if header.startswith('"') else header


def _if_match() -> tuple[str, ...]:
    """Return the tags of If-Match in a fixed order. Weak ones are left out: they never match (RFC 9110 §13.1.1)."""
    given = request.if_match
    # Werkzeug returns None for the tag "", which no document has.
    return ("*",) if given.star_tag else tuple(sorted({tag for tag in given.as_set() if tag and tag != "*"}))


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
