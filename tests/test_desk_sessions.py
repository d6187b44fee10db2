"""Sessions of the desk: sign-in, sign-out, token renewal, forged forms and redirects."""

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from flask import Flask

from local.application import AppServer
from local.stack import Stack
from tests.clients import PASSWORD
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor


@pytest.fixture
def visitor(server: AppServer) -> Iterator[Visitor]:
    """Return a visitor who is not signed in."""
    with new_visitor(server.url) as someone:
        yield someone


def _token(stack: Stack, seller: Seller, *, expires_in: float) -> str:
    claims = {"sub": seller.id, "aud": "authenticated", "role": "authenticated", "email": seller.email}
    return jwt.encode(claims | {"exp": int(time.time() + expires_in)}, stack.supabase.jwt_secret, "HS256")


@pytest.mark.parametrize("path", ["/", "/deals?stage=ordered&search=lamp", "/desk/products/new"])
def test_a_visitor_must_sign_in_and_then_gets_the_requested_page(visitor: Visitor, seller: Seller, path: str) -> None:
    """Only the sign-in form is public. It remembers the requested page."""
    redirected = visitor.opens(path)
    assert redirected.status_code == 303
    assert visitor.follows(redirected).status_code == 200
    signed_in = visitor.submits(redirected.headers["Location"], email=seller.email, password=PASSWORD)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, path)
    assert visitor.follows(signed_in).status_code == 200
    assert seller.email in visitor.page


@pytest.mark.parametrize("path", ["/desk/deals", "/desk/products/new"])
def test_a_form_without_a_session_redirects_to_the_sign_in_page(visitor: Visitor, path: str) -> None:
    """A form cannot be repeated after the sign-in, so there is no page to return to."""
    visitor.opens("/sign-in")
    answer = visitor.submits(path, action="delete")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


