"""The browser's session: the tokens of the signed-in user in its sealed cookie, renewed before they run out."""

import contextlib
import functools
import time
from collections.abc import Callable
from typing import Final, ParamSpec

from flask import current_app, session
from flask.typing import ResponseReturnValue

from app.auth import SESSION_TOKEN, login_required
from app.database import Database, DatabaseUnavailableError, Session
from app.problems import Problem

P = ParamSpec("P")

_EXPIRING_SECONDS: Final = 60
_REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - the name of a session entry
_EXPIRES_AT: Final = "expires_at"
_TOKENS: Final = (SESSION_TOKEN, _REFRESH_TOKEN, _EXPIRES_AT)
_LEAVING: Final = "leaving"
"""The session entry that keeps the tokens of a session that is not ended at Supabase yet. It signs nobody in."""


def database() -> Database:
    """Return the database of the application that runs."""
    found: Database = current_app.extensions["database"]
    return found


def start(opened: Session) -> None:
    """Sign the browser in. What its session held before is dropped, so that nobody can have prepared it.

    If it was signed in before, or is not signed out completely, that session is ended too, as far as possible.
    """
    with contextlib.suppress(DatabaseUnavailableError):
        end()
    session.clear()
    _keep(opened)


def end() -> None:
    """Sign the browser out, and end its session at Supabase: then a copy of the cookie is worth nothing either.

    Raises:
        DatabaseUnavailableError: Supabase did not confirm it. The browser is signed out all the same; its cookie keeps
            the tokens apart, so that calling this again completes it.

    """
    session.update(session.pop(_LEAVING, {}))
    try:
        if is_open() and _renew_when_due():
            database().sign_out(session[SESSION_TOKEN])
    except DatabaseUnavailableError:
        tokens = {name: session[name] for name in _TOKENS if name in session}
        session.clear()
        session[_LEAVING] = tokens
        raise
    session.clear()


def is_open() -> bool:
    """Say whether this browser is signed in, as far as its session knows."""
    return SESSION_TOKEN in session


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only signed-in callers reach `view`, which may then read `current_user`; renews their token when due.

    Raises what `app.auth.identify` raises; a session that cannot be renewed is a 401.
    """
    guarded = login_required(view)

    @functools.wraps(view)
    def renewed(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if not _renew_when_due():
            raise Problem(401, "The session has ended.")
        return guarded(*args, **kwargs)

    return renewed


def _renew_when_due() -> bool:
    """Renew a token that is in its last minute; return False when it has run out and cannot be renewed."""
    left = session.get(_EXPIRES_AT, 0) - time.time()
    if not is_open() or left > _EXPIRING_SECONDS:
        return True
    try:
        opened = database().refresh(session.get(_REFRESH_TOKEN, ""))
    except DatabaseUnavailableError:
        if left <= 0:
            raise
        return True
    if opened is not None:
        _keep(opened)
    return opened is not None or left > 0  # while the token still works, a second tab may just have renewed it


def _keep(opened: Session) -> None:
    session[SESSION_TOKEN] = opened.access_token
    session[_REFRESH_TOKEN] = opened.refresh_token
    session[_EXPIRES_AT] = opened.expires_at
    session["email"] = opened.email
