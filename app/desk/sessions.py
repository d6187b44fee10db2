"""The browser's session: the tokens of the signed-in user in Flask's signed cookie, renewed before they run out."""

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


def database() -> Database:
    """Return the database of the application that runs."""
    found: Database = current_app.extensions["database"]
    return found


def start(opened: Session) -> None:
    """Sign the browser in. What its session held before is dropped, so that nobody can have prepared it."""
    session.clear()
    _keep(opened)


def end() -> None:
    """Sign the browser out; Supabase is told so that the tokens are worth nothing to others either."""
    token = session.get(SESSION_TOKEN)
    session.clear()
    if isinstance(token, str):
        database().sign_out(token)


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
        _renew_when_due()
        return guarded(*args, **kwargs)

    return renewed


def _renew_when_due() -> None:
    left = session.get(_EXPIRES_AT, 0) - time.time()
    if not is_open() or left > _EXPIRING_SECONDS:
        return
    try:
        opened = database().refresh(session.get(_REFRESH_TOKEN, ""))
    except DatabaseUnavailableError:
        if left <= 0:
            raise
        return
    if opened is not None:
        _keep(opened)
    elif left <= 0:  # before that the token still works, and a second tab may just have renewed it
        raise Problem(401, "The session has ended.")


def _keep(opened: Session) -> None:
    session[SESSION_TOKEN] = opened.access_token
    session[_REFRESH_TOKEN] = opened.refresh_token
    session[_EXPIRES_AT] = opened.expires_at
    session["email"] = opened.email
