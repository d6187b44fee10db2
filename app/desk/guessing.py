"""Sign-in with protection against guessing: rate limits, audit log, and equal response times for refusals."""

import time
from math import ceil
from typing import Final

from flask import current_app

from app import audit
from app.addresses import client_address, network_of
from app.database import Database, DatabaseUnavailableError, Session
from app.limits import SIGN_IN_FROM, SIGN_IN_HERE, SIGN_IN_TO, Policy, enforce, refund, take_all

_REFUSED_SECONDS: Final = 0.5
"""A refusal takes a whole multiple of this time. Supabase needs less for any refusal, but ten times less for an unknown
account, because it then computes no password hash. The padding hides that difference."""
MAX_LENGTH: Final = 1000  # characters; longer e-mail addresses and passwords are refused without a database call


def attempt(email: str, password: str) -> Session | None:
    """Open a session; None if the e-mail address or the password is wrong.

    Only failures count. A client beyond a limit is refused before the password is checked, so an attacker cannot learn
    whether it was correct.

    Raises:
        Problem: 429, beyond a limit.
        DatabaseUnavailableError: the password could not be checked.

    """
    started, account = time.monotonic(), audit.account(email)
    counted = _quotas(account)
    state = take_all(counted)
    if not state.allowed:
        enforce(state, "sign-in", account=account)
    try:
        opened = _sign_in(email, password)
    except DatabaseUnavailableError:
        refund(counted)
        audit.record("sign-in", "failed", account=account)
        raise
    if opened is None:
        enforce(state, "sign-in")
        audit.record("sign-in", "refused", account=account)
        pad(started)
        return None
    refund(counted)
    audit.record("sign-in", "ok", user=opened.user_id, account=account)
    return opened


def _quotas(account: str) -> list[tuple[Policy, str]]:
    """Return the policies of a sign-in, each with the client it counts."""
    network = network_of(client_address())
    return [(SIGN_IN_FROM, network), (SIGN_IN_HERE, f"{account} {network}"), (SIGN_IN_TO, account)]


def _sign_in(email: str, password: str) -> Session | None:
    """Ask Supabase, unless the address or the password cannot be valid."""
    if not all(0 < len(text) <= MAX_LENGTH and "\0" not in text for text in (email, password)):
        return None
    database: Database = current_app.extensions["database"]
    return database.sign_in(email, password, address=client_address())


def pad(started: float) -> None:
    """Wait until the answer to a request takes the same time for known and for unknown accounts.

    `started` is the monotonic time of its start, in seconds.
    """
    seconds = time.monotonic() - started
    time.sleep(max(1, ceil(seconds / _REFUSED_SECONDS)) * _REFUSED_SECONDS - seconds)
