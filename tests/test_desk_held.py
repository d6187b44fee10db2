"""Forms that meet an ended session or an outage: nothing typed is lost, and nothing is sent for anybody else."""

import html
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from app.desk.held import Held, sealed
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.clients import PASSWORD
from tests.desk_pages import value
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor

_ADD = "/desk/products/new"
_TYPED = {"title": "Lamp “<b>”", "notes": "two\nlines", "moq": "7"}


@pytest.fixture
def other_browser(server: AppServer, seller: Seller) -> Iterator[Visitor]:
    """Return `seller` in a second browser."""
    with new_visitor(server.url) as someone:
        someone.signs_in(seller)
        yield someone


def _fields(page: str, action: str) -> dict[str, str]:
    """Return the hidden inputs of the form that is sent to `action`."""
    found = re.search(rf'<form [^>]*action="{re.escape(action)}">(.*?)</form>', page, re.DOTALL)
    assert found, "the page has no such form"
    inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[1])
    return {name: html.unescape(text) for name, text in inputs}


def _sends_in_ended_session(visitor: Visitor, **fields: str) -> httpx.Response:
    """Open the form, sign out with a copy of the cookie, and send the form."""
    visitor.opens(_ADD)
    mark = value(visitor.page, "typed_by")
    form = {"csrf_token": visitor.csrf_token, "typed_by": mark, **fields}
    visitor.http.post("/sign-out", data={"csrf_token": visitor.csrf_token})
    visitor.page = ""
    answer = visitor.http.post(_ADD, data=form)
    visitor.page = answer.text
    return answer


def _signs_in_again(visitor: Visitor, seller: Seller, password: str = PASSWORD) -> httpx.Response:
    return visitor.submits("/sign-in", email=seller.email, password=password, held=value(visitor.page, "held"))


def test_a_form_of_an_ended_session_is_sent_again_after_signing_in(visitor: Visitor, seller: Seller) -> None:
    """Also after a wrong password. Nothing is saved before the button is pressed."""
    assert _sends_in_ended_session(visitor, **_TYPED).status_code == 401
    assert "What you entered is kept" in visitor.page
    assert _signs_in_again(visitor, seller, "wrong password").status_code == 422
    assert _signs_in_again(visitor, seller).status_code == 200
    assert "Lamp “&lt;b&gt;”" in visitor.page
    assert seller.lists() == []
    form = _fields(visitor.page, _ADD)
    assert visitor.follows(visitor.http.post(_ADD, data=form)).status_code == 200
    (deal,) = seller.lists()
    assert (deal["product"]["title"], deal["notes"], deal["moq"]) == ("Lamp “<b>”", "two\nlines", 7)


