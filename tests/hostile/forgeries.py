"""Access tokens that nobody may be known by: forged, confused, malformed, or meant for something else."""

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


def forgeries(true: str, secret: str) -> dict[str, str]:
    """Return tokens that must all be refused, by what is wrong with them.

    Args:
        true: a token that is accepted, to be changed.
        secret: what the project signs with, for tokens that are well signed and not good all the same.

    """
    claims = jwt.decode(true, options={"verify_signature": False})
    unsigned, strange = _unsigned(claims), _signed_by_others(claims)
    return {**unsigned, **strange, **_altered(true, claims), **_unfit(claims, secret), **_no_tokens()}


def _unsigned(claims: dict[str, Any]) -> dict[str, str]:
    return {
        f"algorithm {algorithm!r} {name}": f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims)}.{signature}"
        for algorithm in _ALGORITHMS
        for name, signature in (("without signature", ""), ("with some signature", segment(b"x" * 32)))
    }


def _signed_by_others(claims: dict[str, Any]) -> dict[str, str]:
    secret, curve = "a secret of somebody else that is long enough for HS512 too, of 64 bytes", es256("unknown")
    return {
        "another secret": hs256(secret).token(claims),
        "an empty secret": _hs256_with(b"", claims),
        "HS384": Signer("HS384", secret).token(claims),
        "HS512": Signer("HS512", secret).token(claims),
        "ES256, key unknown": curve.token(claims),
        "ES256, key brought along": curve.token(claims, jwk=curve.public_jwk),
        "ES256, key elsewhere": curve.token(claims, jku="https://evil.example/jwks.json"),
        "ES256, certificate elsewhere": curve.token(claims, x5u="https://evil.example/cert.pem"),
        "ES256, key a file": curve.token(claims, kid="../../../../dev/null"),
        "RS256, key unknown": rs256("unknown").token(claims),
    }


def _hs256_with(secret: bytes, claims: dict[str, Any]) -> str:
    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}"
    return f"{signed}.{segment(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _altered(true: str, claims: dict[str, Any]) -> dict[str, str]:
    header, payload, signature = true.split(".")
    other = segment({**claims, "sub": str(uuid.uuid4())})
    return {
        "another subject": f"{header}.{other}.{signature}",
        "another role": f"{header}.{segment({**claims, 'role': 'service_role'})}.{signature}",
        "a longer life": f"{header}.{segment({**claims, 'exp': claims['exp'] + _HOUR})}.{signature}",
        "another header": f"{segment({'alg': 'HS256', 'typ': 'JWT', 'more': 1})}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "half a signature": f"{header}.{payload}.{signature[: len(signature) // 2]}",
        "signature of another": f"{header}.{payload}.{segment(b'y' * 32)}",
        "reversed": true[::-1],
        "cut": true[:-5],
        "twice": f"{true}.{true}",
    }


def _unfit(claims: dict[str, Any], secret: str) -> dict[str, str]:
    now = int(time.time())
    changes: dict[str, dict[str, object]] = {
        "expired": {"exp": now - _HOUR},
        "not yet valid": {"nbf": now + _HOUR},
        "issued in the future": {"iat": now + _HOUR},
        "for another audience": {"aud": "somebody else"},
        "for a list of others": {"aud": ["a", "b"]},
        "subject a number": {"sub": 7},
        "subject no id": {"sub": "everybody"},
        "subject empty": {"sub": ""},
        "expiry a text": {"exp": "never"},
        "expiry a list": {"exp": [now + _HOUR]},
    }
    signer = hs256(secret)
    lacking = {
        f"without {name}": signer.token({key: value for key, value in claims.items() if key != name})
        for name in ("exp", "sub", "aud")
    }
    return lacking | {name: signer.token({**claims, **change}) for name, change in changes.items()}


def _no_tokens() -> dict[str, str]:
    deep = segment(json.dumps({"alg": "HS256"}).encode())
    return {
        **{name: token for name, token in MALFORMED.items() if not set(token) & {"\r", "\n", "\0"}},
        "huge": f"{deep}.{'A' * 7000}.{'B' * 200}",
    }
