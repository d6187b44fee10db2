"""The browser's session: the tokens of the user in the encrypted cookie. They are renewed before they expire."""

import contextlib
import functools
import time
from collections.abc import Callable
from typing import Final, ParamSpec

from flask import current_app, session
from flask.typing import ResponseReturnValue

from app.auth import SESSION_TOKEN, login_required, operator_required, operator_watching, user_watching
from app.database import Database, DatabaseUnavailableError, Session
from app.desk import currencies
from app.problems import Kind, Problem

P = ParamSpec("P")

_EXPIRING_SECONDS: Final = 60
_REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - the name of a session entry
_EXPIRES_AT: Final = "expires_at"
_TOKENS: Final = (SESSION_TOKEN, _REFRESH_TOKEN, _EXPIRES_AT)
_LEAVING: Final = "leaving"
"""Session entry with the tokens of a session that could not be ended at Supabase yet. It does not sign the user in."""


def database() -> Database:
    """Return the database of the current application."""
    found: Database = current_app.extensions["database"]
    return found


def start(opened: Session) -> None:
    """Sign the browser in. The previous content of the session is dropped to prevent session fixation.

    A previous session, also one that is not signed out completely, is ended at Supabase if that is possible.
    """
    with contextlib.suppress(DatabaseUnavailableError):
        end()
    session.clear()
    _keep(opened)


def end() -> None:
    """Sign the browser out and end its session at Supabase, so that copies of the cookie are invalid too.

    Raises:
        DatabaseUnavailableError: Supabase did not confirm it. The browser is signed out nevertheless. Its cookie keeps
            the tokens in a separate entry, so that a second call completes the sign-out.

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
    """Return whether the cookie holds a session. Supabase may have ended it."""
    return SESSION_TOKEN in session


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only signed-in users; `view` may then read `current_user`. Renews a token that is about to expire.

    Raises what `app.auth.identify` raises, and 401 for a session that cannot be renewed.
    """
    return _renewing(login_required(view))


def for_watching_users(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only signed-in users, like `signed_in`, for what an open page requests again by itself."""
    return _renewing(user_watching(view))


def for_operators(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only signed-in operators, like `signed_in`: 403 for other users."""
    return _renewing(operator_required(view))


def for_watching_operators(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only signed-in operators, for what an open page requests again by itself."""
    return _renewing(operator_watching(view))


def _renewing(guarded: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Renew the token of the session before it expires, then call `guarded`."""

    @functools.wraps(guarded)
    def renewed(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if not _renew_when_due():
            raise Problem(Kind.INVALID_TOKEN, "The session has ended.")
        return guarded(*args, **kwargs)

    return renewed


def _renew_when_due() -> bool:
    """Renew a token in its last minute. Returns False if it has expired and cannot be renewed."""
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
    return opened is not None or left > 0  # a second tab may have renewed it just now


def _keep(opened: Session) -> None:
    session[SESSION_TOKEN] = opened.access_token
    session[_REFRESH_TOKEN] = opened.refresh_token
    session[_EXPIRES_AT] = opened.expires_at
    session["email"] = opened.email
    session["user_id"] = opened.user_id
    currencies.keep(opened.currency)