def test_a_kept_form_survives_an_outage_of_the_sign_in(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """The sign-in page says so, and still carries the form."""
    _sends_in_ended_session(visitor, **_TYPED)
    stack.supabase.pause()
    try:
        answer = _signs_in_again(visitor, seller)
    finally:
        stack.supabase.resume()
    assert answer.status_code == 503
    assert "Signing in is not possible right now." in answer.text
    assert wait_until(lambda: _signs_in_again(visitor, seller).status_code == 200, seconds=20)
    assert _fields(visitor.page, _ADD)["title"] == _TYPED["title"]


def test_a_kept_form_is_not_offered_to_another_user(visitor: Visitor, other_seller: Seller) -> None:
    """Whoever signs in next in this browser neither sees nor sends it."""
    _sends_in_ended_session(visitor, **_TYPED)
    answer = _signs_in_again(visitor, other_seller)
    assert answer.status_code == 303
    visitor.follows(answer)
    assert "was not saved" in visitor.page
    assert "Lamp" not in visitor.page
    assert other_seller.lists() == []


@pytest.mark.parametrize("mark", ["", "x" * 43])
def test_a_form_without_the_mark_of_its_user_is_not_kept(server: AppServer, seller: Seller, mark: str) -> None:
    """A form of another site has no mark. With an invented one, it is dropped after signing in."""
    with new_visitor(server.url) as visitor:
        answer = visitor.submits(_ADD, title="Planted", typed_by=mark)
        if not mark:
            assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
            return
        assert _signs_in_again(visitor, seller).status_code == 303


def test_only_a_text_that_this_server_signed_is_offered(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """A changed text, and one that was signed for another address, are refused."""
    visitor.opens(_ADD)
    mark = value(visitor.page, "typed_by")
    with app.test_request_context():
        good = sealed(Held(_ADD, (("title", "Lamp"),), mark))
    for text, status in ((good, 200), (good[:-2], 303), (f"{good[0]}A{good[2:]}", 303), ("x", 303)):
        visitor.opens("/deals")
        answer = visitor.submits("/sign-in", email=seller.email, password=PASSWORD, held=text)
        assert answer.status_code == status


def test_passwords_files_and_large_forms_are_never_kept(visitor: Visitor) -> None:
    """The user is asked to sign in, as for a page."""
    visitor.opens(_ADD)
    mark = value(visitor.page, "typed_by")
    visitor.http.cookies.clear()
    for fields in ({"new_password": "secret horse"}, {"notes": "x" * 300_000}, {"notes": "x" * 3_000_000}):
        answer = visitor.http.post(_ADD, data={"typed_by": mark, "title": "Lamp", **fields})
        assert (answer.status_code, answer.headers.get("Location")) == (303, "/sign-in")
    answer = visitor.uploads("/desk/import", "title\nLamp\n", typed_by=mark)
    assert answer.status_code == 303


def test_a_form_from_before_a_new_sign_in_can_be_sent_again(visitor: Visitor, seller: Seller) -> None:
    """The user signed in again in another tab, so the CSRF token of this tab is out of date."""
    visitor.opens(_ADD)
    form = {"csrf_token": visitor.csrf_token, "typed_by": value(visitor.page, "typed_by"), **_TYPED}
    visitor.follows(visitor.submits("/sign-out"))
    visitor.signs_in(seller)
    answer = visitor.http.post(_ADD, data=form)
    assert answer.status_code == 403
    assert "Send again" in answer.text
    assert seller.lists() == []
    assert visitor.http.post(_ADD, data=_fields(answer.text, _ADD)).status_code == 303
    assert [deal["product"]["title"] for deal in seller.lists()] == [_TYPED["title"]]


def test_a_form_from_before_a_change_of_the_address_is_kept(visitor: Visitor, app: Flask) -> None:
    """The mark names the account, not its e-mail address, which can change and later be used by somebody else."""
    visitor.opens(_ADD)
    form = {"csrf_token": "out of date", "typed_by": value(visitor.page, "typed_by"), **_TYPED}
    visitor.takes_session(app, **visitor.session(app) | {"email": "new@example.com"})
    assert "Send again" in visitor.http.post(_ADD, data=form).text
    visitor.takes_session(app, **visitor.session(app) | {"user_id": "somebody else"})
    assert "Send again" not in visitor.http.post(_ADD, data=form).text
    session = visitor.session(app)
    del session["user_id"]
    visitor.takes_session(app, **session)
    visitor.opens(_ADD)
    assert 'name="typed_by"' not in visitor.page


def test_a_forged_form_of_a_signed_in_user_is_not_kept(visitor: Visitor) -> None:
    """Without the mark the page offers nothing to send."""
    visitor.opens("/deals")
    answer = visitor.http.post(_ADD, data={"csrf_token": "x", "title": "Planted"})
    assert answer.status_code == 403
    assert "Planted" not in answer.text


def test_a_form_that_meets_an_outage_is_retried_with_one_button(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """The page shows what was typed, and the button sends it again."""
    visitor.opens(_ADD)
    form = {"csrf_token": visitor.csrf_token, "typed_by": value(visitor.page, "typed_by"), **_TYPED}
    stack.supabase.pause()
    try:
        first = visitor.http.post(_ADD, data=form)
        second = visitor.http.post(_ADD, data=_fields(first.text, _ADD))
    finally:
        stack.supabase.resume()
    assert (first.status_code, second.status_code) == (503, 503)
    assert "What you entered is kept on this page." in second.text
    again = _fields(second.text, _ADD)
    assert wait_until(lambda: visitor.http.post(_ADD, data=again).status_code == 303, seconds=20)
    assert [deal["product"]["title"] for deal in seller.lists()] == [_TYPED["title"]]


def test_an_expired_session_in_a_second_browser_keeps_the_form(
    visitor: Visitor, other_browser: Visitor, seller: Seller, app: Flask
) -> None:
    """The access token has expired and cannot be renewed. The sign-in page knows the e-mail address."""
    other_browser.opens(_ADD)
    form = {"csrf_token": other_browser.csrf_token, "typed_by": value(other_browser.page, "typed_by"), **_TYPED}
    kept = other_browser.session(app) | {"expires_at": int(time.time()) - 60, "refresh_token": "x"}
    other_browser.takes_session(app, **kept)
    answer = other_browser.http.post(_ADD, data=form)
    assert answer.status_code == 401
    assert f'value="{seller.email}"' in answer.text
    assert visitor.opens("/deals").status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("typed_by=%C3%A9&title=Lamp", {}, 403),
        ("title=Lamp", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_form_that_no_browser_sends_is_refused_as_usual(
    visitor: Visitor, body: str, headers: dict[str, str], status: int
) -> None:
    """A mark in other letters than ours, and a body that cannot be read."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    assert visitor.http.post(_ADD, content=body, headers=sent).status_code == status
