"""Read a JSON Web Key Set (RFC 7517) from a URL into the public keys this application accepts."""

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

# Keys by (algorithm, key id): the algorithm comes from the key's family, never from a token, so an RSA key can
# verify RS256 and nothing else (RFC 8725 §3.1).
KeySet: TypeAlias = Mapping[tuple[str, str], PyJWK]

TIMEOUT_SECONDS: Final = 2.0
_LARGEST_DOCUMENT_BYTES: Final = 256 * 1024
_SMALLEST_RSA_BITS: Final = 2048  # RFC 7518 §3.3
_PUBLIC_MEMBERS: Final = ("kty", "kid", "crv", "x", "y", "n", "e")


def download_key_set(url: str) -> KeySet:
    """Fetch and read the key set at `url`, giving up when it is slow (2 s), large (256 KiB) or moved.

    Raises:
        httpx.HTTPError, httpx.InvalidURL: the endpoint could not be reached or did not answer 200.
        ValueError, RecursionError: the answer is not a JSON Web Key Set.

    """
    give_up_at = time.monotonic() + TIMEOUT_SECONDS
    document = bytearray()
    with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS, follow_redirects=False, verify=_authorities()) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            document += chunk
            if len(document) > _LARGEST_DOCUMENT_BYTES:
                raise ValueError("the key set is too large")
            # httpx limits each wait, not their sum: an endpoint that drips would hold us for hours.
            if time.monotonic() > give_up_at:
                raise httpx.ReadTimeout("the key set took too long", request=response.request)
    return parse_key_set(bytes(document))


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Read the certificates of all authorities once: for each fetch anew it would hold up the requests meanwhile."""
    return httpx.create_ssl_context()


def parse_key_set(document: bytes) -> KeySet:
    """Return the ES256 and RS256 keys of a JSON Web Key Set; members of other kinds are passed over (RFC 7517 §5).

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
    """Return the signature-checking key in one member of a set, or None when it is not one we accept."""
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
        # Only the public half: a private member published by mistake must not end up in our memory.
        key = PyJWK({name: member[name] for name in _PUBLIC_MEMBERS if name in member}, algorithm)
    except PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SMALLEST_RSA_BITS:
        return None
    return key
