"""Who takes part, and how each is served."""

from dataclasses import dataclass, field
from typing import Final

__all__ = ["CACHED", "EVERYBODY", "LIMIT", "LOCKED_CASHEWS", "OURS", "UNCACHED", "Contender", "redis_database"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One application that answers the same three routes.

    Attributes:
        name: short, for results and plots.
        what: for the table.
        application: `module:object`, as gunicorn and uvicorn want it.
        awaits: whether it is an ASGI application, served by uvicorn.
        environment: settings of its own.

    """

    name: str
    what: str
    application: str
    awaits: bool = False
    environment: dict[str, str] = field(default_factory=dict, hash=False)


LIMIT: Final = Contender("limit", "bare Flask view, constant JSON, no identity", "benchmarks.contenders.limit:app")
OURS: Final = Contender("ours", "ASIN Desk, the whole application", "wsgi:app")
UNCACHED: Final = Contender("no cache", "Flask, straight to the database", "benchmarks.contenders.uncached:app")
_CASHEWS: Final = "benchmarks.contenders.cashews_app:app"
LOCKED_CASHEWS: Final = Contender(
    "cashews+lock", "cashews with `lock=True`", _CASHEWS, awaits=True, environment={"CASHEWS_LOCK": "1"}
)

CACHED: Final = (
    OURS,
    Contender("memoize", "Flask-Caching `memoize` on RedisCache", "benchmarks.contenders.stock:app"),
    Contender("original", "FastAPI, `get`/`setex`", "benchmarks.contenders.original:app", awaits=True),
    Contender("redis-sdk", "FastAPI, fastapi-redis-sdk", "benchmarks.contenders.official:app", awaits=True),
    Contender("cashews", "FastAPI, cashews", _CASHEWS, awaits=True),
    Contender("django-redis", "Django, `cache.get_or_set`", "benchmarks.contenders.django_app:app"),
)
"""All that cache."""

EVERYBODY: Final = (LIMIT, *CACHED, UNCACHED)


def redis_database(contender: Contender) -> int:
    """Return the number of the Redis database that is the contender's alone: several name their keys alike."""
    return (*EVERYBODY, LOCKED_CASHEWS).index(contender)
