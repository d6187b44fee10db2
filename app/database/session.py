"""A session at Supabase Auth."""

import time
from dataclasses import dataclass

from supabase_auth.types import AuthResponse


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user's tokens and data; `expires_at` is epoch seconds."""

    access_token: str
    refresh_token: str
    expires_at: int
    email: str
    user_id: str
    currency: str = ""
    """The currency that the user has chosen; empty without a choice. Users can store any text here."""


def session_in(answer: AuthResponse) -> Session | None:
    """Return the session in an answer of Supabase Auth; None if it has none."""
    found = answer.session
    if found is None:
        return None
    expires_at = found.expires_at or int(time.time()) + found.expires_in
    user = found.user
    currency = str(user.user_metadata.get("currency", ""))
    return Session(found.access_token, found.refresh_token, expires_at, user.email or "", user.id, currency)
