"""Password guessing: limits by account and IP address, and equal response times for all accounts."""

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
_PATIENT: Final = 2
"""Seconds to wait for Redis. With the default of 0.03 s, a busy machine counts some attempts in one worker only."""
_TIMES: Final = 4
_SLOW_HASH: Final = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"  # bcrypt with Supabase's cost


@pytest.fixture(scope="module")
def limited_server(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app with rate limits, behind one trusted proxy."""
    environment = app_environment(stack, RATE_LIMITS="on", TRUSTED_PROXIES="1", REDIS_READ_TIMEOUT=str(_PATIENT))
    with AppServer(environment, workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture
def guesser(limited_server: AppServer) -> Iterator[Guesser]:
    """Return a guesser with the sign-in page open."""
    with new_guesser(limited_server.url) as someone:
        yield someone


def test_after_sixty_wrong_passwords_the_correct_one_is_refused_too(
    guesser: Guesser, seller: Seller, log: Path
) -> None:
    """Both workers together check ten. The audit log has every attempt, with a pseudonym and the IP address."""
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


def test_a_wrong_password_is_answered_with_the_remaining_quota(guesser: Guesser, seller: Seller) -> None:
    """The header names the policy with the fewest attempts left."""
    answer = guesser.tries(seller.email, _WRONG)
    assert answer.status_code == 422
    assert answer.headers["RateLimit"].startswith('"sign-in-account-here";r=9;t=')


def test_a_guesser_does_not_lock_out_the_owner(guesser: Guesser, limited_server: AppServer, seller: Seller) -> None:
    """The owner can sign in from another IP address while the guesser is refused."""
    assert guesser.tries_many([seller.email] * 15, _WRONG) == {422: 10, 429: 5}
    with new_guesser(limited_server.url) as owner:
        assert owner.tries(seller.email, PASSWORD).status_code == 303


def test_an_account_is_limited_across_addresses(limited_server: AppServer, settings: Settings, seller: Seller) -> None:
    """At most a hundred failures an hour from all addresses. Failures for unknown accounts count as well."""
    for email in (seller.email, f"nobody-{seller.id}@example.com"):
        limited = settings.model_copy(update={"rate_limits": "on", "redis_read_timeout": _PATIENT})
        with running_app(limited) as other_app, other_app.app_context():
            assert limiter().take(SIGN_IN_TO, account(email), units=99).allowed
        with new_guesser(limited_server.url) as first, new_guesser(limited_server.url) as second:
            assert first.tries(email, _WRONG).status_code == 422
            refused = second.tries(email.upper(), PASSWORD)
        assert refused.status_code == 429
        assert refused.headers["RateLimit"].startswith('"sign-in-account";r=0;t=')


def test_an_address_is_limited_across_accounts(guesser: Guesser) -> None:
    """One password for many accounts is limited, below Supabase's own limit."""
    answers = guesser.tries_many([f"nobody-{number}@example.com" for number in range(40)], _WRONG)
    assert 20 <= answers[422] <= 22  # the quota grows by one every 15 s
    assert answers[422] + answers[429] == 40


def test_a_forged_client_address_is_ignored(guesser: Guesser, seller: Seller) -> None:
    """The client's value in X-Forwarded-For comes before the address that the proxy appends."""
    assert guesser.tries_many([seller.email] * 15, _WRONG, forged="192.0.2") == {422: 10, 429: 5}


def test_successful_sign_ins_use_no_quota(guesser: Guesser, limited_server: AppServer, seller: Seller) -> None:
    """Successful sign-ins are not limited."""
    for _ in range(12):
        with new_guesser(limited_server.url, address=guesser.address) as owner:
            assert owner.tries(seller.email, PASSWORD).status_code == 303
    assert guesser.tries(seller.email, _WRONG).headers["RateLimit"].startswith('"sign-in-account-here";r=9;')


def test_the_clients_address_reaches_supabase(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """It is sent in the header that Supabase Auth expects. The client's forged address is not."""
    with SupabaseProxy(stack.supabase.url) as proxy:
        environment = app_environment(stack, SUPABASE_URL=proxy.url, TRUSTED_PROXIES="1")
        with AppServer(environment, workers=1, log=tmp_path / "log") as app, new_guesser(app.url) as guesser:
            assert guesser.tries(seller.email, PASSWORD, forged="192.0.2.1").status_code == 303
            assert [sent["Sb-Forwarded-For"] for sent in proxy.received if "Sb-Forwarded-For" in sent] == [
                guesser.address
            ]


def test_a_wrong_password_takes_equally_long_for_unknown_accounts(
    stack: Stack, server: AppServer, seller: Seller
) -> None:
    """Supabase compares the password of existing accounts only, with a hash as slow as in a hosted project."""
    stack.supabase.sql("update auth.users set encrypted_password = $1 where id = $2", _SLOW_HASH, seller.id)
    durations: dict[str, list[float]] = {seller.email: [], f"nobody-{seller.id}@example.com": []}

    def difference() -> float:
        """Return the difference of the minimum of each, because load on the machine only adds time."""
        known, unknown = map(min, durations.values())
        assert min(known, unknown) >= 0.5
        return abs(known - unknown)

    with new_guesser(server.url) as guesser:
        for number in range(4 * _TIMES):
            for email, times in durations.items():
                times.append(_seconds(guesser, email))
            if number + 1 >= _TIMES and difference() < 0.05:
                break
    assert difference() < 0.05, durations


def _seconds(guesser: Guesser, email: str) -> float:
    started = time.perf_counter()
    answer = guesser.tries(email, _WRONG)
    assert answer.status_code == 422
    return time.perf_counter() - started


def test_a_rate_limited_client_occupies_no_thread(limited_server: AppServer, seller: Seller) -> None:
    """It is refused at once, without the delay of a wrong password."""
    with new_guesser(limited_server.url) as guesser:
        guesser.tries_many([seller.email] * 10, _WRONG)
        started = time.perf_counter()
        answers = [guesser.tries(seller.email, _WRONG).status_code for _ in range(20)]
        assert answers == [429] * 20
        assert time.perf_counter() - started < 20 * 0.25
        assert httpx.get(f"{limited_server.url}/healthz").status_code == 200
