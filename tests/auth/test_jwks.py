"""Answers of a key set endpoint, invalid and slow ones included, and the keys that are accepted."""

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
    "invalid_body",
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
    ids=["html", "truncated", "empty", "binary", "list", "null", "no keys", "keys not a list", "deep", "too large"],
)
def test_an_invalid_answer_changes_no_keys(
    server: JwksServer, ring: KeyRing, clock: Clock, invalid_body: bytes
) -> None:
    """An invalid answer is treated like no answer."""
    server.body = invalid_body
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")
    server.body = None
    clock.advance(5)
    assert knows(ring, OLD)
    server.body = invalid_body
    clock.advance(25)
    assert not knows(ring, NEW)
    assert knows(ring, OLD)
    assert server.requests == 3


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_only_status_200_is_accepted(server: JwksServer, ring: KeyRing, status: int) -> None:
    """Even if an error page contains a key set."""
    server.status = status
    with pytest.raises(KeysUnavailableError):
        ring.find(algorithm="ES256", key_id="old")


@pytest.mark.parametrize("drips", [None, "body"], ids=["silent", "dripping"])
def test_a_slow_endpoint_costs_three_seconds_at_most(
    server: JwksServer, ring: KeyRing, clock: Clock, drips: Literal["body"] | None
) -> None:
    """The request fails within 3 s, and soon after the fetch ends although the endpoint still sends."""
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


def test_a_hanging_fetch_is_replaced_by_another(server: JwksServer, ring: KeyRing, clock: Clock) -> None:
    """An endpoint that sends headers slowly never triggers a read timeout. A later fetch replaces the hanging one."""
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


def test_unsupported_keys_are_skipped() -> None:
    """Shared secrets, encryption keys, other curves, and weak, nameless or broken keys are not accepted."""
    unsupported = {
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
    members = [{**member, "kid": key_id} for key_id, member in unsupported.items()]
    with JwksServer(*members, nameless, "text", None, RSA.public_jwk) as server:  # type: ignore[arg-type]
        ring = KeyRing(jwks_url=server.url)
        assert knows(ring, RSA)
        for key_id in unsupported:
            for algorithm in ("ES256", "RS256", "HS256", "RS512", "ES384"):
                with pytest.raises(UnknownKeyError):
                    ring.find(algorithm=algorithm, key_id=key_id)


def test_a_published_private_key_is_dropped() -> None:
    """The ring holds public halves only."""
    with JwksServer({**OLD.public_jwk, "d": "c2VjcmV0"}) as server:
        key = KeyRing(jwks_url=server.url).find(algorithm="ES256", key_id="old")
    assert not hasattr(key.key, "private_numbers")
