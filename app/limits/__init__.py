"""Rate limits for sign-ins, changes and imports, counted in Redis for all workers together.

docs/limits.md lists the limits and explains why no extension is used.
"""

from app.limits.counting import limiter, refund, take_all
from app.limits.policies import (
    CONFIRM,
    EMAIL_CHANGES,
    IMPORTS,
    MAILS_TO,
    RESET_FROM,
    SIGN_IN_FROM,
    SIGN_IN_HERE,
    SIGN_IN_TO,
    SIGN_UP,
    WRITES,
    LimitState,
    Policy,
)
from app.limits.views import enforce, init_app, limited

__all__ = [
    "CONFIRM",
    "EMAIL_CHANGES",
    "IMPORTS",
    "MAILS_TO",
    "RESET_FROM",
    "SIGN_IN_FROM",
    "SIGN_IN_HERE",
    "SIGN_IN_TO",
    "SIGN_UP",
    "WRITES",
    "LimitState",
    "Policy",
    "enforce",
    "init_app",
    "limited",
    "limiter",
    "refund",
    "take_all",
]
