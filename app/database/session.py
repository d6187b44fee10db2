"""A session at Supabase Auth."""

import time
from dataclasses import dataclass

from supabase_auth.types import AuthResponse


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user's tokens; `expires_at` is epoch seconds."""

    access_token: str
    refresh_token: str
    expires_at: int
    email: str
    user_id: str


def session_in(answer: AuthResponse) -> Session | None:
    """Return the session in an answer of Supabase Auth; None if it has none."""
    found = answer.session
    if found is None:
        return None
    expires_at = found.expires_at or int(time.time()) + found.expires_in
    return Session(found.access_token, found.refresh_token, expires_at, found.user.email or "", found.user.id)
