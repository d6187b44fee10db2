"""Sign-up at the desk, its confirmation by e-mail, and a forgotten password."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.supabase import SupabaseServer
from tests.clients import PASSWORD, client
from tests.desk_pages import words
from tests.guessers import audited
from tests.mailbox import NEW_PASSWORD, link_to, new_address, opens_link, signs_in_with
from tests.sellers import Seller, app_environment
from tests.visitors import Visitor


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


def test_a_new_account_starts_with_an_empty_list(stranger: Visitor) -> None:
    """Where the project needs no confirmation, the user is signed in at once."""
    email = new_address()
    stranger.opens("/sign-up")
    stranger.follows(stranger.submits("/sign-up", email=email, password=NEW_PASSWORD))
    assert "Your account is ready." in words(stranger.page)
    assert stranger.numbers["all"] == 0


def test_a_project_can_ask_for_a_confirmation(
    confirming_app: AppServer, confirming: SupabaseServer, confirming_log: Path
) -> None:
    """The first sign-in is possible after the link was used. The link works once, and opening it is not enough.

    The audit log has each step, without the address and the password.
    """
    email = new_address()
    with client(confirming_app.url) as http:
        visitor = Visitor(http)
        visitor.opens("/sign-up")
        sent = visitor.submits("/sign-up", email=email, password=NEW_PASSWORD)
        assert "Confirm your e-mail address" in words(sent.text)
        assert "E-mail or password is incorrect." in words(signs_in_with(visitor, email, NEW_PASSWORD).text)
        link = link_to(confirming, email)
        visitor.opens(link)
        visitor.opens(link)
        visitor.follows(opens_link(visitor, link))
        assert "Your e-mail address is confirmed." in words(visitor.page)
        http.cookies.clear()
        assert "This link is no longer valid" in words(opens_link(visitor, link).text)
        assert signs_in_with(visitor, email, NEW_PASSWORD).status_code == 303
    outcomes = [[line["outcome"] for line in audited(confirming_log, event=event)] for event in ("sign-up", "confirm")]
    assert outcomes == [["ok"], ["ok", "refused"]]
    assert email not in confirming_log.read_text()
    assert link.split("token_hash=")[1].split("&")[0] not in confirming_log.read_text()
    assert NEW_PASSWORD not in confirming_log.read_text()


def test_sign_up_does_not_tell_which_addresses_exist(confirming_app: AppServer, confirming: SupabaseServer) -> None:
    """Where the project confirms addresses, a new and a known one get the same answer, equally late."""
    email = new_address()
    with client(confirming_app.url) as http:
        visitor = Visitor(http)
        answers = []
        for _ in range(2):
            visitor.opens("/sign-up")
            started = time.monotonic()
            answers.append(words(visitor.submits("/sign-up", email=email, password=NEW_PASSWORD).text))
            assert time.monotonic() - started >= 0.5
            link_to(confirming, email)
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"email": "nobody", "password": NEW_PASSWORD}, "Enter your e-mail address"),
        ({"email": "a@example.com", "password": "short"}, "Use at least 10 characters."),
        ({"email": "a@example.com", "password": "x" * 73}, "Use at most 72 characters."),
        ({"email": "a@example.com", "password": "п" * 40}, "Letters other than A to Z count as two or more"),
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
    answer = stranger.submits("/sign-up", email=seller.email, password=NEW_PASSWORD)
    assert (answer.status_code, "If you have an account already, sign in." in words(answer.text)) == (422, True)


def test_a_forgotten_password_is_replaced(stranger: Visitor, seller: Seller, stack: Stack, app: Flask) -> None:
    """The link allows one new password. The old one is no longer accepted, and other sessions have ended."""
    assert signs_in_with(stranger, seller.email, PASSWORD).status_code == 303
    other = Visitor(stranger.http)
    cookies = dict(stranger.http.cookies)
    stranger.http.cookies.clear()
    stranger.opens("/forgot-password")
    sent = stranger.submits("/forgot-password", email=seller.email)
    assert "an e-mail is on its way" in words(sent.text)
    visitor = stranger
    asked = opens_link(visitor, link_to(stack.supabase, seller.email))
    assert asked.headers["Location"] == "/new-password"
    assert 800 < visitor.session(app)["recovering_until"] - time.time() <= 900
    visitor.follows(asked)
    assert "Use at least 10 characters." in words(visitor.submits("/new-password", password="x").text)
    visitor.follows(visitor.submits("/new-password", password=NEW_PASSWORD))
    assert "Your password was changed." in words(visitor.page)
    assert visitor.opens("/new-password").headers["Location"] == "/account"
    visitor.http.cookies.clear()
    assert signs_in_with(visitor, seller.email, PASSWORD).status_code == 422
    assert signs_in_with(visitor, seller.email, NEW_PASSWORD).status_code == 303
    visitor.http.cookies.clear()
    visitor.http.cookies.update(cookies)
    assert wait_until(lambda: other.opens("/").is_redirect, seconds=10)


def test_a_new_password_needs_a_recent_link(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """Neither a session without the link is enough, nor one whose link was used more than 15 minutes ago."""
    for until in ({}, {"recovering_until": int(time.time()) - 1}):
        visitor.takes_session(app, **visitor.session(app) | until)
        visitor.opens("/account")
        visitor.follows(visitor.submits("/new-password", password=NEW_PASSWORD))
        assert "more than 15 minutes ago" in words(visitor.page)
    visitor.http.cookies.clear()
    assert signs_in_with(visitor, seller.email, PASSWORD).status_code == 303


def test_a_forgotten_password_does_not_tell_which_addresses_exist(stranger: Visitor, seller: Seller) -> None:
    """The same answer for both, equally late."""
    answers = set()
    for email in (seller.email, new_address()):
        stranger.opens("/forgot-password")
        started = time.monotonic()
        answers.add(words(stranger.submits("/forgot-password", email=email).text).replace(email, "…"))
        assert time.monotonic() - started >= 0.5
    assert len(answers) == 1


@pytest.mark.parametrize("path", ["/confirm", "/confirm?type=signup", "/confirm?type=sms&token_hash=x"])
def test_a_wrong_link_says_what_to_do(stranger: Visitor, path: str) -> None:
    """A new e-mail, or the sign-in."""
    answer = stranger.opens(path)
    assert (answer.status_code, "This link is no longer valid" in words(answer.text)) == (422, True)
    stranger.opens("/sign-in")
    answer = stranger.submits("/confirm", type="recovery", token_hash="nonsense")
    assert (answer.status_code, "Send a new e-mail" in words(answer.text)) == (422, True)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/forgot-password"])
def test_an_outage_keeps_the_address(stranger: Visitor, stack: Stack, path: str) -> None:
    """The form comes back with the reason. The password is not in the page."""
    stranger.opens(path)
    email = new_address()
    stack.supabase.pause()
    try:
        answer = stranger.submits(path, email=email, password=NEW_PASSWORD)
    finally:
        stack.supabase.resume()
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert f'value="{email}"' in answer.text
    assert "not possible right now" in answer.text
    assert "aria-invalid" not in answer.text
    assert NEW_PASSWORD not in answer.text
    assert wait_until(lambda: stranger.opens("/readyz").status_code == 200, seconds=20)
