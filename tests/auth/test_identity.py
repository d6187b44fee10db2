"""Identification over HTTP: bearer tokens, sessions, challenges and CSRF."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import auth
from app.auth import KeyRing, TokenVerifier
from tests.auth.jwks import JwksServer
from tests.auth.minting import AUDIENCE, SECRET, SELLER, claims, es256, hs256
from tests.auth.tiny_app import (
    EXPIRED,
    METHODS,
    OTHER_TOKEN,
    OTHER_USER,
    TOKEN,
    OpenSessions,
    Operators,
    bearer,
    is_problem,
    signed_in,
)


@pytest.mark.parametrize("method", METHODS)
def test_a_bearer_token_identifies_its_owner_for_every_method(client: FlaskClient, method: str) -> None:
    """No CSRF token is needed, because a browser never adds this header by itself."""
    response = client.open("/me", method=method, headers=bearer(TOKEN))
    assert response.get_json() == {"user_id": str(SELLER), "email": "seller@example.com"}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", " Bearer  "])
def test_the_authorization_scheme_is_case_insensitive(client: FlaskClient, scheme: str) -> None:
    """RFC 9110 §11.1."""
    assert client.get("/me", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Basic dTpw", TOKEN])
def test_without_credentials_the_challenge_names_no_error(client: FlaskClient, authorization: str | None) -> None:
    """RFC 6750 §3.1. Another scheme is treated as no credentials."""
    response = client.get("/me", headers={} if authorization is None else {"Authorization": authorization})
    assert is_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="asin-desk"'


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (EXPIRED, "it has expired"),
        (hs256(SECRET * 2).token(claims()), "its signature does not match"),
        ("", "it is malformed"),
        ("a b c", "it is malformed"),
        (f"{TOKEN}, Bearer {TOKEN}", "it is malformed"),
        ('"\\', "it is malformed"),
        ("é", "it is malformed"),
        ("x" * 1_000_000, "it is too long"),
    ],
)
def test_an_invalid_token_is_answered_with_the_reason(client: FlaskClient, token: str, reason: str) -> None:
    """The reason is in the challenge and in the document. The token is not repeated."""
    response = client.get("/me", headers=bearer(token))
    assert is_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer realm="asin-desk", error="invalid_token", error_description="{reason}"'
    )
    assert response.get_json()["detail"] == f"The access token was refused: {reason}."


def test_the_session_identifies_a_browser(client: FlaskClient) -> None:
    """Reads need only the cookie."""
    signed_in(client)
    assert client.get("/me").get_json()["user_id"] == str(SELLER)
    assert client.head("/me").status_code == 200


def test_an_expired_session_is_answered_with_the_reason(client: FlaskClient) -> None:
    """The token in a session expires like any other."""
    signed_in(client, EXPIRED)
    response = client.get("/me")
    assert is_problem(response, 401)
    assert "it has expired" in response.headers["WWW-Authenticate"]


def test_a_session_whose_token_is_not_text_is_ignored(client: FlaskClient) -> None:
    """Other types than text are ignored."""
    with client.session_transaction() as session:
        session[auth.SESSION_TOKEN] = 5
    assert is_problem(client.get("/me"), 401)


def test_an_authorization_header_takes_precedence_over_the_session(client: FlaskClient) -> None:
    """With the header, the session is ignored: an invalid header is refused, and a valid one needs no CSRF token."""
    signed_in(client)
    assert is_problem(client.get("/me", headers=bearer(EXPIRED)), 401)
    assert is_problem(client.get("/me", headers={"Authorization": ""}), 401)
    assert client.post("/me", headers=bearer(OTHER_TOKEN)).get_json()["user_id"] == OTHER_USER


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_session_cannot_write_without_its_csrf_token(client: FlaskClient, method: str) -> None:
    """A missing token, an invented token and another session's token are refused."""
    foreign = signed_in(client)
    client.delete_cookie("session")
    own = signed_in(client)
    for headers in ({}, {"X-CSRFToken": "made up"}, {"X-CSRFToken": foreign}):
        response = client.open("/me", method=method, headers=headers)
        assert is_problem(response, 403)
        assert "CSRF" in response.get_json()["detail"]
    assert client.open("/me", method=method, headers={"X-CSRFToken": own}).status_code == 200


def test_the_csrf_token_may_be_a_form_field(client: FlaskClient) -> None:
    """For pages without JavaScript."""
    own = signed_in(client)
    assert client.post("/me", data={"csrf_token": own}).status_code == 200
    assert is_problem(client.post("/me", data={"csrf_token": "made up"}), 403)


def test_an_unsafe_request_without_identity_is_a_401(client: FlaskClient) -> None:
    """401 comes before the check of the CSRF token."""
    assert is_problem(client.post("/me"), 401)


def test_unavailable_keys_are_a_503(app: Flask, operators: Operators, sessions: OpenSessions) -> None:
    """503 with Retry-After, because the token may be valid."""
    with JwksServer() as gone:
        url = gone.url
    verifier = TokenVerifier(KeyRing(jwks_url=url), audience=AUDIENCE)
    auth.init_app(app, verifier=verifier, is_operator=operators, session_is_open=sessions)
    response = app.test_client().get("/me", headers=bearer(es256("any").token(claims())))
    assert is_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert "WWW-Authenticate" not in response.headers


def test_requests_in_one_application_context_do_not_share_the_caller(app: Flask) -> None:
    """In this case `g` outlives a request, so each decorated view identifies the caller again."""
    with app.app_context():
        client = app.test_client()
        assert client.get("/me", headers=bearer(TOKEN)).get_json()["user_id"] == str(SELLER)
        assert client.get("/me", headers=bearer(OTHER_TOKEN)).get_json()["user_id"] == OTHER_USER
        assert is_problem(client.get("/me"), 401)


def test_a_view_without_a_decorator_has_no_caller(app: Flask) -> None:
    """A missing decorator causes an error instead of serving anonymous callers."""
    app.testing = True
    with pytest.raises(RuntimeError, match="login_required"):
        app.test_client().get("/public", headers=bearer(TOKEN))
