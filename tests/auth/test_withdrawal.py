"""Withdrawn keys: their tokens are refused within a minute, cached or not, and no request waits."""

import threading
import time

import pytest
from jwt import PyJWK

from app.auth.jwks import TIMEOUT_SECONDS
from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import InvalidTokenError, TokenVerifier
from local.processes import wait_until
from tests.auth.checking import OLD, RSA, refusal
from tests.auth.jwks import JwksServer
from tests.auth.minting import AUDIENCE, SECRET, SELLER, Clock, claims, es256, hs256

TOKEN, OTHER = OLD.token(claims()), RSA.token(claims())
"""Tokens of the two published keys. The tests withdraw OLD and keep RSA."""


@pytest.fixture
def verifier(key_ring: KeyRing) -> TokenVerifier:
    """Return a verifier of the published keys. `key_clock` moves the age of keys, but tokens do not expire."""
    return verifier_of(key_ring)


def verifier_of(ring: KeyRing) -> TokenVerifier:
    """Return a verifier with the keys of `ring`."""
    return TokenVerifier(ring, audience=AUDIENCE, wall_clock=Clock())


def accepts(verifier: TokenVerifier, token: str) -> bool:
    """Return whether `token` is accepted, after waiting for a fetch that it may have triggered."""
    try:
        return verifier.verify(token).user_id == str(SELLER)
    except InvalidTokenError:
        return False
    finally:
        assert wait_until(lambda: not any(thread.name == "jwks-fetch" for thread in threading.enumerate()), seconds=10)


def has_cached_tokens(verifier: TokenVerifier) -> bool:
    """Return whether any token is cached."""
    return len(verifier.cached) > 0


def last_use(verifier: TokenVerifier, key_clock: Clock, *, every: int) -> int:
    """Use TOKEN every `every` seconds; return the seconds until it was accepted for the last time."""
    for second in range(every, 3600, every):
        key_clock.advance(every)
        if not accepts(verifier, TOKEN):
            return second - every
    return 3600


@pytest.mark.parametrize("every", [1, 10, 24, 26, 54, 56, 600])
def test_tokens_of_a_withdrawn_key_are_refused_within_a_minute(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock, every: int
) -> None:
    """At every frequency of use. Tokens signed with other keys stay valid."""
    assert accepts(verifier, TOKEN)
    assert accepts(verifier, OTHER)
    key_set.keys = [RSA.public_jwk]
    assert last_use(verifier, key_clock, every=every) <= 60
    assert refusal(verifier, TOKEN) == "its signing key is not known"
    assert accepts(verifier, OTHER)


def test_a_key_withdrawn_while_idle_is_refused_at_the_next_use(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock
) -> None:
    """A key set that was not used for 50 min is fetched again before any request uses it."""
    assert accepts(verifier, TOKEN)
    key_set.keys = [RSA.public_jwk]
    key_clock.advance(3000)
    refused: list[str] = []
    threads = [threading.Thread(target=lambda: refused.append(refusal(verifier, TOKEN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["its signing key is not known"] * 8


def test_a_new_key_with_the_same_id_replaces_the_old_one(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock
) -> None:
    """A token is verified with the key that is published now, not only by its key id."""
    assert accepts(verifier, TOKEN)
    key_set.keys = [es256("old").public_jwk]
    assert last_use(verifier, key_clock, every=5) <= 60
    assert refusal(verifier, TOKEN) == "its signature does not match"


def test_one_failed_fetch_does_not_delay_the_withdrawal(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock
) -> None:
    """The next fetch succeeds in time."""
    assert accepts(verifier, TOKEN)
    key_set.keys = [RSA.public_jwk]
    key_set.status = 500
    key_clock.advance(25)
    assert accepts(verifier, TOKEN)
    key_set.status = 200
    assert 25 + last_use(verifier, key_clock, every=1) <= 60


def test_a_token_checked_during_the_withdrawal_is_not_cached(key_set: JwksServer, key_clock: Clock) -> None:
    """The key is withdrawn during the check, so the next request with the token is refused."""

    class WithdrawnInTheMiddle(KeyRing):
        def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
            key = super().find(algorithm=algorithm, key_id=key_id)
            key_set.keys = [RSA.public_jwk]
            key_clock.advance(60)
            assert self.published is not None
            self.published.refresh()
            return key

    verifier = verifier_of(WithdrawnInTheMiddle(jwks_url=key_set.url, monotonic=key_clock))
    assert verifier.verify(TOKEN).user_id == str(SELLER)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_a_late_answer_does_not_restore_a_withdrawn_key(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock
) -> None:
    """A fetch that began before the withdrawal is slow. Its answer arrives after the answer of a later fetch."""
    assert accepts(verifier, TOKEN)
    key_set.slow_part = "headers"
    key_clock.advance(25)
    verifier.verify(TOKEN)
    assert wait_until(lambda: key_set.requests == 2, seconds=10)
    key_set.slow_part, key_set.keys = None, [RSA.public_jwk]
    key_clock.advance(25)
    verifier.verify(TOKEN)
    assert wait_until(lambda: not has_cached_tokens(verifier), seconds=10)
    key_set.may_finish.set()
    assert not accepts(verifier, TOKEN)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_keys_are_kept_for_a_day_while_the_endpoint_is_down(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock
) -> None:
    """Users stay signed in during an outage of up to a day. Recovery needs no restart."""
    assert accepts(verifier, TOKEN)
    key_set.stop()
    for _ in range(23):
        key_clock.advance(3600)
        assert accepts(verifier, TOKEN)
    key_clock.advance(3600)
    with pytest.raises(KeysUnavailableError):
        verifier.verify(TOKEN)
    key_set.start_again()
    key_clock.advance(25)
    assert accepts(verifier, TOKEN)


@pytest.mark.parametrize("slow", [False, True], ids=["silent", "slow"])
def test_a_hanging_endpoint_delays_no_request(
    verifier: TokenVerifier, key_set: JwksServer, key_clock: Clock, *, slow: bool
) -> None:
    """Cached tokens are used every second for five minutes. None of these requests waits."""
    assert accepts(verifier, TOKEN)
    if slow:
        key_set.slow_part = "headers"
    else:
        key_set.may_answer.clear()
    waited: list[float] = []
    for _ in range(300):
        key_clock.advance(1)
        started = time.monotonic()
        verifier.verify(TOKEN)
        waited.append(time.monotonic() - started)
    assert max(waited) < TIMEOUT_SECONDS
    key_set.may_answer.set()


def test_tokens_with_the_shared_secret_cause_no_fetch(key_set: JwksServer, key_clock: Clock) -> None:
    """A project that uses only the shared secret causes no requests."""
    verifier = verifier_of(KeyRing(secret=SECRET, jwks_url=key_set.url, monotonic=key_clock))
    for _ in range(100):
        assert verifier.verify(hs256().token(claims())).user_id == str(SELLER)
        key_clock.advance(60)
    assert key_set.requests == 0
