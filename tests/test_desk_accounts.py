"""The page of the account at the desk: its changes, and the end of all sessions."""

import time

from flask import Flask
from playwright.sync_api import Browser, expect

from app.limits import EMAIL_CHANGES, limiter
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.browser import clean_page
from tests.clients import PASSWORD, client
from tests.desk_pages import words
from tests.mailbox import NEW_PASSWORD, link_to, new_address, opens_link, signs_in_with
from tests.sellers import Seller
from tests.visitors import Visitor


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


def test_yen_are_shown_without_cents_unless_there_are_some(visitor: Visitor, seller: Seller) -> None:
    """No digit that was entered is hidden."""
    seller.creates(title="Lamp", buy_cost="1234.00")
    seller.creates(title="Desk", buy_cost="1234.50")
    visitor.opens("/account")
    visitor.submits("/account/currency", currency="JPY")
    visitor.opens("/deals")
    assert "JPY 1,234 " in words(visitor.page)
    assert "JPY 1,234.50" in words(visitor.page)


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


def test_a_password_change_asks_for_the_current_one(visitor: Visitor, seller: Seller) -> None:
    """A wrong one changes nothing."""
    visitor.opens("/account")
    answer = visitor.submits("/account/password", current="wrong password", password=NEW_PASSWORD)
    assert (answer.status_code, "This is not your current password." in words(answer.text)) == (422, True)
    answer = visitor.submits("/account/password", current=PASSWORD, password="short")
    assert (answer.status_code, "Use at least 10 characters." in words(answer.text)) == (422, True)
    visitor.follows(visitor.submits("/account/password", current=PASSWORD, password=NEW_PASSWORD))
    assert "Your password was changed." in words(visitor.page)
    visitor.http.cookies.clear()
    assert signs_in_with(visitor, seller.email, NEW_PASSWORD).status_code == 303


def test_a_new_address_is_used_after_its_link_was_opened(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """Until then, the user signs in with the old one."""
    email = new_address()
    visitor.opens("/account")
    answer = visitor.submits("/account/email", email="nonsense")
    assert (answer.status_code, "Enter your e-mail address" in words(answer.text)) == (422, True)
    visitor.follows(visitor.submits("/account/email", email=email))
    assert "e-mails are on their way" in words(visitor.page)
    assert seller.email in visitor.page
    # Supabase Lite sends one link, to the current address; a hosted project sends one to each.
    visitor.follows(opens_link(visitor, link_to(stack.supabase, seller.email)))
    visitor.http.cookies.clear()
    assert signs_in_with(visitor, email, PASSWORD).status_code == 303


def test_a_new_address_does_not_tell_which_addresses_exist(visitor: Visitor, other_seller: Seller) -> None:
    """The answer for the address of another account is the same, and takes as long."""
    answers = []
    for email in (new_address(), other_seller.email):
        visitor.opens("/account")
        started = time.monotonic()
        visitor.follows(visitor.submits("/account/email", email=email))
        assert time.monotonic() - started >= 0.5
        answers.append(words(visitor.page))
    assert answers[0] == answers[1]


def test_requests_for_a_new_address_are_limited(limited_app: Flask, seller: Seller, stack: Stack) -> None:
    """Five an hour by one user, because each sends e-mails. Beyond that none is sent."""
    http, headers = limited_app.test_client(), {"Authorization": f"Bearer {seller.token}"}
    with limited_app.app_context():
        assert limiter().take(EMAIL_CHANGES, f"user:{seller.id}", units=5).allowed
    refused = http.post("/account/email", data={"email": new_address()}, headers=headers)
    assert refused.status_code == 429
    assert seller.email not in stack.supabase.mail_file.read_text()


def test_signing_out_everywhere_ends_all_sessions(visitor: Visitor, seller: Seller, server: AppServer) -> None:
    """Also those of other browsers."""
    with client(server.url) as http:
        other = Visitor(http)
        assert signs_in_with(other, seller.email, PASSWORD).status_code == 303
        visitor.opens("/account")
        visitor.follows(visitor.submits("/account/sign-out-everywhere"))
        assert "You are signed out on all devices." in words(visitor.page)
        assert wait_until(lambda: other.opens("/").is_redirect, seconds=10)


def test_a_program_can_end_all_sessions_with_its_token(seller: Seller, visitor: Visitor) -> None:
    """The pages accept an access token too, as all pages of the desk do. A second time there is nothing to end."""
    assert seller.http.post("/account/sign-out-everywhere").status_code == 303
    assert seller.http.post("/account/sign-out-everywhere").status_code == 303
    assert wait_until(lambda: visitor.opens("/").is_redirect, seconds=10)


def test_the_account_in_a_browser(browser: Browser, server: AppServer, stack: Stack) -> None:
    """From sign-up to a new password, by role and label."""
    email = new_address()
    with clean_page(browser, server.url) as page:
        page.goto("/sign-in")
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_text("Your account is ready.")).to_be_visible()
        page.get_by_role("link", name="Account", exact=True).click()
        page.get_by_label("Current password").fill(NEW_PASSWORD)
        page.get_by_label("New password").fill("another password 3")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("Your password was changed.")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("E-mail address").fill(email)
        page.get_by_role("button", name="Send the e-mail").click()
        expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
        page.goto(link_to(stack.supabase, email))
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("New password").fill("a third password 4")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("heading", name="Work")).to_be_visible()
