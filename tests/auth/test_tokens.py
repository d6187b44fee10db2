"""Access tokens with a good signature: whose they are, and which claims do not fit."""

from typing import Any

import pytest

from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import Identity, TokenVerifier
from tests.auth.checking import EC_KEY, RSA_KEY, CountingRing, refusal
from tests.auth.jwks import JwksServer
from tests.auth.minting import AUDIENCE, ISSUER, NOW, SECRET, SELLER, SESSION, Clock, Signer, claims, hs256


@pytest.mark.parametrize("signer", [hs256(), EC_KEY, RSA_KEY], ids=lambda signer: signer.algorithm)
def test_a_sellers_token_tells_who_they_are(verifier: TokenVerifier, signer: Signer) -> None:
    """Whichever way the project signs."""
    token = signer.token(claims())
    assert verifier.verify(token) == Identity(
        user_id=str(SELLER), email="seller@example.com", expires_at=NOW + 3600, session_id=SESSION, token=token
    )


def test_the_user_id_has_one_spelling(verifier: TokenVerifier) -> None:
    """It is a cache key: two spellings would be two entries."""
    assert verifier.verify(hs256().token(claims(sub=str(SELLER).upper()))).user_id == str(SELLER)


@pytest.mark.parametrize("email", [None, 5, ""])
def test_an_account_without_an_address_has_an_empty_one(verifier: TokenVerifier, email: object) -> None:
    """Phone accounts have none."""
    assert verifier.verify(hs256().token(claims(email=email))).email == ""


def test_the_token_is_not_part_of_the_printed_identity(verifier: TokenVerifier) -> None:
    """Whatever logs an identity logs no credential."""
    token = hs256().token(claims())
    assert token not in repr(verifier.verify(token))
    assert token.split(".")[2] not in str(verifier.verify(token))


@pytest.mark.parametrize(
    ("claim", "session_id"), [(SESSION.upper(), SESSION), (None, ""), (5, ""), ("", ""), ("no uuid", "")]
)
def test_a_token_may_name_no_session(verifier: TokenVerifier, claim: object, session_id: str) -> None:
    """It is good for a program, which no session is asked about."""
    assert verifier.verify(hs256().token(claims(session_id=claim))).session_id == session_id


@pytest.mark.parametrize("declared", ["JWT", "jwt", None])
def test_an_access_token_says_that_it_is_a_jwt_or_nothing(verifier: TokenVerifier, declared: str | None) -> None:
    """RFC 7519 §5.1: in any case of letters, and optional."""
    assert verifier.verify(hs256().token(claims(), typ=declared)).user_id == str(SELLER)


@pytest.mark.parametrize("declared", ["at+jwt", "JWE", "dpop+jwt", "JWT ", 5, ["JWT"], {"JWT": 1}, True])
def test_a_token_of_another_type_is_refused(verifier: TokenVerifier, declared: object) -> None:
    """Well signed, for something else (RFC 8725 §3.11)."""
    assert refusal(verifier, hs256().token(claims(), typ=declared)) == "its type is not that of an access token"


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_one_fitting_audience_is_enough(verifier: TokenVerifier, audience: object) -> None:
    """RFC 7519 §4.1.3."""
    assert verifier.verify(hs256().token(claims(aud=audience))).user_id == str(SELLER)


def test_the_issuer_matters_only_when_configured(ring: CountingRing, clock: Clock) -> None:
    """The embedded stack names none."""
    lenient = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    assert lenient.verify(hs256().token(claims(without="iss"))).user_id == str(SELLER)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "foreign issuer": ({"iss": "https://elsewhere.example/auth/v1"}, "it comes from another issuer"),
    "issuer of a wrong type": ({"iss": [ISSUER]}, "it comes from another issuer"),
    "no issuer": ({"without": "iss"}, "it lacks the claim iss"),
    "foreign audience": ({"aud": "elsewhere"}, "it is meant for another audience"),
    "audience of a wrong type": ({"aud": 7}, "it is meant for another audience"),
    "no fitting audience": ({"aud": ["a", "b"]}, "it is meant for another audience"),
    "no audience": ({"without": "aud"}, "it lacks the claim aud"),
    "no subject": ({"without": "sub"}, "it lacks the claim sub"),
    "subject no uuid": ({"sub": "admin"}, "its subject is not a user id"),
    "subject a number": ({"sub": 5}, "it is malformed"),
    "no expiry": ({"without": "exp"}, "it lacks the claim exp"),
    "expiry null": ({"exp": None}, "it lacks the claim exp"),
    "expiry text": ({"exp": str(NOW + 60)}, "its claim exp is not a time"),
    "expiry true": ({"exp": True}, "its claim exp is not a time"),
    "expiry endless": ({"exp": float("inf")}, "its claim exp is not a time"),
    "expiry no number": ({"exp": float("nan")}, "its claim exp is not a time"),
    "expiry absurd": ({"exp": 10**400}, "its claim exp is not a time"),
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
def test_well_signed_claims_that_do_not_fit_are_refused(
    verifier: TokenVerifier, signer: Signer, changes: dict[str, Any], reason: str
) -> None:
    """A signature alone proves nothing about this application, this moment or a seller."""
    assert refusal(verifier, signer.token(claims(**changes))) == reason


@pytest.mark.parametrize("changes", [{"exp": NOW - 9}, {"nbf": NOW + 10}, {"iat": NOW + 10}])
def test_clocks_may_differ_by_ten_seconds(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    """The issuer's and ours."""
    assert verifier.verify(hs256().token(claims(**changes))).user_id == str(SELLER)


def test_keys_that_could_never_be_fetched_say_nothing_about_a_token(clock: Clock) -> None:
    """It is neither good nor bad; a token of the other family is still checked."""
    with JwksServer() as gone:
        url = gone.url
    ring = KeyRing(secret=SECRET, jwks_url=url)
    verifier = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    with pytest.raises(KeysUnavailableError):
        verifier.verify(EC_KEY.token(claims()))
    assert verifier.verify(hs256().token(claims())).user_id == str(SELLER)


@pytest.mark.parametrize("claim", ["exp", "sub", "aud"])
def test_the_embedded_stacks_tokens_need_the_same_claims(ring: CountingRing, clock: Clock, claim: str) -> None:
    """Where no issuer is configured, nothing else is let go."""
    lenient = TokenVerifier(ring, audience=AUDIENCE, wall_clock=clock)
    assert refusal(lenient, hs256().token(claims(without=claim))) == f"it lacks the claim {claim}"
