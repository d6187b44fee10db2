"""Download a JSON Web Key Set (RFC 7517) and return the public keys that this application accepts."""

import functools
import json
import ssl
import time
from collections.abc import Mapping
from typing import Final, TypeAlias

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

# Keys by (algorithm, key id). The algorithm follows from the type of the key and never from a token, so an RSA key
# verifies only RS256 (RFC 8725 §3.1).
KeySet: TypeAlias = Mapping[tuple[str, str], PyJWK]

TIMEOUT_SECONDS: Final = 2.0
_LARGEST_DOCUMENT_BYTES: Final = 256 * 1024
_SMALLEST_RSA_BITS: Final = 2048  # RFC 7518 §3.3
_PUBLIC_MEMBERS: Final = ("kty", "kid", "crv", "x", "y", "n", "e")


def download_key_set(url: str) -> KeySet:
    """Download the key set at `url`. Limits: 2 s, 256 KiB, no redirects.

    Raises:
        httpx.HTTPError, httpx.InvalidURL: the endpoint could not be reached, or did not respond with 200.
        ValueError, RecursionError: the response is not a JSON Web Key Set.

    """
    give_up_at = time.monotonic() + TIMEOUT_SECONDS
    document = bytearray()
    with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS, follow_redirects=False, verify=_authorities()) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            document += chunk
            if len(document) > _LARGEST_DOCUMENT_BYTES:
                raise ValueError("the key set is too large")
            # httpx limits each read, not their sum. A slow endpoint could keep this loop busy for hours.
            if time.monotonic() > give_up_at:
                raise httpx.ReadTimeout("the key set took too long", request=response.request)
    return parse_key_set(bytes(document))


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Load the root certificates once. Loading them for each fetch would delay requests."""
    return httpx.create_ssl_context()


def parse_key_set(document: bytes) -> KeySet:
    """Return the ES256 and RS256 keys of a JSON Web Key Set. Other members are ignored (RFC 7517 §5).

    Raises:
        ValueError, RecursionError: `document` is not JSON, or not a key set.

    """
    match json.loads(document):
        case {"keys": list(members)}:
            keys = [key for member in members if (key := _usable_key(member)) is not None]
            return {(key.algorithm_name, str(key.key_id)): key for key in keys}
        case _:
            raise ValueError("not a JSON Web Key Set")


def _usable_key(member: object) -> PyJWK | None:
    """Return the public key of one member of a set, or None if it is not accepted."""
    if not isinstance(member, dict):
        return None
    match member:
        case {"kty": "EC", "crv": "P-256", "kid": str()}:
            algorithm = "ES256"
        case {"kty": "RSA", "kid": str()}:
            algorithm = "RS256"
        case _:
            return None
    if member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
        return None
    try:
        # Only the public part: a private key that was published by mistake must not be kept in memory.
        key = PyJWK({name: member[name] for name in _PUBLIC_MEMBERS if name in member}, algorithm)
    except PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SMALLEST_RSA_BITS:
        return None
    return key
