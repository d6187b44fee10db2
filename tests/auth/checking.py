"""What the token tests share: two published keys, a ring that counts, and a look at refusals."""

import re
import traceback

import pytest
from jwt import PyJWK

from app.auth.keys import KeyRing
from app.auth.tokens import InvalidTokenError, TokenVerifier
from tests.auth.minting import es256, rs256

EC_KEY = es256("ec")
RSA_KEY = rs256("rsa")


class CountingRing(KeyRing):
    """A key ring that counts how often it was asked: one question for each signature checked."""

    asked = 0

    def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
        """Count and pass on."""
        self.asked += 1
        return super().find(algorithm=algorithm, key_id=key_id)


def refusal(verifier: TokenVerifier, token: str) -> str:
    """Return why `token` is refused, having made sure that the refusal gives nothing of it away."""
    with pytest.raises(InvalidTokenError) as caught:
        verifier.verify(token)
    reason = caught.value.reason
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", reason), "RFC 6750 §3 allows no other characters"
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in token.split(".") if len(part) > 8)
    return reason
