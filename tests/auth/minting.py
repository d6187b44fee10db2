"""Access tokens made with real keys, as Supabase would sign them, and as a forger would."""

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
    """Time that moves only when told to; the one thing the identity tests replace."""

    def __init__(self, now: float = NOW) -> None:
        """Start at `now` (seconds)."""
        self.now = now

    def __call__(self) -> float:
        """Read the clock."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True)
class Signer:
    """Whoever signs tokens: an algorithm, a private key, and the id the key is published under."""

    algorithm: str
    key: Any
    key_id: str | None = None

    def token(self, payload: dict[str, Any] | bytes, **header: Any) -> str:  # noqa: ANN401 - header fields of any kind
        """Sign claims, or bytes that are none; further header fields as given."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        named = {"kid": self.key_id} if self.key_id is not None else {}
        return PyJWS().encode(raw, self.key, algorithm=self.algorithm, headers={**named, **header})

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The member that a key set publishes for this key."""
        algorithm = RSAAlgorithm if self.algorithm.startswith("RS") else ECAlgorithm
        public = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}


def hs256(secret: str = SECRET) -> Signer:
    """Sign with the project's shared secret, or a stranger's."""
    return Signer("HS256", secret)


def es256(key_id: str) -> Signer:
    """Make a fresh P-256 key."""
    return Signer("ES256", ec.generate_private_key(ec.SECP256R1()), key_id)


def rs256(key_id: str, *, bits: int = 2048) -> Signer:
    """Make a fresh RSA key."""
    return Signer("RS256", rsa.generate_private_key(public_exponent=65537, key_size=bits), key_id)


def claims(*, without: str | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - wrong types on purpose
    """Return what Supabase puts into a seller's token issued at NOW for an hour, changed as asked."""
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
    """Encode one part of a token by hand, as JSON (bytes as they are)."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
