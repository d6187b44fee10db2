"""Flask-Caching as in its documentation: `memoize` on RedisCache, `delete_memoized` after a change."""

from typing import Any

from flask import Flask, g
from flask_caching import Cache

from benchmarks.contenders import database
from benchmarks.contenders.flask_app import add_routes
from benchmarks.contenders.shared import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL

app = Flask(__name__)
cache = Cache(
    app,
    config={
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": REDIS_URL,
        "CACHE_OPTIONS": {
            "max_connections": CONNECTIONS,
            "socket_timeout": REDIS_SECONDS,
            "socket_connect_timeout": REDIS_SECONDS,
        },
    },
)


@cache.memoize(TTL)
def stats(user_id: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database."""
    return database.stats(user_id, g.token)


add_routes(app, stats, lambda user_id: cache.delete_memoized(stats, user_id))
