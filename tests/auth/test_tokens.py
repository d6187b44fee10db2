"""Access tokens with a valid signature: the identity in them, and claims that are refused."""

from typing import Any

import pytest

from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import Identity, TokenVerifier
from tests.auth.checking import EC_KEY, RSA_KEY, CountingRing, refusal
from tests.auth.jwks import JwksServer
from tests.auth.minting import AUDIENCE, ISSUER, NOW, SECRET, SELLER, SESSION, Clock, Signer, claims, hs256


@pytest.mark.parametrize("signer", [hs256(), EC_KEY, RSA_KEY], ids=lambda signer: signer.algorithm)
def test_a_valid_token_identifies_its_seller(verifier: TokenVerifier, signer: Signer) -> None:
    """For every signing algorithm."""
    token = signer.token(claims())
    assert verifier.verify(token) == Identity(
        user_id=str(SELLER), email="seller@example.com", expires_at=NOW + 3600, session_id=SESSION, token=token
    )


def test_the_user_id_is_normalized(verifier: TokenVerifier) -> None:
    """The user id is a cache key. Two spellings would be two entries."""
    assert verifier.verify(hs256().token(claims(sub=str(SELLER).upper()))).user_id == str(SELLER)


@pytest.mark.parametrize("email", [None, 5, ""])
def test_an_account_without_an_e_mail_address_has_an_empty_one(verifier: TokenVerifier, email: object) -> None:
    """Accounts with a phone number have no e-mail address."""
    assert verifier.verify(hs256().token(claims(email=email))).email == ""


def test_the_token_is_not_part_of_the_printed_identity(verifier: TokenVerifier) -> None:
    """Logging an identity does not log the token."""
    token = hs256().token(claims())
    assert token not in repr(verifier.verify(token))
    assert token.split(".")[2] not in str(verifier.verify(token))


@pytest.mark.parametrize(
    ("claim", "session_id"), [(SESSION.upper(), SESSION), (None, ""), (5, ""), ("", ""), ("no uuid", "")]
)
def test_the_session_id_is_optional(verifier: TokenVerifier, claim: object, session_id: str) -> None:
    """A token without it is valid for API clients, whose session is not checked."""
    assert verifier.verify(hs256().token(claims(session_id=claim))).session_id == session_id


@pytest.mark.parametrize("declared", ["JWT", "jwt", None])
def test_the_type_header_may_be_jwt_or_missing(verifier: TokenVerifier, declared: str | None) -> None:
    """RFC 7519 §5.1: case-insensitive and optional."""
    assert verifier.verify(hs256().token(claims(), typ=declared)).user_id == str(SELLER)


@pytest.mark.parametrize("declared", ["at+jwt", "JWE", "dpop+jwt", "JWT ", 5, ["JWT"], {"JWT": 1}, True])
def test_a_token_of_another_type_is_refused(verifier: TokenVerifier, declared: object) -> None:
    """It is signed correctly, but for another purpose (RFC 8725 §3.11)."""
    assert refusal(verifier, hs256().token(claims(), typ=declared)) == "its type is not that of an access token"


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_one_matching_audience_is_enough(verifier: TokenVerifier, audience: object) -> None:
    """RFC 7519 §4.1.3."""
    assert verifier.verify(hs256().token(claims(aud=audience))).user_id == str(SELLER)


def test_the_issuer_is_checked_only_if_configured(ring: CountingRing, clock: Clock) -> None:
    """Tokens of the embedded stack have no issuer."""
    lenient = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    assert lenient.verify(hs256().token(claims(without="iss"))).user_id == str(SELLER)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "foreign issuer": ({"iss": "https://elsewhere.example/auth/v1"}, "it comes from another issuer"),
    "issuer of the wrong type": ({"iss": [ISSUER]}, "it comes from another issuer"),
    "no issuer": ({"without": "iss"}, "it lacks the claim iss"),
    "foreign audience": ({"aud": "elsewhere"}, "it is meant for another audience"),
    "audience of the wrong type": ({"aud": 7}, "it is meant for another audience"),
    "no matching audience": ({"aud": ["a", "b"]}, "it is meant for another audience"),
    "no audience": ({"without": "aud"}, "it lacks the claim aud"),
    "no subject": ({"without": "sub"}, "it lacks the claim sub"),
    "subject not a uuid": ({"sub": "admin"}, "its subject is not a user id"),
    "subject a number": ({"sub": 5}, "it is malformed"),
    "no expiry": ({"without": "exp"}, "it lacks the claim exp"),
    "expiry null": ({"exp": None}, "it lacks the claim exp"),
    "expiry text": ({"exp": str(NOW + 60)}, "its claim exp is not a time"),
    "expiry true": ({"exp": True}, "its claim exp is not a time"),
    "expiry infinite": ({"exp": float("inf")}, "its claim exp is not a time"),
    "expiry not a number": ({"exp": float("nan")}, "its claim exp is not a time"),
    "expiry huge": ({"exp": 10**400}, "its claim exp is not a time"),
    "expired": ({"exp": NOW - 10}, "it has expired"),
    "not yet valid": ({"nbf": NOW + 11}, "it is not valid yet"),
    "not-before text": ({"nbf": "now"}, "its claim nbf is not a time"),
    "issued in the future": ({"iat": NOW + 11}, "it is not valid yet"),
    "anon key": ({"role": "anon"}, "its role is not that of a signed-in user"),
    "service key": ({"role": "service_role"}, "its role is not that of a signed-in user"),
    "no role": ({"without": "role"}, "its role is not that of a signed-in user"),
    "role list": ({"role": ["authenticated"]}, "its role is not that of a signed-in user"),
}


@pytest.mark.parametrize("signer", [hs256(), EC_KEY, RSA_KEY], ids=lambda signer: signer.algorithm)
@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_signed_tokens_with_invalid_claims_are_refused(
    verifier: TokenVerifier, signer: Signer, changes: dict[str, Any], reason: str
) -> None:
    """A valid signature does not prove that the token is for this application, this time or a seller."""
    assert refusal(verifier, signer.token(claims(**changes))) == reason


@pytest.mark.parametrize("changes", [{"exp": NOW - 9}, {"nbf": NOW + 10}, {"iat": NOW + 10}])
def test_clocks_may_differ_by_ten_seconds(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    """The leeway between the issuer's clock and ours."""
    assert verifier.verify(hs256().token(claims(**changes))).user_id == str(SELLER)


def test_unavailable_keys_are_an_error_of_their_own(clock: Clock) -> None:
    """The token is neither accepted nor refused. A token with the other algorithm is still verified."""
    with JwksServer() as gone:
        url = gone.url
    ring = KeyRing(secret=SECRET, jwks_url=url)
    verifier = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    with pytest.raises(KeysUnavailableError):
        verifier.verify(EC_KEY.token(claims()))
    assert verifier.verify(hs256().token(claims())).user_id == str(SELLER)


@pytest.mark.parametrize("claim", ["exp", "sub", "aud"])
def test_tokens_of_the_embedded_stack_need_the_same_claims(ring: CountingRing, clock: Clock, claim: str) -> None:
    """Without a configured issuer, the other claims are still required."""
    lenient = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    assert refusal(lenient, hs256().token(claims(without=claim))) == f"it lacks the claim {claim}"
