"""What operators' commands may do that no user may: act as Supabase's service_role.

Only the commands that need it build a `ServiceRole`; no web process does. The key comes from the operator's own
environment, or, where the project signs tokens with a shared secret we know (the local stack), it is a token of a few
minutes.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from app.database import Database, OutcomeUnknownError

VARIABLE: Final = "SUPABASE_SERVICE_KEY"
_TOKEN_SECONDS: Final = 900


class NoServiceKeyError(Exception):
    """There is nothing to act as service_role with; the message says what to set."""


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """How to reach the project as service_role.

    Attributes:
        url: the project's.
        publishable_key: what a token is accompanied by.
        jwt_secret: the project's shared HS256 secret, where it has one.
        timeout: seconds for each call.

    """

    url: str
    publishable_key: str = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    timeout: float

    @contextmanager
    def connected(self) -> Iterator["Service"]:
        """Connect as service_role inside the block. Raises NoServiceKeyError."""
        given = os.environ.get(VARIABLE) or self._minted()
        # A secret key is no token: it goes where the publishable key does, and there is no bearer. The older
        # service_role key is a token, and accompanied by the publishable key as users' tokens are.
        key, token = (given, "") if given.startswith("sb_secret_") else (self.publishable_key, given)
        database = Database(self.url, key, timeout=self.timeout, max_calls=1)
        try:
            yield Service(database, token)
        finally:
            database.close()

    def _minted(self) -> str:
        if not self.jwt_secret:
            raise NoServiceKeyError(f"Set {VARIABLE} to the project's secret (service_role) key for this command.")
        claims = {"role": "service_role", "aud": "authenticated", "exp": int(time.time()) + _TOKEN_SECONDS}
        return jwt.encode(claims, self.jwt_secret, "HS256")


@dataclass(frozen=True, slots=True)
class Service:
    """The database and the token that makes its caller service_role; empty where the database's own key does."""

    database: Database
    token: str = field(repr=False)

    def find_user(self, email: str) -> str | None:
        """Return the id of the user with this address, if there is one. Raises what `Database.read` raises."""
        found: Any = self.database.read(self.token, "find_user", {"p_email": email})
        return str(found["id"]) if isinstance(found, dict) else None

    def purge(self, *, days: int) -> tuple[int, int]:
        """Remove a bounded number of long deleted deals for good; return how many deals and products went.

        Raises:
            DatabaseUnavailableError, DatabaseRefusalError: as `Database.change` does.

        """
        gone: Any = self.database.change(self.token, "purge_deals", {"p_days": days})
        try:
            return int(gone["deals"]), int(gone["products"])
        except (KeyError, TypeError, ValueError):
            raise OutcomeUnknownError from None
