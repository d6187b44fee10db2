"""Verify Supabase access tokens (JWT, RFC 7519). Verified tokens are cached, so most requests need only a lookup."""

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

from app.auth.expiring_cache import ExpiringCache
from app.auth.keys import KeyRing, UnknownKeyError

_LEEWAY_SECONDS: Final = 10  # accepted difference between our clock and the issuer's
_LONGEST_TOKEN: Final = 8192  # characters; gunicorn rejects longer header fields anyway
_LATEST_EPOCH_SECOND: Final = 253_402_300_799  # the end of the year 9999

# PyJWT also requires `iss` when an issuer is configured. Times are checked here, with the injected clock.
_DECODING: Final[Options] = {
    "require": ["exp", "sub", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class InvalidTokenError(Exception):
    """The token is invalid. `reason` completes "the access token was refused: …" and never quotes the token."""

    def __init__(self, reason: str) -> None:
        """Store the reason: ASCII without quotes, so that it fits into a header (RFC 6750 §3)."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that a verified token describes."""

    user_id: str
    """Canonical lower-case UUID text."""
    email: str
    """Empty if the account has none."""
    expires_at: int
    """Epoch seconds."""
    session_id: str
    """Id of the Supabase session that the token belongs to, as canonical UUID text; empty if the token names none."""
    token: str = field(repr=False)
    """The token itself, for database calls as this user. Excluded from repr, so that it is not logged."""


class TokenVerifier:
    """Verifies access tokens. A verified token is cached until it expires or a published key is withdrawn."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        audience: str,
        issuer: str | None = None,
        capacity: int = 10_000,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept tokens for `audience`, and only from `issuer` if it is given.

        `capacity` is the number of cached tokens; `wall_clock` returns epoch seconds.
        """
        self._keys = keys
        self._monotonic = keys.monotonic
        self._published = keys.published
        self._audience = audience
        self._issuer = issuer
        self._capacity = capacity
        self._wall_clock = wall_clock
        self._clear_cache()
        if self._published is not None:
            self._published.on_withdrawal(self._clear_cache)

    def verify(self, token: str) -> Identity:
        """Return the user that `token` belongs to.

        Raises:
            InvalidTokenError: it is malformed, forged, expired, or not a user's token for this application.
            KeysUnavailableError: the keys that verify it could not be fetched yet.

        """
        # Compare here and not in a method of the keys: this saves one call per cached token.
        if self._published is not None and self._monotonic() >= self._published.due_at:
            self._published.refresh()
        # Read the attribute before the key is found. If that key is withdrawn meanwhile, the attribute is replaced, and
        # this token is stored in the old cache, which is no longer used.
        cache = self.cached
        cached = cache.get(token)
        if cached is not None:
            return cached
        _check_form(token)
        identity = self._check(token)
        cache.put(token, identity, until=identity.expires_at)
        return identity

    def _clear_cache(self) -> None:
        """Replace the cache with an empty one. Tokens that are being verified meanwhile go into the old one."""
        self.cached: ExpiringCache[str, Identity] = ExpiringCache(self._capacity, clock=self._wall_clock)

    def _check(self, token: str) -> Identity:
        """Verify signature and claims of a token that is not cached."""
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
        """Return the key selected by the header of the token."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if not isinstance(algorithm, str):
                raise InvalidTokenError("its algorithm is not accepted here")
            _check_type(header.get("typ", "JWT"))
            return self._keys.find(algorithm=algorithm, key_id=header.get("kid"))
        except PyJWTError:
            # `from None` here and below: messages of PyJWT can quote the token.
            raise InvalidTokenError("it is malformed") from None
        except UnknownKeyError as error:
            raise InvalidTokenError(str(error)) from error

    def _decode(self, token: str, key: PyJWK) -> Mapping[str, Any]:
        """Verify signature, audience and issuer, and return the claims."""
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
    """Reject a text that cannot be a token, before it is parsed."""
    if len(token) > _LONGEST_TOKEN:
        raise InvalidTokenError("it is too long")
    if not token.isascii():
        raise InvalidTokenError("it is malformed")


def _check_type(declared: object) -> None:
    """Reject a token of another type (RFC 8725 §3.11). The type is case-insensitive (RFC 7519 §5.1)."""
    if not isinstance(declared, str) or declared.upper() != "JWT":
        raise InvalidTokenError("its type is not that of an access token")


def _reason(error: PyJWTError) -> str:
    """Return the reason for PyJWT's error, in our own words."""
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
    """Reject a token outside its period of validity, with the leeway (RFC 7519 §4.1.4-6)."""
    if now >= _epoch_seconds(claims, "exp") + _LEEWAY_SECONDS:
        raise InvalidTokenError("it has expired")
    for claim in ("nbf", "iat"):
        if claim in claims and _epoch_seconds(claims, claim) > now + _LEEWAY_SECONDS:
            raise InvalidTokenError("it is not valid yet")


def _epoch_seconds(claims: Mapping[str, Any], claim: str) -> float:
    """Return a time claim. Rejects NaN and Infinity too, which Python's JSON parser accepts."""
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_EPOCH_SECOND:
        raise InvalidTokenError(f"its claim {claim} is not a time")
    return value


def _user_id(subject: str) -> str:
    """Return the subject as canonical UUID text. It becomes a cache key, so each user must have only one spelling."""
    try:
        return str(UUID(subject))
    except ValueError:
        raise InvalidTokenError("its subject is not a user id") from None


def _session_id(claim: object) -> str:
    """Return the session id as canonical UUID text; empty if there is none, which is allowed for programs."""
    try:
        return str(UUID(claim)) if isinstance(claim, str) else ""
    except ValueError:
        return ""
