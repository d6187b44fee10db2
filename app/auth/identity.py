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
from app.auth.cookies import UnopenedSessions
from app.auth.keys import KeysUnavailableError
from app.auth.memory import BoundedMemory
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
_OPERATOR_ANSWERS: Final = 1_000
_CHALLENGE: Final = 'Bearer realm="asin-desk"'


class Auth:
    """What identity needs of the application; kept as `app.extensions["auth"]`."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        is_operator: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check tokens with `verifier`; ask `is_operator` (as the owner of the token it is given) who operates this.

        `monotonic` returns seconds and times how long an answer about operators is remembered.
        """
        self.verifier = verifier
        self.is_operator = is_operator
        self._monotonic = monotonic
        self._answers: BoundedMemory[str, bool] = BoundedMemory(_OPERATOR_ANSWERS, clock=monotonic)

    def operates(self, identity: Identity) -> bool:
        """Tell whether `identity` is an operator, as of at most 60 s ago. Errors of the database pass through."""
        answer = self._answers.recall(identity.user_id)
        if answer is None:
            asked_at = self._monotonic()
            answer = self.is_operator(identity.token)
            self._answers.remember(identity.user_id, answer, until=asked_at + _OPERATOR_SECONDS)
        return answer


def init_app(
    app: Flask,
    *,
    verifier: TokenVerifier,
    is_operator: Callable[[str], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Give `app` its identity room; the arguments are those of `Auth`."""
    app.session_interface = UnopenedSessions()
    app.extensions["auth"] = Auth(verifier=verifier, is_operator=is_operator, monotonic=monotonic)


def caller() -> Identity:
    """Return whom `current_user` stands for, without the detours of that proxy: for the view that is asked all day.

    Raises:
        RuntimeError: no decorator of this module has looked.

    """
    identity: Identity | None = request.environ.get(_CALLER)
    if identity is None:
        raise RuntimeError("current_user is known only in a view marked @login_required or @operator_required")
    return identity


current_user = cast("Identity", LocalProxy(caller))
"""The caller of the view that runs now; RuntimeError where no decorator of this module has looked."""


def login_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only identified callers reach `view`, which may then read `current_user`. Raises what `identify` raises."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        environ = request.environ
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

    A browser sends its session along unasked, so a session may change something only together with a CSRF token.

    Raises:
        Problem: 401 without good credentials, 403 without a good CSRF token, 503 while tokens cannot be checked.

    """
    authorization: str | None = environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        return _verified(_bearer_token(authorization))
    token = session.get(SESSION_TOKEN)
    if not isinstance(token, str):
        raise _unauthorized()
    identity = _verified(token)
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
