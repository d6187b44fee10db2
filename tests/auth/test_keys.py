"""The key ring: keys are fetched over real HTTP, rotated, shared between threads, and kept during an outage."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.auth.keys import KeyRing, KeysUnavailableError, UnknownKeyError
from local.processes import wait_until
from tests.auth.checking import NEW, OLD, RSA, has_key
from tests.auth.jwks import JwksServer
from tests.auth.minting import SECRET, Clock


def test_nothing_is_fetched_before_a_key_is_needed(key_set: JwksServer, key_ring: KeyRing) -> None:
    """Creating the ring needs no network, so it is safe before a fork."""
    assert key_set.requests == 0
    assert has_key(key_ring, OLD)
    assert has_key(key_ring, RSA)
    assert key_set.requests == 1


def test_a_new_key_is_found_after_rotation(key_set: JwksServer, key_ring: KeyRing, key_clock: Clock) -> None:
    """The first token with the new key triggers the fetch and is verified with its result."""
    assert has_key(key_ring, OLD)
    key_set.keys = [NEW.public_jwk, OLD.public_jwk]
    key_clock.advance(25)
    assert has_key(key_ring, NEW)
    assert has_key(key_ring, OLD)
    assert key_set.requests == 2


def test_a_key_that_is_no_longer_published_is_forgotten(
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock
) -> None:
    """Each fetch replaces the whole set."""
    assert has_key(key_ring, OLD)
    key_set.keys = [NEW.public_jwk]
    key_clock.advance(25)
    assert has_key(key_ring, NEW)
    assert not has_key(key_ring, OLD)


def test_an_unknown_key_id_refetches_at_most_every_25_seconds(
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock
) -> None:
    """Invented key ids cannot cause many requests to the identity provider."""
    assert has_key(key_ring, OLD)
    for attempt in range(50):
        with pytest.raises(UnknownKeyError):
            key_ring.find(algorithm="ES256", key_id=f"invented-{attempt}")
    assert key_set.requests == 1
    key_clock.advance(24.9)
    assert not has_key(key_ring, NEW)
    assert key_set.requests == 1
    key_clock.advance(0.1)
    assert not has_key(key_ring, NEW)
    assert not has_key(key_ring, NEW)
    assert key_set.requests == 2


def test_threads_share_the_first_fetch(key_set: JwksServer, key_ring: KeyRing) -> None:
    """Eight concurrent requests at the start share one fetch."""
    key_set.may_answer.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(has_key, key_ring, OLD) for _ in range(8)]
        assert wait_until(lambda: key_set.requests == 1, seconds=10)
        key_set.may_answer.set()
        assert all(answer.result(timeout=10) for answer in answers)
    assert key_set.requests == 1


def test_a_known_key_is_found_while_a_fetch_hangs(key_set: JwksServer, key_ring: KeyRing, key_clock: Clock) -> None:
    """Requests with known keys do not wait for a fetch of an unknown key."""
    assert has_key(key_ring, OLD)
    key_clock.advance(25)
    key_set.may_answer.clear()
    key_set.keys.append(NEW.public_jwk)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(has_key, key_ring, NEW)
        assert wait_until(lambda: key_set.requests == 2, seconds=10)
        assert all(has_key(key_ring, OLD) for _ in range(100))
        assert not waiting.done()
        key_set.may_answer.set()
        assert waiting.result(timeout=10)


def test_keys_are_refreshed_in_the_background(key_set: JwksServer, key_ring: KeyRing, key_clock: Clock) -> None:
    """After 25 s a withdrawn key is detected, and no request waits for the fetch."""
    assert has_key(key_ring, OLD)
    key_set.keys = [NEW.public_jwk]
    key_set.may_answer.clear()
    key_clock.advance(25)
    assert has_key(key_ring, OLD)
    assert wait_until(lambda: key_set.requests == 2, seconds=10)
    key_set.may_answer.set()
    assert wait_until(lambda: not has_key(key_ring, OLD), seconds=10)
    assert has_key(key_ring, NEW)
    assert key_set.requests == 2


def test_without_the_endpoint_at_the_start_keys_are_unavailable(
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock
) -> None:
    """The error is not InvalidTokenError. The fetch is retried after 5 s."""
    key_set.stop()
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            key_ring.find(algorithm="ES256", key_id="old")
    key_set.start_again()
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")
    assert key_set.requests == 0
    key_clock.advance(KeysUnavailableError.retry_after)
    assert has_key(key_ring, OLD)


def test_the_last_fetched_keys_are_used_while_the_endpoint_is_down(
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock
) -> None:
    """During an outage of the identity provider, users stay signed in."""
    assert has_key(key_ring, OLD)
    key_set.stop()
    for _ in range(5):
        key_clock.advance(3600)
        assert has_key(key_ring, OLD)
        assert not has_key(key_ring, NEW)
    key_set.start_again()


def test_an_algorithm_never_finds_a_key_of_another_family(key_ring: KeyRing) -> None:
    """The type of the key determines the algorithms."""
    for algorithm, key_id in [("RS256", "old"), ("ES256", "rsa"), ("HS256", "rsa"), ("none", "rsa"), ("RS256", None)]:
        with pytest.raises(UnknownKeyError):
            key_ring.find(algorithm=algorithm, key_id=key_id)


def test_secret_and_key_set_can_be_used_together(key_set: JwksServer) -> None:
    """During a migration to published keys, a project has tokens of both kinds."""
    key_ring = KeyRing(secret=SECRET, jwks_url=key_set.url)
    assert key_ring.find(algorithm="HS256", key_id="whatever").algorithm_name == "HS256"
    assert key_set.requests == 0
    assert has_key(key_ring, RSA)


def test_a_secret_in_addition_to_published_keys_is_logged_once(
    key_set: JwksServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The secret can sign tokens for any user, so it should be removed when it is not needed. It is not logged."""
    key_ring = KeyRing(secret=SECRET, jwks_url=key_set.url)
    key_ring.find(algorithm="HS256", key_id=None)
    assert not has_key(key_ring, NEW)
    assert "SUPABASE_JWT_SECRET" not in caplog.text
    assert has_key(key_ring, RSA)
    assert has_key(key_ring, OLD)
    assert caplog.text.count("SUPABASE_JWT_SECRET is set, but this project publishes keys") == 1
    assert SECRET not in caplog.text
    assert has_key(KeyRing(jwks_url=key_set.url), RSA)
    assert caplog.text.count("SUPABASE_JWT_SECRET") == 1


@pytest.mark.parametrize("settings", [{}, {"secret": "", "jwks_url": ""}, {"secret": "x" * 31}])
def test_a_ring_without_a_usable_key_is_refused(settings: dict[str, str]) -> None:
    """It is refused at the start, not at the first request."""
    with pytest.raises(ValueError, match="secret"):
        KeyRing(**settings)  # type: ignore[arg-type]
