"""What a key set endpoint may answer, however badly, and which of its keys are taken."""

import threading
import time
from collections.abc import Iterator
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.keys import KeyRing, KeysUnavailableError, UnknownKeyError
from tests.auth.jwks import JwksServer, eventually
from tests.auth.minting import Clock, Signer, es256, rs256

OLD = es256("old")
NEW = es256("new")
RSA = rs256("rsa")
P384 = Signer("ES384", ec.generate_private_key(ec.SECP384R1()), "curve")


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


@pytest.mark.parametrize(
    "nonsense",
    [
        b"<!doctype html><title>502</title>",
        b'{"keys": [{"kty": "EC", "kid": "ol',
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"keys": {"old": 1}}',
        b"[" * 100_000,
        b'{"keys": []}' + b" " * 300_000,
    ],
    ids=["html", "truncated", "empty", "binary", "list", "null", "no keys", "keys no list", "deep", "too large"],
)
def test_nonsense_from_the_endpoint_changes_no_keys(
    server: JwksServer, ring: KeyRing, clock: Clock, nonsense: bytes
) -> None:
    """What is not a key set is as good as no answer."""
    server.body = nonsense
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    server.body = None
    clock.advance(5)
    assert knows(ring, OLD)
    server.body = nonsense
    clock.advance(25)
    assert not knows(ring, NEW)
    assert knows(ring, OLD)
    assert server.requests == 3


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_only_a_200_is_an_answer(server: JwksServer, ring: KeyRing, status: int) -> None:
    """Not even when an error page happens to carry a key set."""
    server.status = status
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")


@pytest.mark.parametrize("drips", [None, "body"], ids=["silent", "dripping"])
def test_a_slow_endpoint_costs_three_seconds_at_most(
    server: JwksServer, ring: KeyRing, clock: Clock, drips: Literal["body"] | None
) -> None:
    """Of the request and, soon after, of the fetch: it ends although the endpoint goes on."""
    server.drips = drips
    if drips is None:
        server.may_answer.clear()
    started = time.monotonic()
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    assert time.monotonic() - started < 3
    eventually(lambda: not any(thread.name == "jwks-fetch" for thread in threading.enumerate()))
    server.drips = None
    server.may_answer.set()
    clock.advance(5)
    assert knows(ring, OLD)


def test_a_fetch_that_hangs_is_succeeded_by_another(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """An endpoint that drips its headers defeats every read timeout; it must not be our last word."""
    server.drips = "headers"
    started = time.monotonic()
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    assert time.monotonic() - started < 3
    server.drips = None
    clock.advance(24.9)
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    clock.advance(0.1)
    assert knows(ring, OLD)
    assert server.requests == 2


def test_keys_of_other_kinds_are_passed_over() -> None:
    """Shared secrets, encryption keys, other curves, weak, nameless and broken keys: none becomes a key of ours."""
    elsewhere = {
        "encrypts": {**OLD.public_jwk, "use": "enc"},
        "other-alg": {**RSA.public_jwk, "alg": "RS512"},
        "weak": rs256("weak", bits=1024).public_jwk,
        "off-curve": {**OLD.public_jwk, "x": NEW.public_jwk["x"]},
        "half": {name: value for name, value in OLD.public_jwk.items() if name != "y"},
        "curve": {**P384.public_jwk, "alg": "ES256"},
        "shared": {"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"},
        "numbers": {"kty": "RSA", "n": 5, "e": 3},
    }
    nameless = {name: value for name, value in OLD.public_jwk.items() if name != "kid"}
    members = [{**member, "kid": key_id} for key_id, member in elsewhere.items()]
    with JwksServer(*members, nameless, "text", None, RSA.public_jwk) as server:  # type: ignore[arg-type]
        ring = KeyRing(jwks_url=server.url)
        assert knows(ring, RSA)
        for key_id in elsewhere:
            for algorithm in ("ES256", "RS256", "HS256", "RS512", "ES384"):
                with pytest.raises(UnknownKeyError):
                    ring.find(algorithm=algorithm, key_id=key_id)


def test_a_private_member_published_by_mistake_is_dropped() -> None:
    """The ring holds public halves only."""
    with JwksServer({**OLD.public_jwk, "d": "c2VjcmV0"}) as server:
        key = KeyRing(jwks_url=server.url).find(algorithm="ES256", key_id="old")
    assert not hasattr(key.key, "private_numbers")
