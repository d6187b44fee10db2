"""Guessing passwords: how often one may, from where, for which account, and what the answers' times tell."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.audit import account
from app.limits import SIGN_IN_TO, limiter
from config import Settings
from local.application import AppServer
from local.stack import Stack
from tests.clients import PASSWORD
from tests.guessers import Guesser, audited, new_guesser
from tests.proxy import SupabaseProxy
from tests.sellers import Seller, all_workers_serve, app_environment, running_app

_WRONG: Final = f"{PASSWORD}-not"
_TIMES: Final = 4
_SLOW_HASH: Final = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"  # bcrypt as Supabase sets it up


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file the app logs to."""
    return tmp_path_factory.mktemp("limits") / "gunicorn.log"


@pytest.fixture(scope="module")
def limited(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app with its limits, behind one trusted proxy."""
    environment = app_environment(stack, RATE_LIMITS="on", TRUSTED_PROXIES="1")
    with AppServer(environment, workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture
def guesser(limited: AppServer) -> Iterator[Guesser]:
    """Return somebody at the sign-in page."""
    with new_guesser(limited.url) as someone:
        yield someone


def test_after_sixty_wrong_passwords_the_right_one_is_refused_too(guesser: Guesser, seller: Seller, log: Path) -> None:
    """Ten are looked at, by both workers together; the audit log has every one, by pseudonym and address."""
    assert guesser.tries_many([seller.email] * 60, _WRONG) == {422: 10, 429: 50}
    answer = guesser.tries(seller.email, PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 90
    assert answer.headers["RateLimit-Policy"] == '"sign-in-account-here";q=10;w=900'
    assert answer.headers["RateLimit"] == f'"sign-in-account-here";r=0;t={answer.headers["Retry-After"]}'
    assert "Too many attempts" in answer.text
    lines = audited(log, event="sign-in", address=guesser.address)
    assert Counter(line["outcome"] for line in lines) == {"refused": 10, "limited": 51}
    assert len({line["account"] for line in lines}) == 1
    assert seller.email not in log.read_text()


def test_what_is_wrong_is_told_with_how_much_is_left(guesser: Guesser, seller: Seller) -> None:
    """By the policy that has least left."""
    answer = guesser.tries(seller.email, _WRONG)
    assert answer.status_code == 422
    assert answer.headers["RateLimit"].startswith('"sign-in-account-here";r=9;t=')


def test_a_guesser_keeps_nobody_out_elsewhere(guesser: Guesser, limited: AppServer, seller: Seller) -> None:
    """The owner signs in from another address while the guesser is refused."""
    assert guesser.tries_many([seller.email] * 15, _WRONG) == {422: 10, 429: 5}
    with new_guesser(limited.url) as owner:
        assert owner.tries(seller.email, PASSWORD).status_code == 303


def test_an_account_is_guarded_against_many_addresses(limited: AppServer, settings: Settings, seller: Seller) -> None:
    """A hundred failures in an hour, from wherever; the account that nobody has is counted as well."""
    for email in (seller.email, f"nobody-{seller.id}@example.com"):
        with running_app(settings.model_copy(update={"rate_limits": "on"})) as beside, beside.app_context():
            assert limiter().take(SIGN_IN_TO, account(email), units=99).allowed
        with new_guesser(limited.url) as first, new_guesser(limited.url) as second:
            assert first.tries(email, _WRONG).status_code == 422
            refused = second.tries(email.upper(), PASSWORD)
        assert refused.status_code == 429
        assert refused.headers["RateLimit"].startswith('"sign-in-account";r=0;t=')


def test_one_address_is_limited_whatever_the_account(guesser: Guesser) -> None:
    """Guessing one password for many accounts; less than Supabase would take from us."""
    answers = guesser.tries_many([f"nobody-{number}@example.com" for number in range(40)], _WRONG)
    assert 20 <= answers[422] <= 22  # one comes back every 15 s
    assert answers[422] + answers[429] == 40


def test_a_forged_address_is_not_believed(guesser: Guesser, seller: Seller) -> None:
    """What the client writes into X-Forwarded-For stands left of what the proxy appends."""
    assert guesser.tries_many([seller.email] * 15, _WRONG, pretending="192.0.2") == {422: 10, 429: 5}


def test_signing_in_uses_nothing_up(guesser: Guesser, limited: AppServer, seller: Seller) -> None:
    """Whoever knows the password may sign in as often as they like."""
    for _ in range(12):
        with new_guesser(limited.url, address=guesser.address) as owner:
            assert owner.tries(seller.email, PASSWORD).status_code == 303
    assert guesser.tries(seller.email, _WRONG).headers["RateLimit"].startswith('"sign-in-account-here";r=9;')


def test_the_clients_address_reaches_supabase(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """In the header Supabase Auth knows for it, and not the one the client made up."""
    with SupabaseProxy(stack.supabase.url) as proxy:
        environment = app_environment(stack, SUPABASE_URL=proxy.url, TRUSTED_PROXIES="1")
        with AppServer(environment, workers=1, log=tmp_path / "log") as app, new_guesser(app.url) as guesser:
            assert guesser.tries(seller.email, PASSWORD, pretending="192.0.2.1").status_code == 303
            assert [sent["Sb-Forwarded-For"] for sent in proxy.received if "Sb-Forwarded-For" in sent] == [
                guesser.address
            ]


def test_a_refusal_takes_as_long_for_accounts_that_exist_as_for_others(
    stack: Stack, server: AppServer, seller: Seller
) -> None:
    """Although Supabase compares the password of the former only, with a hash as slow as the hosted one's."""
    stack.supabase.sql("update auth.users set encrypted_password = $1 where id = $2", _SLOW_HASH, seller.id)
    took: dict[str, list[float]] = {seller.email: [], f"nobody-{seller.id}@example.com": []}
    with new_guesser(server.url) as guesser:
        for _ in range(_TIMES):
            for email, times in took.items():
                times.append(_seconds(guesser, email))
    # The quickest of each: a busy machine makes any of them slower, and none quicker.
    known, unknown = map(min, took.values())
    assert min(known, unknown) >= 0.5
    assert abs(known - unknown) < 0.05, took


def _seconds(guesser: Guesser, email: str) -> float:
    started = time.perf_counter()
    answer = guesser.tries(email, _WRONG)
    assert answer.status_code == 422
    return time.perf_counter() - started


def test_a_client_beyond_the_limit_holds_no_thread(limited: AppServer, seller: Seller) -> None:
    """It is answered at once, not after the time a refusal takes."""
    with new_guesser(limited.url) as guesser:
        guesser.tries_many([seller.email] * 10, _WRONG)
        started = time.perf_counter()
        answers = [guesser.tries(seller.email, _WRONG).status_code for _ in range(20)]
        assert answers == [429] * 20
        assert time.perf_counter() - started < 20 * 0.25
        assert httpx.get(f"{limited.url}/healthz").status_code == 200
