"""Forged and malformed tokens, and tokens with a confused algorithm: each is refused without another error."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.keys import KeyRing
from app.auth.tokens import TokenVerifier
from tests.auth.checking import EC_KEY, RSA_KEY, refusal
from tests.auth.jwks import JwksServer
from tests.auth.minting import (
    AUDIENCE,
    SECRET,
    SELLER,
    Clock,
    Signer,
    claims,
    es256,
    hs256,
    rs256,
    segment,
)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, ["HS256"], {"HS256": 1}, 256])
@pytest.mark.parametrize("signature", ["", segment(b"x" * 32)])
def test_a_token_with_an_unsupported_algorithm_is_refused(
    verifier: TokenVerifier, algorithm: object, signature: str
) -> None:
    """The algorithm `none` is refused in every spelling (RFC 8725 §3.2)."""
    for key_id in ("ec", "rsa"):
        token = f"{segment({'alg': algorithm, 'kid': key_id})}.{segment(claims())}.{signature}"
        assert refusal(verifier, token) == "its algorithm is not accepted here"


@pytest.mark.parametrize("signer", [EC_KEY, RSA_KEY], ids=lambda signer: signer.algorithm)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_public_key_is_not_accepted_as_a_shared_secret(
    server: JwksServer, verifier: TokenVerifier, clock: Clock, signer: Signer, encoding: Encoding
) -> None:
    """Algorithm confusion: HS256 with a public key as the secret (RFC 8725 §3.1)."""
    public = signer.key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{segment({'alg': 'HS256', 'kid': signer.key_id})}.{segment(claims())}"
    forged = f"{signed}.{segment(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"
    assert refusal(verifier, forged) == "its signature does not match"
    published_only = TokenVerifier(KeyRing(jwks_url=server.url), audience=AUDIENCE, wall_clock=clock)
    assert refusal(published_only, forged) == "its algorithm is not accepted here"


def test_a_signature_by_another_key_is_refused(verifier: TokenVerifier) -> None:
    """Another secret, a new key with a known id, a known key with another id, and an unknown id."""
    assert refusal(verifier, hs256(SECRET + "!").token(claims())) == "its signature does not match"
    assert refusal(verifier, es256("ec").token(claims())) == "its signature does not match"
    assert refusal(verifier, rs256("rsa").token(claims())) == "its signature does not match"
    assert refusal(verifier, EC_KEY.token(claims(), kid="rsa")) == "its signing key is not known"
    assert refusal(verifier, es256("unknown").token(claims())) == "its signing key is not known"
    assert refusal(verifier, Signer("ES256", EC_KEY.key).token(claims())) == "it does not name its signing key"
    assert (
        refusal(verifier, Signer("RS512", RSA_KEY.key, "rsa").token(claims())) == "its algorithm is not accepted here"
    )


def test_a_key_in_the_token_header_is_ignored(verifier: TokenVerifier) -> None:
    """A key in the token's header is not trusted."""
    attacker_key = es256("ec")
    assert (
        refusal(verifier, attacker_key.token(claims(), jwk=attacker_key.public_jwk)) == "its signature does not match"
    )


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_modified_token_is_refused(verifier: TokenVerifier, part: int) -> None:
    """It is refused although the original token was accepted and cached immediately before."""
    token = RSA_KEY.token(claims())
    verifier.verify(token)
    parts = token.split(".")
    raw = base64.urlsafe_b64decode(parts[part] + "==").replace(b"5f0d", b"5f0e")
    parts[part] = segment({**json.loads(raw), "more": 1} if part < 2 else bytes([raw[0] ^ 1]) + raw[1:])
    assert refusal(verifier, ".".join(parts)) == "its signature does not match"


HEADER = segment({"alg": "HS256"})
MALFORMED = {
    "empty": "",
    "a word": "token",
    "two segments": f"{HEADER}.{segment({})}",
    "four segments": f"{hs256().token(claims())}.{segment(b'more')}",
    "dots": "..",
    "bad base64": f"!!!!.{segment({})}.!!!!",
    "header not json": f"{segment(b'not json')}.{segment({})}.{segment(b'x')}",
    "header a list": f"{segment([])}.{segment({})}.{segment(b'x')}",
    "header not text": f"{segment(bytes([255, 254]))}.{segment({})}.{segment(b'x')}",
    "header deep": f"{segment(b'[' * 4000)}.{segment({})}.{segment(b'x')}",
    "key id a number": f"{segment({'alg': 'RS256', 'kid': 1})}.{segment({})}.{segment(b'x')}",
    "critical extension": f"{segment({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{segment({})}.{segment(b'x')}",
    "detached": f"{segment({'alg': 'HS256', 'b64': False, 'crit': ['b64']})}..{segment(b'x')}",
    "not ascii": hs256().token(claims()) + "é",
    "lone surrogate": "\ud800",
    "control characters": "a\x00.b\r\n.c",
    "spaces": f" {hs256().token(claims())}",
}


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    """Every malformed token is refused with InvalidTokenError and no other error."""
    assert refusal(verifier, token) == "it is malformed"


@pytest.mark.parametrize("payload", [b"[]", b"[" * 4000, b"\xff", b"null", b'{"exp": 1' + b"0" * 5000 + b"}"])
def test_a_signed_payload_that_is_not_an_object_is_refused(verifier: TokenVerifier, payload: bytes) -> None:
    """The signature is valid, but the payload has no claims."""
    assert refusal(verifier, hs256().token(payload)) == "it is malformed"


def test_a_huge_token_is_refused_without_parsing(verifier: TokenVerifier) -> None:
    """Even with a valid signature."""
    assert refusal(verifier, hs256().token(claims(more="x" * 1_000_000))) == "it is too long"
    assert verifier.verify(hs256().token(claims(more="x" * 5_000))).user_id == str(SELLER)