@pytest.mark.parametrize("password", ["wrong", "", "x" * 5000, "nul\0"])
def test_a_wrong_password_shows_a_message_and_keeps_the_e_mail_address(
    visitor: Visitor, seller: Seller, password: str
) -> None:
    """The form keeps the e-mail address. The message does not say whether it or the password was wrong."""
    visitor.opens("/sign-in")
    answer = visitor.submits("/sign-in", email=seller.email, password=password)
    assert answer.status_code == 422
    assert "E-mail or password is incorrect." in answer.text
    assert f'value="{seller.email}"' in answer.text
    assert visitor.opens("/").is_redirect


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
     "/\t/evil.example", "/\r\nLocation: //evil.example", "javascript:alert(1)", "evil.example", "http:evil.example",
     "//[evil"],
)  # fmt: skip
def test_signing_in_never_redirects_to_another_host(visitor: Visitor, seller: Seller, elsewhere: str) -> None:
    """A target that a browser could interpret as another host is replaced by the start page."""
    visitor.opens("/sign-in")
    target = httpx.URL("/sign-in", params={"next": elsewhere})
    answer = visitor.submits(str(target), email=seller.email, password=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_signing_in_starts_a_new_session(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """All earlier contents are removed, the CSRF token included. This prevents session fixation."""
    visitor.opens("/sign-in")
    before = visitor.session(app)["csrf_token"]
    visitor.takes_session(app, csrf_token=before, planted="by an attacker")
    visitor.follows(visitor.submits("/sign-in", email=seller.email, password=PASSWORD))
    session = visitor.session(app)
    assert "planted" not in session
    assert session["csrf_token"] != before
    assert session["email"] == seller.email


def test_the_session_cookie_is_httponly_and_samesite_lax(visitor: Visitor) -> None:
    """HttpOnly and SameSite=Lax."""
    cookie = visitor.opens("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_signing_out_ends_the_session_at_the_desk_and_at_supabase(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """Afterwards the desk requires a sign-in, and the refresh token is revoked."""
    visitor.signs_in(seller)
    kept = visitor.session(app)
    visitor.follows(visitor.submits("/sign-out"))
    assert "You are signed out." in visitor.page
    assert "access_token" not in visitor.session(app)
    assert visitor.opens("/").is_redirect
    visitor.takes_session(app, **{**kept, "access_token": "x.y.z", "expires_at": 0})
    assert visitor.opens("/").is_redirect


@pytest.mark.parametrize("token", ["", "forged"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/desk/deals", "/desk/products/new"])
def test_a_forged_form_is_refused_and_changes_nothing(visitor: Visitor, seller: Seller, path: str, token: str) -> None:
    """Without a valid CSRF token every form is answered with a 403 page, and nothing is changed."""
    deal = seller.creates(title="Still here")
    if path != "/sign-in":
        visitor.signs_in(seller)
    fields = {
        "email": seller.email,
        "password": PASSWORD,
        "title": "Forged",
        "action": "delete",
        "deal_ids": deal["id"],
    }
    answer = visitor.http.post(path, data=fields | {"csrf_token": token})
    assert answer.status_code == 403
    assert "This form is out of date" in answer.text
    assert [item["product"]["title"] for item in seller.lists()] == ["Still here"]
    assert visitor.opens("/").is_redirect is (path == "/sign-in")


def test_an_expired_token_is_renewed_during_the_request(
    visitor: Visitor, seller: Seller, stack: Stack, app: Flask
) -> None:
    """A seller who returns after an hour sees the desk, not an error. A form that was left open is accepted too."""
    visitor.signs_in(seller)
    kept = visitor.session(app) | {
        "access_token": _token(stack, seller, expires_in=-3600),
        "expires_at": int(time.time()) - 3600,
    }
    visitor.takes_session(app, **kept)
    added = visitor.submits("/desk/products/new", title="After lunch")
    assert added.headers["Location"] == "/deals"
    assert visitor.follows(added).status_code == 200
    assert visitor.session(app)["expires_at"] > time.time() + 60
    assert visitor.titles == ["After lunch"]


def test_a_token_about_to_expire_is_renewed_once(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """In its last minute, the first page view renews it and the next ones do not."""
    visitor.signs_in(seller)
    first = visitor.session(app)
    visitor.opens("/")
    assert visitor.session(app)["refresh_token"] == first["refresh_token"]
    visitor.takes_session(app, **first | {"expires_at": int(time.time()) + 30})
    visitor.opens("/")
    renewed = visitor.session(app)
    assert renewed["expires_at"] > time.time() + 60
    assert renewed["refresh_token"] != first["refresh_token"]
    visitor.opens("/")
    assert visitor.session(app)["refresh_token"] == renewed["refresh_token"]


@pytest.mark.parametrize("access_token", ["", "not a token"])
def test_a_session_that_cannot_be_renewed_ends_with_a_message(
    visitor: Visitor, seller: Seller, stack: Stack, app: Flask, access_token: str
) -> None:
    """It redirects to the sign-in page, which shows the reason and clears the session."""
    token = access_token or _token(stack, seller, expires_in=-60)
    visitor.takes_session(app, access_token=token, refresh_token="long gone", expires_at=0, email=seller.email)
    answer = visitor.opens("/deals?stage=new")
    assert answer.headers["Location"] == "/sign-in?next=/deals?stage%3Dnew"
    visitor.follows(answer)
    assert "Your session has ended. Please sign in again." in visitor.page
    assert "access_token" not in visitor.session(app)


def test_a_form_of_an_ended_session_says_that_nothing_was_saved(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """The product is not created."""
    visitor.signs_in(seller)
    visitor.opens("/desk/products/new")
    kept = visitor.session(app)
    visitor.takes_session(app, **kept | {"access_token": "not a token", "refresh_token": "gone", "expires_at": 0})
    visitor.follows(visitor.submits("/desk/products/new", title="Lamp"))
    assert "Your session has ended. Nothing was saved. Please sign in again." in visitor.page
    assert seller.lists() == []


def test_a_signed_in_seller_is_redirected_from_the_sign_in_page(visitor: Visitor, seller: Seller) -> None:
    """They are redirected to the requested page."""
    visitor.signs_in(seller)
    answer = visitor.opens("/sign-in?next=/desk/products/new")
    assert answer.headers["Location"] == "/desk/products/new"
