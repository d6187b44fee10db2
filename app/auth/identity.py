"""Identity of the caller: the decorators for views, and `current_user`."""

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, ParamSpec, cast

from flask import Flask, current_app, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.local import LocalProxy

from app import audit
from app.auth.answers import Answers
from app.auth.cookies import SealedSessions
from app.auth.keys import KeysUnavailableError
from app.auth.tokens import Identity, InvalidTokenError, TokenVerifier
from app.declarations import declare
from app.extensions import csrf
from app.problems import Kind, Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

P = ParamSpec("P")

SESSION_TOKEN: Final = "access_token"  # noqa: S105 - the name of a session entry
_CALLER: Final = "asin_desk.caller"
"""Entry of the WSGI environment with the identity of the caller. It ends with the request."""

_OPERATOR_SECONDS: Final = 60.0
_OPEN_SECONDS: Final = 0.8  # a session that has ended is refused within 1 s, by every worker
_WATCHED_SECONDS: Final = 60.0  # and within a minute, if an open page repeats the request by itself
_CHALLENGE: Final = 'Bearer realm="asin-desk"'


class Auth:
    """State of this package for one application, stored as `app.extensions["auth"]`."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        is_operator: Callable[[str], bool],
        session_is_open: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the state.

        Args:
            verifier: verifies tokens.
            is_operator: asks the database whether the owner of a token is an operator of this installation.
            session_is_open: asks the database whether the session of a token is still open.
            monotonic: returns seconds; measures the age of cached answers.

        """
        self.verifier = verifier
        self._operators = Answers(is_operator, seconds=_OPERATOR_SECONDS, monotonic=monotonic)
        self._open_sessions = Answers(session_is_open, seconds=_OPEN_SECONDS, monotonic=monotonic)
        self._watched_sessions = Answers(session_is_open, seconds=_WATCHED_SECONDS, monotonic=monotonic)

    def is_operator(self, identity: Identity) -> bool:
        """Return whether `identity` is an operator; the answer is at most 60 s old. Raises the database's errors."""
        return self._operators.about(identity.user_id, token=identity.token)

    def is_open(self, identity: Identity, *, watching: bool = False) -> bool:
        """Return whether the session of `identity` is open; the answer is at most 0.8 s old, with `watching` 60 s.

        A token without a session id has no open session. Raises the database's errors.
        """
        session_id, answers = identity.session_id, self._watched_sessions if watching else self._open_sessions
        return bool(session_id) and answers.about(session_id, token=identity.token)


