"""Access tokens that must be refused: forged, malformed, expired, or issued for another purpose."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Any, Final

import jwt

from tests.auth.minting import Signer, es256, hs256, rs256, segment
from tests.auth.test_forgery import MALFORMED

_ALGORITHMS: Final = ("none", "None", "nOnE", "", None, ["HS256"], {"HS256": 1}, 256)
_HOUR: Final = 3600


def forgeries(valid: str, secret: str) -> dict[str, str]:
    """Return tokens that must all be refused, by the name of their defect.

    Args:
        valid: a valid token, which the forgeries modify.
        secret: the project's signing secret, for tokens with a valid signature and invalid claims.

    """
    claims = jwt.decode(valid, options={"verify_signature": False})
    unsigned, foreign = _unsigned(claims), _signed_by_others(claims)
    return {**unsigned, **foreign, **_altered(valid, claims), **_with_invalid_claims(claims, secret), **_malformed()}


def _unsigned(claims: dict[str, Any]) -> dict[str, str]:
    return {
        f"algorithm {algorithm!r} {name}": f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims)}.{signature}"
        for algorithm in _ALGORITHMS
        for name, signature in (("without signature", ""), ("with an invalid signature", segment(b"x" * 32)))
    }


def _signed_by_others(claims: dict[str, Any]) -> dict[str, str]:
    secret, curve = "another project's secret, which is long enough for HS512: 64 bytes ...", es256("unknown")
    return {
        "another secret": hs256(secret).token(claims),
        "an empty secret": _hs256_with(b"", claims),
        "HS384": Signer("HS384", secret).token(claims),
        "HS512": Signer("HS512", secret).token(claims),
        "ES256, key unknown": curve.token(claims),
        "ES256, key in the header": curve.token(claims, jwk=curve.public_jwk),
        "ES256, key at a URL": curve.token(claims, jku="https://evil.example/jwks.json"),
        "ES256, certificate at a URL": curve.token(claims, x5u="https://evil.example/cert.pem"),
        "ES256, key in a file": curve.token(claims, kid="../../../../dev/null"),
        "RS256, key unknown": rs256("unknown").token(claims),
    }


def _hs256_with(secret: bytes, claims: dict[str, Any]) -> str:
    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}"
    return f"{signed}.{segment(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _altered(valid: str, claims: dict[str, Any]) -> dict[str, str]:
    header, payload, signature = valid.split(".")
    other = segment({**claims, "sub": str(uuid.uuid4())})
    return {
        "another subject": f"{header}.{other}.{signature}",
        "another role": f"{header}.{segment({**claims, 'role': 'service_role'})}.{signature}",
        "later expiry": f"{header}.{segment({**claims, 'exp': claims['exp'] + _HOUR})}.{signature}",
        "altered header": f"{segment({'alg': 'HS256', 'typ': 'JWT', 'more': 1})}.{payload}.{signature}",
        "empty signature": f"{header}.{payload}.",
        "truncated signature": f"{header}.{payload}.{signature[: len(signature) // 2]}",
        "other signature": f"{header}.{payload}.{segment(b'y' * 32)}",
        "reversed": valid[::-1],
        "truncated": valid[:-5],
        "repeated": f"{valid}.{valid}",
    }


def _with_invalid_claims(claims: dict[str, Any], secret: str) -> dict[str, str]:
    now = int(time.time())
    changes: dict[str, dict[str, object]] = {
        "expired": {"exp": now - _HOUR},
        "not yet valid": {"nbf": now + _HOUR},
        "issued in the future": {"iat": now + _HOUR},
        "another audience": {"aud": "another"},
        "list of other audiences": {"aud": ["a", "b"]},
        "numeric subject": {"sub": 7},
        "subject not a UUID": {"sub": "nobody"},
        "empty subject": {"sub": ""},
        "expiry as text": {"exp": "never"},
        "expiry as list": {"exp": [now + _HOUR]},
    }
    signer = hs256(secret)
    incomplete = {
        f"without {name}": signer.token({key: value for key, value in claims.items() if key != name})
        for name in ("exp", "sub", "aud")
    }
    return incomplete | {name: signer.token({**claims, **change}) for name, change in changes.items()}


def _malformed() -> dict[str, str]:
    deep = segment(json.dumps({"alg": "HS256"}).encode())
    return {
        **{name: token for name, token in MALFORMED.items() if not set(token) & {"\r", "\n", "\0"}},
        "huge": f"{deep}.{'A' * 7000}.{'B' * 200}",
    }
