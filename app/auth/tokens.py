"""Check Supabase access tokens (JWT, RFC 7519) and remember the good ones, so that most requests pay only a lookup."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)
from jwt.types import Options

from app.auth.keys import KeyRing, UnknownKeyError
from app.auth.memory import BoundedMemory

_LEEWAY_SECONDS: Final = 10  # how far our clock and the issuer's may differ
_LONGEST_TOKEN: Final = 8192  # characters; gunicorn passes no longer header field either
_LATEST_EPOCH_SECOND: Final = 253_402_300_799  # the end of the year 9999

# A configured issuer makes PyJWT require `iss` too. Times are checked by us, on the injected clock.
_DECODING: Final[Options] = {
    "require": ["exp", "sub", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class InvalidTokenError(Exception):
    """The token proves nothing. `reason` completes "the access token was refused: …" and never quotes the token."""

    def __init__(self, reason: str) -> None:
        """Keep the reason: plain ASCII without quotes, fit for a header (RFC 6750 §3)."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Identity:
    """A seller, as a verified token describes them."""

    user_id: str
    """Canonical lower-case UUID text."""
    email: str
    """Empty when the account has none."""
    expires_at: int
    """Epoch seconds."""
    session_id: str
    """The session at Supabase that the token belongs to, canonical UUID text; empty when it names none."""
    token: str = field(repr=False)
    """The credential itself, to call the database as this user. Kept out of repr, and so out of logs."""


class TokenVerifier:
    """Turn access tokens into identities.

    A verified token is remembered until it expires or a published key is withdrawn.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        audience: str,
        issuer: str | None = None,
        capacity: int = 10_000,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept tokens for `audience`, and only from `issuer` when it is given.

        `capacity` counts remembered tokens; `wall_clock` returns epoch seconds.
        """
        self._keys = keys
        self._monotonic = keys.monotonic
        self._published = keys.published
        self._audience = audience
        self._issuer = issuer
        self._capacity = capacity
        self._wall_clock = wall_clock
        self._forget()
        if self._published is not None:
            self._published.on_withdrawal(self._forget)

    def verify(self, token: str) -> Identity:
        """Return whom `token` stands for.

        Raises:
            InvalidTokenError: it is malformed, forged, out of date, or not a seller's token for this application.
            KeysUnavailableError: the keys to check it with have never been fetched.

        """
        # Looked at here, and not by a method of the keys: this is all that a remembered token pays for withdrawals.
        if self._published is not None and self._monotonic() >= self._published.due_at:
            self._published.refresh()
        memory = self.remembered  # taken before the key is: should that be withdrawn, it is not the memory any more
        remembered = memory.recall(token)
        if remembered is not None:
            return remembered
        _check_form(token)
        identity = self._check(token)
        memory.remember(token, identity, until=identity.expires_at)
        return identity

    def _forget(self) -> None:
        """Remember nothing. What is being checked now, perhaps with a key that is gone, goes into the old memory."""
        self.remembered: BoundedMemory[str, Identity] = BoundedMemory(self._capacity, clock=self._wall_clock)

    def _check(self, token: str) -> Identity:
        """Verify signature and claims of a token not seen before."""
        claims = self._decode(token, self._key_for(token))
        _check_times(claims, now=self._wall_clock())
        if claims.get("role") != "authenticated":
            raise InvalidTokenError("its role is not that of a signed-in user")
        email = claims.get("email")
        return Identity(
            user_id=_user_id(claims["sub"]),
            email=email if isinstance(email, str) else "",
            expires_at=int(claims["exp"]),
            session_id=_session_id(claims.get("session_id")),
            token=token,
        )

    def _key_for(self, token: str) -> PyJWK:
        """Return the key that the token's header selects."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if not isinstance(algorithm, str):
                raise InvalidTokenError("its algorithm is not accepted here")
            _check_type(header.get("typ", "JWT"))
            return self._keys.find(algorithm=algorithm, key_id=header.get("kid"))
        except PyJWTError:
            # `from None` here and below: PyJWT's messages can quote the token's content.
            raise InvalidTokenError("it is malformed") from None
        except UnknownKeyError as error:
            raise InvalidTokenError(str(error)) from error

    def _decode(self, token: str, key: PyJWK) -> Mapping[str, Any]:
        """Return the claims once the signature, the audience and the issuer are right."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                options=_DECODING,
            )
        except PyJWTError as error:
            raise InvalidTokenError(_reason(error)) from None
        return claims


def _check_form(token: str) -> None:
    """Refuse what cannot be a token, before it is parsed."""
    if len(token) > _LONGEST_TOKEN:
        raise InvalidTokenError("it is too long")
    if not token.isascii():
        raise InvalidTokenError("it is malformed")


def _check_type(declared: object) -> None:
    """Refuse what says that it is another kind of token (RFC 8725 §3.11), in any case of letters (RFC 7519 §5.1)."""
    if not isinstance(declared, str) or declared.upper() != "JWT":
        raise InvalidTokenError("its type is not that of an access token")


def _reason(error: PyJWTError) -> str:
    """Say in our own words why PyJWT refused."""
    match error:
        case InvalidSignatureError():
            return "its signature does not match"
        case MissingRequiredClaimError():
            return f"it lacks the claim {error.claim}"
        case InvalidAudienceError():
            return "it is meant for another audience"
        case InvalidIssuerError():
            return "it comes from another issuer"
        case _:
            return "it is malformed"


def _check_times(claims: Mapping[str, Any], *, now: float) -> None:
    """Refuse a token outside its validity, give or take the leeway (RFC 7519 §4.1.4-6)."""
    if now >= _epoch_seconds(claims, "exp") + _LEEWAY_SECONDS:
        raise InvalidTokenError("it has expired")
    for claim in ("nbf", "iat"):
        if claim in claims and _epoch_seconds(claims, claim) > now + _LEEWAY_SECONDS:
            raise InvalidTokenError("it is not valid yet")


def _epoch_seconds(claims: Mapping[str, Any], claim: str) -> float:
    """Return a time claim. Written so that NaN and Infinity, which Python's JSON reads, fail too."""
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_EPOCH_SECOND:
        raise InvalidTokenError(f"its claim {claim} is not a time")
    return value


def _user_id(subject: str) -> str:
    """Return the subject as canonical UUID text: it becomes a cache key, so each user must have one spelling."""
    try:
        return str(UUID(subject))
    except ValueError:
        raise InvalidTokenError("its subject is not a user id") from None


def _session_id(claim: object) -> str:
    """Return the session as canonical UUID text, or nothing: a token without one is good for a program."""
    try:
        return str(UUID(claim)) if isinstance(claim, str) else ""
    except ValueError:
        return ""
