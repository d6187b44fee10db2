"""Helpers of the token and key tests: published keys, a counting key ring, and a check of refusals."""

import re
import traceback

import pytest
from jwt import PyJWK

from app.auth.keys import KeyRing, UnknownKeyError
from app.auth.tokens import InvalidTokenError, TokenVerifier
from tests.auth.minting import Signer, es256, rs256

EC_KEY = es256("ec")
RSA_KEY = rs256("rsa")
OLD, NEW, RSA = es256("old"), es256("new"), rs256("rsa")
"""Keys of the fixture `key_set`, which publishes OLD and RSA at first."""


class CountingRing(KeyRing):
    """A key ring that counts its lookups. There is one lookup for each signature check."""

    lookups = 0

    def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
        """Count the lookup and find the key."""
        self.lookups += 1
        return super().find(algorithm=algorithm, key_id=key_id)


def refusal(verifier: TokenVerifier, token: str) -> str:
    """Return the reason why `token` is refused, after checking that the error contains no part of it."""
    with pytest.raises(InvalidTokenError) as caught:
        verifier.verify(token)
    reason = caught.value.reason
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", reason), "RFC 6750 §3 allows no other characters"
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in token.split(".") if len(part) > 8)
    return reason


def has_key(ring: KeyRing, signer: Signer) -> bool:
    """Return whether the ring has the signer's key."""
    try:
        return ring.find(algorithm=signer.algorithm, key_id=signer.key_id).key_id == signer.key_id
    except UnknownKeyError:
        return False
