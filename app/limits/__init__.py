"""Rate limits for sign-ins, changes and imports, counted in Redis for all workers together.

docs/limits.md lists the limits and explains why no extension is used.
"""

from app.limits.counting import give_back, limiter, take_all
from app.limits.policies import IMPORTS, SIGN_IN_FROM, SIGN_IN_HERE, SIGN_IN_TO, WRITES, Policy, Standing
from app.limits.views import init_app, limited, tell

__all__ = [
    "IMPORTS",
    "SIGN_IN_FROM",
    "SIGN_IN_HERE",
    "SIGN_IN_TO",
    "WRITES",
    "Policy",
    "Standing",
    "give_back",
    "init_app",
    "limited",
    "limiter",
    "take_all",
    "tell",
]
