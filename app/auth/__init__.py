"""Identity: who is calling, from a Supabase access token.

`jwks` and `keys` hold the keys, `tokens` checks a token with them, `memory` spares the next check, `answers` asks the
database about callers, `identity` ties them to requests, and `cookies` is the browser's session. Only the last two know
Flask.
"""

from app.auth.identity import (
    SESSION_TOKEN,
    Auth,
    caller,
    current_user,
    identify,
    init_app,
    login_required,
    operator_required,
)
from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import Identity, InvalidTokenError, TokenVerifier

__all__ = [
    "SESSION_TOKEN",
    "Auth",
    "Identity",
    "InvalidTokenError",
    "KeyRing",
    "KeysUnavailableError",
    "TokenVerifier",
    "caller",
    "current_user",
    "identify",
    "init_app",
    "login_required",
    "operator_required",
]
