"""Accounts at the desk: sign-up, confirmation, a forgotten password, and changes of the account."""

import html
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from playwright.sync_api import expect

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.supabase import SupabaseServer
from tests.browser import chromium, clean_page
from tests.clients import PASSWORD, client
from tests.desk_pages import words
from tests.guessers import audited
from tests.sellers import Seller, app_environment
from tests.visitors import Visitor

_NEW = "a better password 2"


def _new_address() -> str:
    return f"new-{uuid.uuid4().hex[:12]}@example.com"


def _link(server: SupabaseServer, to: str) -> str:
    """Return the path of the link in the last e-mail to this address. Waits for the e-mail."""

    def links() -> list[str]:
        lines = server.mail_file.read_text().splitlines() if server.mail_file.exists() else []
        mails = [json.loads(line) for line in lines]
        found = [re.search(r'href="([^"]+)"', mail["html"]) for mail in mails if mail["to"] == to]
        return [html.unescape(match[1]) for match in found if match]

    assert wait_until(lambda: bool(links()), seconds=10)
    return str(httpx.URL(links()[-1]).raw_path.decode())


def _opens_link(visitor: Visitor, path: str) -> httpx.Response:
    """Open the link of an e-mail and press its button."""
    visitor.opens(path)
    fields = {name: re.search(rf'name="{name}" value="([^"]*)"', visitor.page) for name in ("type", "token_hash")}
    return visitor.submits("/confirm", **{name: html.unescape(found[1]) for name, found in fields.items() if found})


def _signs_in(visitor: Visitor, email: str, password: str) -> httpx.Response:
    visitor.opens("/sign-in")
    return visitor.submits("/sign-in", email=email, password=password)


@pytest.fixture(scope="module")
def confirming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """Run a project that wants addresses to be confirmed."""
    folder = tmp_path_factory.mktemp("confirming")
    with SupabaseServer(folder / "supabase", bcrypt_cost=4, confirm_email=True) as server:
        yield server


