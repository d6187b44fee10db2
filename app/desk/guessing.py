"""Sign in with a password that may be a guess: counted, told to the audit log, and no hint in how long it takes."""

import time
from math import ceil
from typing import Final

from flask import current_app

from app import audit
from app.addresses import client_address, network_of
from app.database import Database, DatabaseUnavailableError, Session
from app.limits import SIGN_IN_FROM, SIGN_IN_HERE, SIGN_IN_TO, Policy, give_back, take_all, tell

_REFUSED_SECONDS: Final = 0.5
"""A refusal takes a whole multiple of this, more than Supabase needs for any: it compares the password of an account
that exists with a slow hash, and answers ten times faster where there is no account."""
LONGEST: Final = 1000  # characters of an e-mail address or a password that are worth asking the database about


def attempt(email: str, password: str) -> Session | None:
    """Open a session; None when e-mail or password are wrong.

    Only failures use quotas up. A client that has used one up is refused before the password is looked at, so the right
    one helps a guesser no more than a wrong one.

    Raises:
        Problem: 429, beyond a limit.
        DatabaseUnavailableError: nobody can say whether they are right.

    """
    started, account = time.monotonic(), audit.account(email)
    counted = _quotas(account)
    standing = take_all(counted)
    if not standing.allowed:
        tell(standing, "sign-in", account=account)
    try:
        opened = _asked(email, password)
    except DatabaseUnavailableError:
        give_back(counted)
        audit.record("sign-in", "failed", account=account)
        raise
    if opened is None:
        tell(standing, "sign-in")
        audit.record("sign-in", "refused", account=account)
        time.sleep(_left_to_wait(time.monotonic() - started))
        return None
    give_back(counted)
    audit.record("sign-in", "ok", user=opened.user_id, account=account)
    return opened


def _quotas(account: str) -> list[tuple[Policy, str]]:
    """Return the policies of a sign-in, each with whom it counts."""
    network = network_of(client_address())
    return [(SIGN_IN_FROM, network), (SIGN_IN_HERE, f"{account} {network}"), (SIGN_IN_TO, account)]


def _asked(email: str, password: str) -> Session | None:
    """Ask Supabase, unless no account can have such an address or password."""
    if not all(0 < len(text) <= LONGEST and "\0" not in text for text in (email, password)):
        return None
    database: Database = current_app.extensions["database"]
    return database.sign_in(email, password, address=client_address())


def _left_to_wait(seconds: float) -> float:
    """Return how long a refusal that was worked out in so many seconds still has to wait."""
    return max(1, ceil(seconds / _REFUSED_SECONDS)) * _REFUSED_SECONDS - seconds
