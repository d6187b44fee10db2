"""Access to the database as Supabase's service_role, which may change the rows of every user.

Only operators' commands create a `ServiceRole`, never a web process. The key comes from the operator's environment.
Where the project signs tokens with a shared secret (as the local stack does), the command can instead make a token that
expires after 15 minutes.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from app.database import Database, OutcomeUnknownError
from config import Settings

VARIABLE: Final = "SUPABASE_SERVICE_KEY"
_TOKEN_SECONDS: Final = 900


class NoServiceKeyError(Exception):
    """There is no service_role key; the message says which variable to set."""


@contextmanager
def connected_service(settings: Settings) -> Iterator["Service"]:
    """Connect as service_role inside the block. The application itself never does. Raises NoServiceKeyError."""
    secret = settings.supabase_jwt_secret
    role = ServiceRole(
        settings.supabase_url,
        settings.supabase_key.get_secret_value(),
        secret.get_secret_value() if secret else None,
        timeout=settings.supabase_timeout,
    )
    with role.connected() as service:
        yield service


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """The settings to connect to the project as service_role.

    Attributes:
        url: the URL of the project.
        publishable_key: the API key that is sent with a token.
        jwt_secret: the project's shared HS256 secret, if it has one.
        timeout: seconds for each step of a call.

    """

    url: str
    publishable_key: str = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    timeout: float

    @contextmanager
    def connected(self) -> Iterator["Service"]:
        """Connect as service_role inside the block. Raises NoServiceKeyError."""
        given = os.environ.get(VARIABLE) or self._signed_token()
        # A secret key is not a token: it replaces the publishable key, and no bearer token is sent. The older
        # service_role key is a token: it is sent with the publishable key, as the tokens of users are.
        key, token = (given, "") if given.startswith("sb_secret_") else (self.publishable_key, given)
        database = Database(self.url, key, timeout=self.timeout, max_calls=1)
        try:
            yield Service(database, token)
        finally:
            database.close()

    def _signed_token(self) -> str:
        if not self.jwt_secret:
            raise NoServiceKeyError(f"Set {VARIABLE} to the project's secret (service_role) key for this command.")
        claims = {"role": "service_role", "aud": "authenticated", "exp": int(time.time()) + _TOKEN_SECONDS}
        return jwt.encode(claims, self.jwt_secret, "HS256")


@dataclass(frozen=True, slots=True)
class Service:
    """A connection as service_role. `token` is empty when the API key of `database` is the secret key."""

    database: Database
    token: str = field(repr=False)

    def find_user(self, email: str) -> str | None:
        """Return the id of the user with this e-mail address, or None. Raises the errors of `Database.read`."""
        found: Any = self.database.read(self.token, "find_user", {"p_email": email})
        return str(found["id"]) if isinstance(found, dict) else None

    def purge(self, *, days: int) -> tuple[int, int]:
        """Permanently remove a bounded number of deals that were deleted more than `days` ago.

        Returns how many deals and how many products were removed. The breakdown does not count them, so no cache entry
        is invalidated. Raises the errors of `Database.change`.
        """
        removed = self.database.change(self.token, "purge_deals", {"p_days": days})
        return _number(removed, "deals"), _number(removed, "products")

    def purge_keys(self) -> int:
        """Remove a bounded number of idempotency keys that are no longer valid, and return their number.

        Raises the errors of `Database.change`.
        """
        return _number(self.database.change(self.token, "purge_idempotency_keys", {}), "keys")

    def purge_batches(self) -> int:
        """Remove a bounded number of rows of batches that are too old to be undone, and return their number.

        Raises the errors of `Database.change`.
        """
        return _number(self.database.change(self.token, "purge_batches", {}), "rows")


def _number(answer: Any, name: str) -> int:  # noqa: ANN401 - any JSON
    """Return a number in the answer to a change. Raises OutcomeUnknownError if it is missing."""
    try:
        return int(answer[name])
    except (KeyError, TypeError, ValueError):
        raise OutcomeUnknownError from None
