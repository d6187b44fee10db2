"""The contenders: the applications that the benchmarks compare."""

from dataclasses import dataclass, field
from typing import Final

__all__ = ["CACHED", "CONTENDERS", "LIMIT", "LOCKED_CASHEWS", "OURS", "UNCACHED", "Contender", "redis_database"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One application that serves the routes described in `benchmarks.contenders`.

    Attributes:
        name: a short name for results and plots.
        what: a description for the tables.
        application: `module:object`, the form that gunicorn and uvicorn accept.
        is_asgi: whether it is an ASGI application, which uvicorn serves.
        environment: additional environment variables.

    """

    name: str
    what: str
    application: str
    is_asgi: bool = False
    environment: dict[str, str] = field(default_factory=dict, hash=False)


LIMIT: Final = Contender("limit", "bare Flask view, constant JSON, no token check", "benchmarks.contenders.limit:app")
OURS: Final = Contender("ours", "ASIN Desk, the whole application", "wsgi:app")
UNCACHED: Final = Contender("no cache", "Flask without a cache", "benchmarks.contenders.uncached:app")
_CASHEWS: Final = "benchmarks.contenders.cashews_app:app"
LOCKED_CASHEWS: Final = Contender(
    "cashews+lock", "cashews with `lock=True`", _CASHEWS, is_asgi=True, environment={"CASHEWS_LOCK": "1"}
)

CACHED: Final = (
    OURS,
    Contender("memoize", "Flask-Caching `memoize` on RedisCache", "benchmarks.contenders.stock:app"),
    Contender("original", "FastAPI, `get`/`setex`", "benchmarks.contenders.original:app", is_asgi=True),
    Contender("redis-sdk", "FastAPI, fastapi-redis-sdk", "benchmarks.contenders.official:app", is_asgi=True),
    Contender("cashews", "FastAPI, cashews", _CASHEWS, is_asgi=True),
    Contender("django-redis", "Django, `cache.get_or_set`", "benchmarks.contenders.django_app:app"),
)
"""The contenders that have a cache."""

CONTENDERS: Final = (LIMIT, *CACHED, UNCACHED)


def redis_database(contender: Contender) -> int:
    """Return the number of the contender's own Redis database. Several contenders use the same key names."""
    return (*CONTENDERS, LOCKED_CASHEWS).index(contender)
