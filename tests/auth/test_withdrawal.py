"""Withdrawn keys: their tokens are refused within a minute, cached or not, and no request waits."""

import threading
import time
from collections.abc import Iterator

import pytest
from jwt import PyJWK

from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import InvalidTokenError, TokenVerifier
from tests.auth.checking import refusal
from tests.auth.jwks import JwksServer, eventually
from tests.auth.minting import AUDIENCE, SECRET, SELLER, Clock, claims, es256, hs256

KEPT, GONE = es256("kept"), es256("gone")


@pytest.fixture
def server() -> Iterator[JwksServer]:
    """Run a key set endpoint that publishes both keys."""
    with JwksServer(KEPT.public_jwk, GONE.public_jwk) as endpoint:
        yield endpoint


@pytest.fixture
def clock() -> Clock:
    """Return the clock for the age of keys. Tokens use another clock and do not expire."""
    return Clock(1000)


@pytest.fixture
def verifier(server: JwksServer, clock: Clock) -> TokenVerifier:
    """Return a verifier of the published keys."""
    return verifier_of(KeyRing(secret=SECRET, jwks_url=server.url, monotonic=clock))


def verifier_of(ring: KeyRing) -> TokenVerifier:
    """Return a verifier with the keys of `ring`."""
    return TokenVerifier(ring, audience=AUDIENCE, wall_clock=Clock())


TOKEN, OTHER = GONE.token(claims()), KEPT.token(claims())


def accepts(verifier: TokenVerifier, token: str) -> bool:
    """Return whether `token` is accepted, after waiting for a fetch that it may have triggered."""
    try:
        return verifier.verify(token).user_id == str(SELLER)
    except InvalidTokenError:
        return False
    finally:
        eventually(lambda: not any(thread.name == "jwks-fetch" for thread in threading.enumerate()))


def remembers(verifier: TokenVerifier) -> bool:
    """Return whether any token is cached."""
    return len(verifier.cached) > 0


def last_use(verifier: TokenVerifier, clock: Clock, *, every: int) -> int:
    """Use TOKEN every `every` seconds; return the seconds until it was accepted for the last time."""
    for second in range(every, 3600, every):
        clock.advance(every)
        if not accepts(verifier, TOKEN):
            return second - every
    return 3600


@pytest.mark.parametrize("every", [1, 10, 24, 26, 54, 56, 600])
def test_tokens_of_a_withdrawn_key_are_refused_within_a_minute(
    verifier: TokenVerifier, server: JwksServer, clock: Clock, every: int
) -> None:
    """For every frequency of use. Tokens with other keys stay valid."""
    assert accepts(verifier, TOKEN)
    assert accepts(verifier, OTHER)
    server.keys = [KEPT.public_jwk]
    assert last_use(verifier, clock, every=every) <= 60
    assert refusal(verifier, TOKEN) == "its signing key is not known"
    assert accepts(verifier, OTHER)


def test_a_key_withdrawn_while_idle_is_refused_at_the_next_use(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A key set that was unused for so long is fetched again before any of the next requests uses it."""
    assert accepts(verifier, TOKEN)
    server.keys = [KEPT.public_jwk]
    clock.advance(3000)
    refused: list[str] = []
    threads = [threading.Thread(target=lambda: refused.append(refusal(verifier, TOKEN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["its signing key is not known"] * 8


def test_a_new_key_with_the_same_id_replaces_the_old_one(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """The key id alone is not enough."""
    assert accepts(verifier, TOKEN)
    server.keys = [es256("gone").public_jwk]
    assert last_use(verifier, clock, every=5) <= 60
    assert refusal(verifier, TOKEN) == "its signature does not match"


def test_one_failed_fetch_does_not_delay_the_withdrawal(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """The next fetch is in time."""
    assert accepts(verifier, TOKEN)
    server.keys = [KEPT.public_jwk]
    server.status = 500
    clock.advance(25)
    assert accepts(verifier, TOKEN)
    server.status = 200
    assert 25 + last_use(verifier, clock, every=1) <= 60


def test_a_token_checked_during_the_withdrawal_is_not_cached(server: JwksServer, clock: Clock) -> None:
    """Its key is withdrawn during the check. The next request is refused."""

    class WithdrawnInTheMiddle(KeyRing):
        def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
            key = super().find(algorithm=algorithm, key_id=key_id)
            server.keys = [KEPT.public_jwk]
            clock.advance(60)
            assert self.published is not None
            self.published.refresh()
            return key

    verifier = verifier_of(WithdrawnInTheMiddle(jwks_url=server.url, monotonic=clock))
    assert verifier.verify(TOKEN).user_id == str(SELLER)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_a_late_answer_does_not_restore_a_withdrawn_key(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A fetch from before the withdrawal hangs. Its answer arrives after that of a later fetch."""
    assert accepts(verifier, TOKEN)
    server.slow_part = "headers"
    clock.advance(25)
    verifier.verify(TOKEN)
    eventually(lambda: server.requests == 2)
    server.slow_part, server.keys = None, [KEPT.public_jwk]
    clock.advance(25)
    verifier.verify(TOKEN)
    eventually(lambda: not remembers(verifier))
    server.may_finish.set()
    assert not accepts(verifier, TOKEN)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_keys_are_kept_for_a_day_while_the_endpoint_is_down(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """Users stay signed in during an outage of up to a day. Recovery needs no restart."""
    assert accepts(verifier, TOKEN)
    server.stop()
    for _ in range(23):
        clock.advance(3600)
        assert accepts(verifier, TOKEN)
    clock.advance(3600)
    with pytest.raises(KeysUnavailableError):
        verifier.verify(TOKEN)
    server.start_again()
    clock.advance(25)
    assert accepts(verifier, TOKEN)


@pytest.mark.parametrize("slow", [False, True], ids=["silent", "slow"])
def test_a_hanging_endpoint_delays_no_request(
    verifier: TokenVerifier, server: JwksServer, clock: Clock, *, slow: bool
) -> None:
    """Cached tokens are used every second for five minutes. None of these requests waits."""
    assert accepts(verifier, TOKEN)
    if slow:
        server.slow_part = "headers"
    else:
        server.may_answer.clear()
    waited: list[float] = []
    for _ in range(300):
        clock.advance(1)
        started = time.monotonic()
        verifier.verify(TOKEN)
        waited.append(time.monotonic() - started)
    assert max(waited) < 1
    server.may_answer.set()


def test_tokens_with_the_shared_secret_cause_no_fetch(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A project that uses only the shared secret causes no requests."""
    for _ in range(100):
        assert verifier.verify(hs256().token(claims())).user_id == str(SELLER)
        clock.advance(60)
    assert server.requests == 0
