"""The key ring: keys are fetched over real HTTP, rotated, shared between threads, and kept during an outage."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.auth.keys import KeyRing, KeysUnavailableError, UnknownKeyError
from tests.auth.jwks import JwksServer, eventually
from tests.auth.minting import SECRET, Clock, Signer, es256, rs256

OLD = es256("old")
NEW = es256("new")
RSA = rs256("rsa")


@pytest.fixture
def server() -> Iterator[JwksServer]:
    """Run a key set endpoint that publishes OLD and RSA."""
    with JwksServer(OLD.public_jwk, RSA.public_jwk) as endpoint:
        yield endpoint


@pytest.fixture
def clock() -> Clock:
    """Return the monotonic clock of the ring under test."""
    return Clock(1000)


@pytest.fixture
def ring(server: JwksServer, clock: Clock) -> KeyRing:
    """Return a ring that reads the endpoint and has asked nothing yet."""
    return KeyRing(jwks_url=server.url, monotonic=clock)


def knows(ring: KeyRing, signer: Signer) -> bool:
    """Tell whether the ring has the signer's key."""
    try:
        return ring.find(algorithm=signer.algorithm, key_id=signer.key_id).key_id == signer.key_id
    except UnknownKeyError:
        return False


def test_nothing_is_fetched_before_a_key_is_needed(server: JwksServer, ring: KeyRing) -> None:
    """Creating the ring needs no network, so it is safe before a fork."""
    assert server.requests == 0
    assert knows(ring, OLD)
    assert knows(ring, RSA)
    assert server.requests == 1


def test_a_new_key_is_found_after_rotation(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """The first token with the new key triggers the fetch and is verified with its result."""
    assert knows(ring, OLD)
    server.keys = [NEW.public_jwk, OLD.public_jwk]
    clock.advance(25)
    assert knows(ring, NEW)
    assert knows(ring, OLD)
    assert server.requests == 2


def test_a_key_that_is_no_longer_published_is_forgotten(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """Each fetch replaces the whole set."""
    assert knows(ring, OLD)
    server.keys = [NEW.public_jwk]
    clock.advance(25)
    assert knows(ring, NEW)
    assert not knows(ring, OLD)


def test_an_unknown_key_id_refetches_at_most_every_25_seconds(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """Invented key ids cannot cause many requests to the identity provider."""
    assert knows(ring, OLD)
    for attempt in range(50):
        with pytest.raises(UnknownKeyError):
            ring.find(algorithm="ES256", key_id=f"invented-{attempt}")
    assert server.requests == 1
    clock.advance(24.9)
    assert not knows(ring, NEW)
    assert server.requests == 1
    clock.advance(0.1)
    assert not knows(ring, NEW)
    assert not knows(ring, NEW)
    assert server.requests == 2


def test_threads_share_the_first_fetch(server: JwksServer, ring: KeyRing) -> None:
    """Eight concurrent requests at the start share one fetch."""
    server.may_answer.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(knows, ring, OLD) for _ in range(8)]
        eventually(lambda: server.requests == 1)
        server.may_answer.set()
        assert all(answer.result(timeout=10) for answer in answers)
    assert server.requests == 1


def test_a_known_key_is_found_while_a_fetch_hangs(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """Requests with known keys do not wait for a fetch of an unknown key."""
    assert knows(ring, OLD)
    clock.advance(25)
    server.may_answer.clear()
    server.keys.append(NEW.public_jwk)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(knows, ring, NEW)
        eventually(lambda: server.requests == 2)
        assert all(knows(ring, OLD) for _ in range(100))
        assert not waiting.done()
        server.may_answer.set()
        assert waiting.result(timeout=10)


def test_keys_are_refreshed_in_the_background(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """After 25 s a withdrawn key is detected, and no request waits for the fetch."""
    assert knows(ring, OLD)
    server.keys = [NEW.public_jwk]
    server.may_answer.clear()
    clock.advance(25)
    assert knows(ring, OLD)
    eventually(lambda: server.requests == 2)
    server.may_answer.set()
    eventually(lambda: not knows(ring, OLD))
    assert knows(ring, NEW)
    assert server.requests == 2


def test_without_the_endpoint_at_the_start_keys_are_unavailable(
    server: JwksServer, ring: KeyRing, clock: Clock
) -> None:
    """The error is not InvalidTokenError. The fetch is retried after 5 s."""
    server.stop()
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            ring.find(algorithm="ES256", key_id="old")
    server.start_again()
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    assert server.requests == 0
    clock.advance(KeysUnavailableError.retry_after)
    assert knows(ring, OLD)


def test_the_last_fetched_keys_are_used_while_the_endpoint_is_down(
    server: JwksServer, ring: KeyRing, clock: Clock
) -> None:
    """During an outage of the identity provider, users stay signed in."""
    assert knows(ring, OLD)
    server.stop()
    for _ in range(5):
        clock.advance(3600)
        assert knows(ring, OLD)
        assert not knows(ring, NEW)
    server.start_again()


def test_an_algorithm_never_finds_a_key_of_another_family(ring: KeyRing) -> None:
    """The type of the key determines the algorithms."""
    for algorithm, key_id in [("RS256", "old"), ("ES256", "rsa"), ("HS256", "rsa"), ("none", "rsa"), ("RS256", None)]:
        with pytest.raises(UnknownKeyError):
            ring.find(algorithm=algorithm, key_id=key_id)


def test_secret_and_key_set_can_be_used_together(server: JwksServer) -> None:
    """During a migration to published keys, a project has tokens of both kinds."""
    ring = KeyRing(secret=SECRET, jwks_url=server.url)
    assert ring.find(algorithm="HS256", key_id="whatever").algorithm_name == "HS256"
    assert server.requests == 0
    assert knows(ring, RSA)


def test_a_secret_in_addition_to_published_keys_is_logged_once(
    server: JwksServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The secret can sign tokens for any user, so it should be removed when it is not needed. It is not logged."""
    ring = KeyRing(secret=SECRET, jwks_url=server.url)
    ring.find(algorithm="HS256", key_id=None)
    assert not knows(ring, NEW)
    assert "SUPABASE_JWT_SECRET" not in caplog.text
    assert knows(ring, RSA)
    assert knows(ring, OLD)
    assert caplog.text.count("SUPABASE_JWT_SECRET is set, and this project publishes keys") == 1
    assert SECRET not in caplog.text
    assert knows(KeyRing(jwks_url=server.url), RSA)
    assert caplog.text.count("SUPABASE_JWT_SECRET") == 1


@pytest.mark.parametrize("settings", [{}, {"secret": "", "jwks_url": ""}, {"secret": "x" * 31}])
def test_a_ring_without_a_usable_key_is_refused(settings: dict[str, str]) -> None:
    """It is refused at the start, not at the first request."""
    with pytest.raises(ValueError, match="secret"):
        KeyRing(**settings)  # type: ignore[arg-type]
