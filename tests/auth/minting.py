"""Access tokens signed with real keys, valid ones as from Supabase and forged ones."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS

SELLER = UUID("0b9e4a86-6f0c-4d0e-9a3e-2f4d8f6f2a11")
AUDIENCE = "authenticated"
ISSUER = "https://project.example/auth/v1"
SESSION = "5f0dd6b9-6f0a-4a40-8f0a-0d7a2d8b8a55"
SECRET = "a shared secret of the test project, long enough for HS256"
NOW = 1_800_000_000


class Clock:
    """A clock that moves only when `advance` is called. It is the only replaced part in these tests."""

    def __init__(self, now: float = NOW) -> None:
        """Start at `now` (seconds)."""
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds


@dataclass(frozen=True)
class Signer:
    """An algorithm, a private key, and the id under which its public key is published."""

    algorithm: str
    key: Any
    key_id: str | None = None

    def token(self, payload: dict[str, Any] | bytes, **header: Any) -> str:  # noqa: ANN401 - any JSON
        """Sign claims, or arbitrary bytes, with these additional header fields."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        named = {"kid": self.key_id} if self.key_id is not None else {}
        return PyJWS().encode(raw, self.key, algorithm=self.algorithm, headers={**named, **header})

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public key as a member of a key set."""
        algorithm = RSAAlgorithm if self.algorithm.startswith("RS") else ECAlgorithm
        public = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}


def hs256(secret: str = SECRET) -> Signer:
    """Return a signer with the project's shared secret, or with another."""
    return Signer("HS256", secret)


def es256(key_id: str) -> Signer:
    """Return a signer with a new P-256 key."""
    return Signer("ES256", ec.generate_private_key(ec.SECP256R1()), key_id)


def rs256(key_id: str, *, bits: int = 2048) -> Signer:
    """Return a signer with a new RSA key."""
    return Signer("RS256", rsa.generate_private_key(public_exponent=65537, key_size=bits), key_id)


def claims(*, without: str | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - wrong types on purpose
    """Return the claims of a seller's token, issued by Supabase at NOW for an hour, with these changes."""
    usual = {
        "sub": str(SELLER),
        "aud": AUDIENCE,
        "iss": ISSUER,
        "role": "authenticated",
        "email": "seller@example.com",
        "session_id": SESSION,
        "iat": NOW,
        "exp": NOW + 3600,
    }
    return {name: value for name, value in {**usual, **changes}.items() if name != without}


def segment(content: object) -> str:
    """Encode one segment of a token: bytes unchanged, other values as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
