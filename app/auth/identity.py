"""Say who is calling: the decorators that views wear, and `current_user`, which views read."""

import functools
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, ParamSpec, cast

from flask import Flask, current_app, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.local import LocalProxy

from app import audit
from app.application import current_request
from app.auth.answers import Answers
from app.auth.cookies import SealedSessions
from app.auth.keys import KeysUnavailableError
from app.auth.tokens import Identity, InvalidTokenError, TokenVerifier
from app.extensions import csrf
from app.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

P = ParamSpec("P")

SESSION_TOKEN: Final = "access_token"  # noqa: S105 - the name of the session entry the desk keeps the token in
_CALLER: Final = "asin_desk.caller"
"""The entry of the WSGI environment that keeps the caller: it ends with the request."""

_OPERATOR_SECONDS: Final = 60.0
_OPEN_SECONDS: Final = 0.8  # a session that has ended is dead within 1 s, everywhere
_CHALLENGE: Final = 'Bearer realm="asin-desk"'


class Auth:
    """What identity needs of the application; kept as `app.extensions["auth"]`."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        is_operator: Callable[[str], bool],
        session_is_open: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check tokens with `verifier`, and ask the database about their owners, as the owner of the token given.

        Args:
            verifier: checks tokens.
            is_operator: tells whether the owner operates this installation.
            session_is_open: tells whether the session that the token belongs to has not ended.
            monotonic: returns seconds; it times how long answers are remembered.

        """
        self.verifier = verifier
        self._operators = Answers(is_operator, seconds=_OPERATOR_SECONDS, monotonic=monotonic)
        self._open_sessions = Answers(session_is_open, seconds=_OPEN_SECONDS, monotonic=monotonic)

    def operates(self, identity: Identity) -> bool:
        """Tell whether `identity` is an operator, as of at most 60 s ago. Errors of the database pass through."""
        return self._operators.about(identity.user_id, token=identity.token)

    def is_open(self, identity: Identity) -> bool:
        """Tell whether the session of `identity` is open, as of at most 0.8 s ago. Errors of the database pass through.

        A token that names no session has none.
        """
        session_id = identity.session_id
        return bool(session_id) and self._open_sessions.about(session_id, token=identity.token)


def init_app(
    app: Flask,
    *,
    verifier: TokenVerifier,
    is_operator: Callable[[str], bool],
    session_is_open: Callable[[str], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Give `app`, which has its SECRET_KEY, its identity room; the other arguments are those of `Auth`."""
    app.session_interface = SealedSessions(app.config["SECRET_KEY"])
    app.extensions["auth"] = Auth(
        verifier=verifier, is_operator=is_operator, session_is_open=session_is_open, monotonic=monotonic
    )


def caller(environ: "WSGIEnvironment | None" = None) -> Identity:
    """Return the user `current_user` stands for. This skips two proxies: it is the fast path of the hot stats view.

    `environ` is that of the current request. A caller that has it at hand saves a look through Flask's proxy.

    Raises:
        RuntimeError: no decorator of this module has looked.

    """
    identity: Identity | None = (request.environ if environ is None else environ).get(_CALLER)
    if identity is None:
        raise RuntimeError("current_user is known only in a view marked @login_required or @operator_required")
    return identity


current_user = cast("Identity", LocalProxy(caller))
"""The caller of the view that runs now; RuntimeError where no decorator of this module has looked."""


def login_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only identified callers reach `view`, which may then read `current_user`. Raises what `identify` raises."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        environ = current_request().environ
        environ[_CALLER] = identify(environ)
        return view(*args, **kwargs)

    return guarded


def operator_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only operators reach `view`: 403 for other callers, besides what `identify` raises."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        request.environ[_CALLER] = _operator(view.__name__)
        return view(*args, **kwargs)

    return guarded


def _operator(action: str) -> Identity:
    """Return who sends the current request, an operator, and have the audit log know of it; see `operator_required`."""
    try:
        identity = identify(request.environ)
    except Problem:
        audit.record("operator", "refused", action=action)
        raise
    allowed = _auth().operates(identity)
    audit.record("operator", "ok" if allowed else "refused", action=action, user=identity.user_id)
    if not allowed:
        raise Problem(HTTPStatus.FORBIDDEN, detail="Only operators of this installation may see this.")
    return identity


def identify(environ: "WSGIEnvironment") -> Identity:
    """Return who sends the current request: by its bearer token or, without one, by the desk's session.

    A browser sends its session along unasked, so a session may change something only together with a CSRF token. It
    must also be open at Supabase still: signing out, anywhere, ends it. Bearer tokens are good until they expire.

    Raises:
        Problem: 401 without good credentials, 403 without a good CSRF token, 503 while tokens cannot be checked.
        DatabaseUnavailableError: nobody can say whether the session is open.

    """
    authorization: str | None = environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        return _verified(_bearer_token(authorization))
    token = session.get(SESSION_TOKEN)
    if not isinstance(token, str):
        raise _unauthorized()
    identity = _verified(token)
    if not _auth().is_open(identity):
        raise _unauthorized("its session has ended")
    _check_csrf()
    return identity


def _auth() -> Auth:
    """Return the identity room of the application that runs."""
    auth: Auth = current_app.extensions["auth"]
    return auth


def _bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header; another scheme is the same as no credentials (RFC 6750 §3.1)."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized()
    return token.strip()


def _verified(token: str) -> Identity:
    """Return whom `token` stands for, or raise the problem that answers it."""
    try:
        return _auth().verifier.verify(token)
    except InvalidTokenError as error:
        raise _unauthorized(error.reason) from error
    except KeysUnavailableError as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail="Access tokens cannot be checked at the moment. Please try again shortly.",
            headers={"Retry-After": str(error.retry_after)},
        ) from error


def _unauthorized(reason: str | None = None) -> Problem:
    """Build the 401 answer with its challenge; without credentials it names no error (RFC 6750 §3.1)."""
    if reason is None:
        challenge = _CHALLENGE
        detail = "Send a Supabase access token as 'Authorization: Bearer <token>', or sign in at the desk."
    else:
        audit.record("token", "refused", reason=reason)
        challenge = f'{_CHALLENGE}, error="invalid_token", error_description="{reason}"'
        detail = f"The access token was refused: {reason}."
    return Problem(HTTPStatus.UNAUTHORIZED, detail=detail, headers={"WWW-Authenticate": challenge})


def _check_csrf() -> None:
    """Refuse an unsafe request whose CSRF token (header X-CSRFToken or form field csrf_token) is missing or wrong.

    Flask-WTF lets GET, HEAD, OPTIONS and TRACE pass.
    """
    try:
        csrf.protect()
    except CSRFError as error:
        audit.record("csrf", "refused")
        raise Problem(
            HTTPStatus.FORBIDDEN,
            detail=f"{error.description} Reload the page and try again; programs send a bearer token instead.",
        ) from error
