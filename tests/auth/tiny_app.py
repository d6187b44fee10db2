"""A small application with decorated views, and helpers for its callers."""

from flask import Flask, session
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from werkzeug.test import TestResponse

from app import auth, problems
from app.auth import KeyRing, TokenVerifier, current_user, login_required, operator_required, user_watching
from app.database import DatabaseUnavailableError
from app.extensions import csrf
from tests.auth.minting import AUDIENCE, SECRET, Clock, claims, hs256

TOKEN = hs256().token(claims())
OTHER_USER = "0b9e4a86-6f0c-4d0e-9a3e-2f4d8f6f2a12"
OTHER_TOKEN = hs256().token(claims(sub=OTHER_USER))
EXPIRED = hs256().token(claims(exp=1))
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Operators:
    """Replaces the database function that returns whether a user is an operator. Counts the checks."""

    def __init__(self) -> None:
        """Start without operators."""
        self.tokens: set[str] = set()
        self.down = False
        self.checks = 0

    def __call__(self, token: str) -> bool:
        """Return whether the owner of `token` is an operator."""
        self.checks += 1
        if self.down:
            raise DatabaseUnavailableError("The database cannot be reached.")
        return token in self.tokens


class OpenSessions:
    """Replaces the database function that returns whether a session is open. Counts the checks."""

    def __init__(self) -> None:
        """Start with all sessions open."""
        self.ended: set[str] = set()
        self.down = False
        self.checks = 0

    def __call__(self, token: str) -> bool:
        """Return whether the session of `token` is open."""
        self.checks += 1
        if self.down:
            raise DatabaseUnavailableError("The database cannot be reached.")
        return token not in self.ended


def tiny_app(operators: Operators, sessions: OpenSessions, clock: Clock) -> Flask:
    """Return an application with one view of each kind; `clock` is its monotonic clock."""
    app = Flask("tiny")
    app.config.update(SECRET_KEY="of this test only", WTF_CSRF_CHECK_DEFAULT=False)
    csrf.init_app(app)
    problems.init_app(app)
    verifier = TokenVerifier(KeyRing(secret=SECRET), audience=AUDIENCE, wall_clock=Clock())
    auth.init_app(app, verifier=verifier, is_operator=operators, session_is_open=sessions, monotonic=clock)
    app.add_url_rule("/me", view_func=me, methods=METHODS)
    app.add_url_rule("/numbers", view_func=numbers, methods=METHODS)
    app.add_url_rule("/operators", view_func=for_operators, methods=METHODS)
    app.add_url_rule("/public", view_func=public)
    app.add_url_rule("/sign-in/<token>", view_func=sign_in)
    return app


@login_required
def me() -> ResponseReturnValue:
    """Return the caller."""
    return {"user_id": current_user.user_id, "email": current_user.email}


@user_watching
def numbers() -> ResponseReturnValue:
    """Return what an open page requests every few seconds."""
    return {"user_id": current_user.user_id}


@operator_required
def for_operators() -> ResponseReturnValue:
    """Return the calling operator."""
    return {"user_id": current_user.user_id}


def public() -> ResponseReturnValue:
    """Read the caller without a decorator."""
    return {"user_id": current_user.user_id}


def sign_in(token: str) -> ResponseReturnValue:
    """Store a token in the session, as the desk does, and return the session's CSRF token."""
    session[auth.SESSION_TOKEN] = token
    return {"csrf": generate_csrf()}


def bearer(token: str) -> dict[str, str]:
    """Return the header with a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def signed_in(client: FlaskClient, token: str = TOKEN) -> str:
    """Sign in the client; return its CSRF token."""
    csrf_token: str = client.get(f"/sign-in/{token}").get_json()["csrf"]
    return csrf_token


def is_problem(response: TestResponse, status: int) -> bool:
    """Return whether the answer is a problem document with this status."""
    document = response.get_json()
    return (response.status_code, response.mimetype, document["status"]) == (status, problems.MIMETYPE, status)
