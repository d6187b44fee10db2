"""Who is calling: the same check of the same token in every contender."""

import os
from dataclasses import dataclass, field
from typing import Final

import jwt

__all__ = ["Caller", "NotSignedInError", "caller"]

_SECRET: Final = os.environ["SUPABASE_JWT_SECRET"]


class NotSignedInError(Exception):
    """The request carries no good token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user and the token that says so."""

    user_id: str
    token: str = field(repr=False)


def caller(authorization: str | None) -> Caller:
    """Return whom a header `Bearer <token>` stands for. Raises NotSignedInError."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer":
        raise NotSignedInError
    try:
        claims = jwt.decode(token, _SECRET, algorithms=["HS256"], audience="authenticated")
        return Caller(claims["sub"], token)
    except (jwt.PyJWTError, KeyError):
        raise NotSignedInError from None
