"""Limits on guessing and on changes: how often one client may ask, counted for all workers together in Redis.

docs/limits.md says what is limited, and why no extension does it.
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
