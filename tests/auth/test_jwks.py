"""Answers of a key set endpoint, invalid and slow ones included, and the keys that are accepted."""

import threading
import time
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.keys import KeyRing, KeysUnavailableError, UnknownKeyError
from local.processes import wait_until
from tests.auth.checking import NEW, OLD, RSA, has_key
from tests.auth.jwks import JwksServer
from tests.auth.minting import Clock, Signer, rs256

_SLACK = 2.0  # seconds; tolerance for a busy machine
P384 = Signer("ES384", ec.generate_private_key(ec.SECP384R1()), "curve")


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
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock, invalid_body: bytes
) -> None:
    """An invalid answer is treated like no answer."""
    key_set.body = invalid_body
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")
    key_set.body = None
    key_clock.advance(5)
    assert has_key(key_ring, OLD)
    key_set.body = invalid_body
    key_clock.advance(25)
    assert not has_key(key_ring, NEW)
    assert has_key(key_ring, OLD)
    assert key_set.requests == 3


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_only_status_200_is_accepted(key_set: JwksServer, key_ring: KeyRing, status: int) -> None:
    """Even if an error page contains a key set."""
    key_set.status = status
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")


@pytest.mark.parametrize("slow_part", [None, "body"], ids=["silent", "slow"])
def test_a_slow_endpoint_costs_three_seconds_at_most(
    key_set: JwksServer, key_ring: KeyRing, key_clock: Clock, slow_part: Literal["body"] | None
) -> None:
    """The request fails within 3 s, and soon after the fetch ends although the endpoint still sends."""
    key_set.slow_part = slow_part
    if slow_part is None:
        key_set.may_answer.clear()
    started = time.monotonic()
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")
    assert time.monotonic() - started < 3 + _SLACK
    assert wait_until(lambda: not any(thread.name == "jwks-fetch" for thread in threading.enumerate()), seconds=10)
    key_set.slow_part = None
    key_set.may_answer.set()
    key_clock.advance(5)
    assert has_key(key_ring, OLD)


def test_a_hanging_fetch_is_replaced_by_another(key_set: JwksServer, key_ring: KeyRing, key_clock: Clock) -> None:
    """An endpoint that sends headers slowly never triggers a read timeout. A later fetch replaces the hanging one."""
    key_set.slow_part = "headers"
    started = time.monotonic()
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")
    assert time.monotonic() - started < 3 + _SLACK
    key_set.slow_part = None
    key_clock.advance(24.9)
    with pytest.raises(KeysUnavailableError):
        key_ring.find(algorithm="ES256", key_id="old")
    key_clock.advance(0.1)
    assert has_key(key_ring, OLD)
    assert key_set.requests == 2


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
    with JwksServer(*members, nameless, "text", None, RSA.public_jwk) as key_set:  # type: ignore[arg-type]
        key_ring = KeyRing(jwks_url=key_set.url)
        assert has_key(key_ring, RSA)
        for key_id in unsupported:
            for algorithm in ("ES256", "RS256", "HS256", "RS512", "ES384"):
                with pytest.raises(UnknownKeyError):
                    key_ring.find(algorithm=algorithm, key_id=key_id)


def test_a_published_private_key_is_dropped() -> None:
    """The ring holds public halves only."""
    with JwksServer({**OLD.public_jwk, "d": "c2VjcmV0"}) as key_set:
        key = KeyRing(jwks_url=key_set.url).find(algorithm="ES256", key_id="old")
    assert not hasattr(key.key, "private_numbers")
