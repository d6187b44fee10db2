"""Identity of the caller, from a Supabase access token.

`jwks` and `keys` provide the keys, `tokens` verifies tokens with them, and `expiring_cache` keeps verified tokens.
`answers` asks the database about callers, `identity` finds the caller of a request, and `cookies` is the browser's
session. Only the last two use Flask.
"""

from app.auth.cookies import BACKGROUND
from app.auth.identity import (
    SESSION_TOKEN,
    Auth,
    current_user,
    identify,
    init_app,
    login_required,
    operator_required,
    operator_watching,
    user_watching,
)
from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import Identity, InvalidTokenError, TokenVerifier

__all__ = [
    "BACKGROUND",
    "SESSION_TOKEN",
    "Auth",
    "Identity",
    "InvalidTokenError",
    "KeyRing",
    "KeysUnavailableError",
    "TokenVerifier",
    "current_user",
    "identify",
    "init_app",
    "login_required",
    "operator_required",
    "operator_watching",
    "user_watching",
]