def init_app(
    app: Flask,
    *,
    verifier: TokenVerifier,
    is_operator: Callable[[str], bool],
    session_is_open: Callable[[str], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Set up `app`, whose SECRET_KEY is configured. The other arguments are those of `Auth`."""
    app.session_interface = SealedSessions(app.config["SECRET_KEY"])
    app.extensions["auth"] = Auth(
        verifier=verifier, is_operator=is_operator, session_is_open=session_is_open, monotonic=monotonic
    )


def _caller() -> Identity:
    """Return the identity that `identify` has stored."""
    identity: Identity | None = request.environ.get(_CALLER)
    if identity is None:
        raise RuntimeError("current_user is known only in a view marked @login_required or @operator_required")
    return identity


current_user = cast("Identity", LocalProxy(_caller))
"""The caller of the current view. RuntimeError in a view that neither has a decorator of this module nor calls
`identify`."""


def login_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only identified callers; `view` may then read `current_user`. Raises what `identify` raises."""
    return _guarded(view, "user", lambda: identify(request.environ))


def user_watching(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only identified callers, like `login_required`, for what an open page requests again by itself.

    A session that has ended is refused within 60 s, so that the database is not asked each time.
    """
    return _guarded(view, "user", lambda: identify(request.environ, watching=True))


def operator_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only operators: 403 for other callers. Raises what `identify` raises as well."""
    return _guarded(view, "operator", lambda: _check_operator(view.__name__))


def operator_watching(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Allow only operators, like `operator_required`, for what an open page requests again by itself.

    A session that has ended is refused within 60 s. The audit log gets only refusals: opening the page was recorded.
    """
    return _guarded(view, "operator", lambda: _check_operator(view.__name__, watching=True))


def _guarded(
    view: Callable[P, ResponseReturnValue], caller: Literal["user", "operator"], check: Callable[[], object]
) -> Callable[P, ResponseReturnValue]:
    """Call `check`, which may raise a problem, before each call of `view`."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        check()
        return view(*args, **kwargs)

    return declare(guarded, caller=caller)


def _check_operator(action: str, *, watching: bool = False) -> None:
    """Refuse callers that are not operators, and write the decision to the audit log; see `operator_required`."""
    try:
        identity = identify(request.environ, watching=watching)
    except Problem:
        audit.record("operator", "refused", action=action)
        raise
    allowed = _auth().is_operator(identity)
    if not (watching and allowed):
        audit.record("operator", "ok" if allowed else "refused", action=action, user=identity.user_id)
    if not allowed:
        raise Problem(Kind.OPERATORS_ONLY)


def identify(environ: "WSGIEnvironment", *, watching: bool = False) -> Identity:
    """Identify the caller of the current request: by its bearer token, or else by the desk's session cookie.

    From then on `current_user` stands for the caller. `environ` is the environment of the request: a view that has
    read it already passes it on, because each access through Flask's proxy takes about 1 µs.

    A browser sends the cookie automatically, so a change also needs a CSRF token. The session must still be open at
    Supabase: signing out on any device ends it. With `watching`, the caller is an open page, and a session may have
    ended up to 60 s ago. A bearer token is valid until it expires.

    Raises:
        Problem: 401 without valid credentials, 403 without a valid CSRF token, 503 while tokens cannot be verified.
        DatabaseUnavailableError: the database cannot tell whether the session is open.

    """
    authorization: str | None = environ.get("HTTP_AUTHORIZATION")
    identity = _session_user(watching=watching) if authorization is None else _verified(_bearer_token(authorization))
    environ[_CALLER] = identity
    return identity


def _session_user(*, watching: bool) -> Identity:
    """Return the user of the desk's session; see `identify`."""
    token = session.get(SESSION_TOKEN)
    if not isinstance(token, str):
        raise _unauthorized()
    identity = _verified(token)
    if not _auth().is_open(identity, watching=watching):
        raise _unauthorized("its session has ended")
    _check_csrf()
    return identity


def _auth() -> Auth:
    """Return the state of the current application."""
    auth: Auth = current_app.extensions["auth"]
    return auth


def _bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header. Another scheme counts as no credentials (RFC 6750 §3.1)."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized()
    return token.strip()


def _verified(token: str) -> Identity:
    """Return the user that `token` belongs to, or raise the matching problem."""
    try:
        return _auth().verifier.verify(token)
    except InvalidTokenError as error:
        raise _unauthorized(error.reason) from error
    except KeysUnavailableError as error:
        raise Problem(
            Kind.UNAVAILABLE,
            "Access tokens cannot be checked at the moment. Please try again shortly.",
            headers={"Retry-After": str(error.retry_after)},
        ) from error


def _unauthorized(reason: str | None = None) -> Problem:
    """Return the 401 problem with its challenge. Without credentials the challenge names no error (RFC 6750 §3.1)."""
    if reason is None:
        kind, challenge = Kind.UNAUTHENTICATED, _CHALLENGE
        detail = "Send a Supabase access token as 'Authorization: Bearer <token>', or sign in at the desk."
    else:
        audit.record("token", "refused", reason=reason)
        kind = Kind.INVALID_TOKEN
        challenge = f'{_CHALLENGE}, error="invalid_token", error_description="{reason}"'
        detail = f"The access token was refused: {reason}."
    return Problem(kind, detail, headers={"WWW-Authenticate": challenge})


def _check_csrf() -> None:
    """Refuse a request whose CSRF token (header X-CSRFToken or form field csrf_token) is missing or invalid.

    GET, HEAD, OPTIONS and TRACE need none.
    """
    try:
        csrf.protect()
    except CSRFError as error:
        audit.record("csrf", "refused")
        raise Problem(
            Kind.CSRF_TOKEN_INVALID,
            f"{error.description} Reload the page and try again; programs send a bearer token instead.",
        ) from error