@pytest.fixture(scope="module")
def confirming_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the log of `confirming_app`."""
    return tmp_path_factory.mktemp("app") / "log"


@pytest.fixture(scope="module")
def confirming_app(confirming: SupabaseServer, stack: Stack, confirming_log: Path) -> Iterator[AppServer]:
    """Run the app with that project."""
    environment = app_environment(
        stack,
        SUPABASE_URL=confirming.url,
        SUPABASE_KEY=confirming.publishable_key,
        SUPABASE_JWT_SECRET=confirming.jwt_secret,
    )
    with AppServer(environment, workers=1, log=confirming_log) as app:
        yield app


@pytest.fixture
def stranger(server: AppServer) -> Iterator[Visitor]:
    """Return a visitor who is not signed in."""
    with client(server.url) as http:
        yield Visitor(http)


def test_the_currency_of_an_account_is_shown_in_every_browser(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """A session gets it when it starts and when its token is renewed. An unknown code is refused."""
    seller.creates(title="Lamp", buy_cost="1234.50")
    visitor.opens("/deals")
    assert "$1,234.50" in words(visitor.page)
    with client(str(visitor.http.base_url)) as http:
        elsewhere = Visitor(http)
        elsewhere.signs_in(seller)
        visitor.opens("/account")
        assert visitor.submits("/account/currency", currency="XXX").status_code == 422
        visitor.follows(visitor.submits("/account/currency", currency="CHF"))
        assert "Amounts are now shown in CHF." in words(visitor.page)
        elsewhere.takes_session(app, **elsewhere.session(app) | {"expires_at": 0})
        for someone in (visitor, elsewhere):
            someone.opens("/deals")
            assert "CHF 1,234.50" in words(someone.page)
        http.cookies.clear()
        elsewhere.signs_in(seller)
        elsewhere.opens("/deals")
        assert "CHF 1,234.50" in words(elsewhere.page)


def test_an_unknown_currency_counts_as_the_default(visitor: Visitor, seller: Seller, stack: Stack, app: Flask) -> None:
    """Users can store any text at Supabase."""
    seller.creates(title="Lamp", buy_cost="1")
    headers = {
        "apikey": stack.supabase.publishable_key,
        "Authorization": f"Bearer {visitor.session(app)['access_token']}",
    }
    with client(stack.supabase.url, headers=headers) as http:
        assert http.put("/auth/v1/user", json={"data": {"currency": "<b>" * 99}}).status_code == 200
    visitor.http.cookies.clear()
    visitor.signs_in(seller)
    visitor.opens("/deals")
    assert "$1.00" in words(visitor.page)


def test_a_new_account_starts_with_an_empty_list(stranger: Visitor) -> None:
    """Where the project needs no confirmation, the user is signed in at once."""
    email = _new_address()
    stranger.opens("/sign-up")
    stranger.follows(stranger.submits("/sign-up", email=email, password=_NEW))
    assert "Your account is ready." in words(stranger.page)
    assert stranger.numbers["all"] == 0


def test_a_project_can_ask_for_a_confirmation(
    confirming_app: AppServer, confirming: SupabaseServer, confirming_log: Path
) -> None:
    """The first sign-in is possible after the link was used. The link works once, and opening it is not enough.

    The audit log has each step, without the address and the password.
    """
    email = _new_address()
    with client(confirming_app.url) as http:
        visitor = Visitor(http)
        visitor.opens("/sign-up")
        sent = visitor.submits("/sign-up", email=email, password=_NEW)
        assert "Confirm your e-mail address" in words(sent.text)
        assert "E-mail or password is incorrect." in words(_signs_in(visitor, email, _NEW).text)
        link = _link(confirming, email)
        visitor.opens(link)
        visitor.opens(link)
        visitor.follows(_opens_link(visitor, link))
        assert "Your e-mail address is confirmed." in words(visitor.page)
        http.cookies.clear()
        assert "This link is no longer valid" in words(_opens_link(visitor, link).text)
        assert _signs_in(visitor, email, _NEW).status_code == 303
    outcomes = [[line["outcome"] for line in audited(confirming_log, event=event)] for event in ("sign-up", "confirm")]
    assert outcomes == [["ok"], ["ok", "refused"]]
    assert email not in confirming_log.read_text()
    assert _NEW not in confirming_log.read_text()


def test_sign_up_does_not_tell_which_addresses_exist(confirming_app: AppServer, confirming: SupabaseServer) -> None:
    """Where the project confirms addresses, the answers for a new and for a known one are the same."""
    email = _new_address()
    with client(confirming_app.url) as http:
        visitor = Visitor(http)
        answers = []
        for _ in range(2):
            visitor.opens("/sign-up")
            answers.append(words(visitor.submits("/sign-up", email=email, password=_NEW).text))
            _link(confirming, email)
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"email": "nobody", "password": _NEW}, "Enter your e-mail address"),
        ({"email": "a@example.com", "password": "short"}, "Use at least 10 characters."),
        ({"email": "a@example.com", "password": "x" * 73}, "Use at most 72 characters."),
    ],
)
def test_invalid_fields_are_explained(stranger: Visitor, fields: dict[str, str], mistake: str) -> None:
    """The address is kept, the password is not."""
    stranger.opens("/sign-up")
    answer = stranger.submits("/sign-up", **fields)
    assert (answer.status_code, mistake in words(answer.text)) == (422, True)
    assert f'value="{fields["email"]}"' in answer.text
    assert fields["password"] not in answer.text


def test_an_existing_address_is_refused(stranger: Visitor, seller: Seller) -> None:
    """Without confirmation by e-mail, the page has to say so."""
    stranger.opens("/sign-up")
    answer = stranger.submits("/sign-up", email=seller.email, password=_NEW)
    assert (answer.status_code, "If you have an account already, sign in." in words(answer.text)) == (422, True)


def test_a_forgotten_password_is_replaced(stranger: Visitor, seller: Seller, stack: Stack) -> None:
    """The link allows one new password. The old one is no longer accepted, and other sessions have ended."""
    assert _signs_in(stranger, seller.email, PASSWORD).status_code == 303
    other = Visitor(stranger.http)
    cookies = dict(stranger.http.cookies)
    stranger.http.cookies.clear()
    stranger.opens("/forgot-password")
    sent = stranger.submits("/forgot-password", email=seller.email)
    assert "an e-mail is on its way" in words(sent.text)
    visitor = stranger
    asked = _opens_link(visitor, _link(stack.supabase, seller.email))
    assert asked.headers["Location"] == "/new-password"
    visitor.follows(asked)
    assert "Use at least 10 characters." in words(visitor.submits("/new-password", password="x").text)
    visitor.follows(visitor.submits("/new-password", password=_NEW))
    assert "Your password was changed." in words(visitor.page)
    assert visitor.opens("/new-password").headers["Location"] == "/account"
    visitor.http.cookies.clear()
    assert _signs_in(visitor, seller.email, PASSWORD).status_code == 422
    assert _signs_in(visitor, seller.email, _NEW).status_code == 303
    visitor.http.cookies.clear()
    visitor.http.cookies.update(cookies)
    assert wait_until(lambda: other.opens("/").is_redirect, seconds=10)


def test_a_forgotten_password_does_not_tell_which_addresses_exist(stranger: Visitor, seller: Seller) -> None:
    """The same answer for both."""
    answers = set()
    for email in (seller.email, _new_address()):
        stranger.opens("/forgot-password")
        answers.add(words(stranger.submits("/forgot-password", email=email).text).replace(email, "…"))
    assert len(answers) == 1


@pytest.mark.parametrize("path", ["/confirm", "/confirm?type=signup", "/confirm?type=sms&token_hash=x"])
def test_a_wrong_link_says_what_to_do(stranger: Visitor, path: str) -> None:
    """A new e-mail, or the sign-in."""
    answer = stranger.opens(path)
    assert (answer.status_code, "This link is no longer valid" in words(answer.text)) == (422, True)
    stranger.opens("/sign-in")
    answer = stranger.submits("/confirm", type="recovery", token_hash="nonsense")
    assert (answer.status_code, "Send a new e-mail" in words(answer.text)) == (422, True)


def test_a_password_change_asks_for_the_current_one(visitor: Visitor, seller: Seller) -> None:
    """A wrong one changes nothing."""
    visitor.opens("/account")
    answer = visitor.submits("/account/password", current="wrong password", password=_NEW)
    assert (answer.status_code, "This is not your current password." in words(answer.text)) == (422, True)
    answer = visitor.submits("/account/password", current=PASSWORD, password="short")
    assert (answer.status_code, "Use at least 10 characters." in words(answer.text)) == (422, True)
    visitor.follows(visitor.submits("/account/password", current=PASSWORD, password=_NEW))
    assert "Your password was changed." in words(visitor.page)
    visitor.http.cookies.clear()
    assert _signs_in(visitor, seller.email, _NEW).status_code == 303


def test_a_new_address_is_used_after_its_link(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """Until then, the user signs in with the old one."""
    email = _new_address()
    visitor.opens("/account")
    answer = visitor.submits("/account/email", email="nonsense")
    assert (answer.status_code, "Enter your e-mail address" in words(answer.text)) == (422, True)
    visitor.follows(visitor.submits("/account/email", email=email))
    assert "We have sent you an e-mail." in words(visitor.page)
    assert seller.email in visitor.page
    # Supabase Lite sends one link, to the current address; a hosted project sends one to each.
    visitor.follows(_opens_link(visitor, _link(stack.supabase, seller.email)))
    visitor.http.cookies.clear()
    assert _signs_in(visitor, email, PASSWORD).status_code == 303


def test_signing_out_everywhere_ends_all_sessions(visitor: Visitor, seller: Seller, server: AppServer) -> None:
    """Also those of other browsers."""
    with client(server.url) as http:
        other = Visitor(http)
        assert _signs_in(other, seller.email, PASSWORD).status_code == 303
        visitor.opens("/account")
        visitor.follows(visitor.submits("/account/sign-out-everywhere"))
        assert "You are signed out on all devices." in words(visitor.page)
        assert wait_until(lambda: other.opens("/").is_redirect, seconds=10)


def test_a_program_can_end_all_sessions_with_its_token(seller: Seller, visitor: Visitor) -> None:
    """The pages accept an access token too, as all pages of the desk do."""
    assert seller.http.post("/account/sign-out-everywhere").status_code == 303
    assert wait_until(lambda: visitor.opens("/").is_redirect, seconds=10)


def test_requests_for_a_new_password_are_limited(stack: Stack, tmp_path: Path, seller: Seller) -> None:
    """Three e-mails an hour to one mailbox."""
    environment = app_environment(stack, RATE_LIMITS="on", REDIS_READ_TIMEOUT="2")
    with AppServer(environment, workers=1, log=tmp_path / "log") as app, client(app.url) as http:
        visitor = Visitor(http)
        codes = []
        for _ in range(4):
            visitor.opens("/forgot-password")
            codes.append(visitor.submits("/forgot-password", email=seller.email).status_code)
    assert codes == [200, 200, 200, 429]


def test_the_account_in_a_browser(server: AppServer, stack: Stack) -> None:
    """From sign-up to a new password, by role and label."""
    email = _new_address()
    with chromium() as browser, clean_page(browser, server.url) as page:
        page.goto("/sign-in")
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(_NEW)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_text("Your account is ready.")).to_be_visible()
        page.get_by_role("link", name="Account", exact=True).click()
        page.get_by_label("Current password").fill(_NEW)
        page.get_by_label("New password").fill("another password 3")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("Your password was changed.")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("E-mail address").fill(email)
        page.get_by_role("button", name="Send the e-mail").click()
        expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
        page.goto(_link(stack.supabase, email))
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("New password").fill("a third password 4")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("heading", name="Work")).to_be_visible()
