"""The settings and the token check that all contenders share."""

import os
from dataclasses import dataclass, field
from typing import Final

import jwt

__all__ = ["CONNECTIONS", "REDIS_SECONDS", "REDIS_URL", "TTL", "Caller", "NotSignedInError", "caller"]

REDIS_URL: Final = os.environ["REDIS_URL"]
TTL: Final = int(os.environ["CACHE_TTL"])
CONNECTIONS: Final = max(10, int(os.environ["THREADS"]))
REDIS_SECONDS: Final = 2.0

_SECRET: Final = os.environ["SUPABASE_JWT_SECRET"]


class NotSignedInError(Exception):
    """The request has no valid token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The calling user and the access token."""

    user_id: str
    token: str = field(repr=False)


def caller(authorization: str | None) -> Caller:
    """Return the user of a header `Bearer <token>`. Raises NotSignedInError if the token is not valid."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer":
        raise NotSignedInError
    try:
        claims = jwt.decode(token, _SECRET, algorithms=["HS256"], audience="authenticated")
        return Caller(claims["sub"], token)
    except (jwt.PyJWTError, KeyError):
        raise NotSignedInError from None
