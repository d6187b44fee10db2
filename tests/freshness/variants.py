"""The real app with its cache engine replaced or maimed: what the checker must catch, or what ours is compared to."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import flask_caching
from flask import Flask, Response, request
from redis import Redis

from app.caching import Answer, LeaseCache, Outcome, scripts
from app.caching.codec import Policy
from app.extensions import cache
from app.factory import create_app
from app.products.stats import AsinStats, asin_status_stats

DIE: Final = "X-Test-Die"
"""The header of a change whose worker is to be killed between the commit and the invalidation."""
WORKER: Final = "X-Test-Worker"
"""The header of every answer that names the worker's process id."""

_TTL: Final = 10


class StockMemoize:
    """Flask-Caching as it comes: `memoize` on its own RedisCache."""

    def __init__(self, app: Flask, redis: Redis, key_prefix: str) -> None:
        """Use the server that `redis` speaks to."""
        stock = flask_caching.Cache(with_jinja2_ext=False)
        host = Redis(connection_pool=redis.connection_pool)
        stock.init_app(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": host, "CACHE_KEY_PREFIX": "stock:"})

        def numbers(user_id: str) -> AsinStats:
            return asin_status_stats.uncached(user_id)

        self._stock, self._prefix, self._numbers = stock, key_prefix, stock.memoize(timeout=_TTL)(numbers)

    def fetch(self, key: str, compute: Callable[[], Any], policy: Policy[Any]) -> Answer[Any]:  # noqa: ARG002 - same face
        """Call the memoized function."""
        return Answer(self._numbers(key.removeprefix(self._prefix)), Outcome.HIT)

    def begin(self, key: str) -> str:  # noqa: ARG002 - same face
        """Do nothing."""
        return ""

    def end(self, key: str, token: str = "") -> None:  # noqa: ARG002 - same face
        """Delete what was memoized."""
        self._stock.delete_memoized(self._numbers, key.removeprefix(self._prefix))


class GetSetDelete:
    """What everybody writes first: get, or compute and setex; delete after the change."""

    def __init__(self, redis: Redis) -> None:
        """Use that server."""
        self._redis = redis

    def fetch(self, key: str, compute: Callable[[], Any], policy: Policy[Any]) -> Answer[Any]:
        """Return what is stored, or compute and store it."""
        stored = self._redis.get(key)
        if isinstance(stored, bytes):
            return Answer(policy.codec.decode(stored), Outcome.HIT)
        value = compute()
        self._redis.setex(key, _TTL, policy.codec.encode(value))
        return Answer(value, Outcome.STORED)

    def begin(self, key: str) -> str:  # noqa: ARG002 - same face
        """Do nothing."""
        return ""

    def end(self, key: str, token: str = "") -> None:  # noqa: ARG002 - same face
        """Delete what is stored."""
        self._redis.delete(key)


def _stock_memoize(app: Flask, backend: LeaseCache) -> None:
    _replace(backend, StockMemoize(app, backend.protocol.client, backend.prefix))


def _get_set_delete(_: Flask, backend: LeaseCache) -> None:
    _replace(backend, GetSetDelete(backend.protocol.client))


def _replace(backend: LeaseCache, engine: StockMemoize | GetSetDelete) -> None:
    """Let `engine` do the work; diagnostics still see the rest of ours."""
    protocol: Any = backend.protocol
    protocol.fetch, protocol.begin, protocol.end = engine.fetch, engine.begin, engine.end


def _without_lease_check(_: Flask, __: LeaseCache) -> None:
    _swap("fill", b"redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1")


def _without_tombstone(_: Flask, __: LeaseCache) -> None:
    _swap("begin", b"return 1")


def _swap(name: str, text: bytes) -> None:
    scripts._TEXTS[name] = text  # noqa: SLF001 - the very part that is to be missing
    scripts._DIGESTS[name] = hashlib.sha1(text, usedforsecurity=False).hexdigest()  # noqa: SLF001 - same


def _without_owed_deletes(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.breaker.owe = lambda *_, **__: None  # type: ignore[method-assign]


def _without_shared_marks(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.region.is_marked = lambda key: False  # type: ignore[method-assign]  # noqa: ARG005 - same face


def _without_breaker(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.breaker.admits = lambda: True  # type: ignore[method-assign]
    _without_owed_deletes(_, backend)  # a debt bypasses Redis too


VARIANTS: Final[dict[str, Callable[[Flask, LeaseCache], None]]] = {
    "ours": lambda _, __: None,
    "stock memoize": _stock_memoize,
    "get, setex, delete": _get_set_delete,
    "no lease check": _without_lease_check,
    "no tombstone": _without_tombstone,
    "no owed deletes": _without_owed_deletes,
    "no shared marks": _without_shared_marks,
    "no breaker": _without_breaker,
}


def build(variant: str, *, fill_delay: float) -> Flask:
    """Return the app of the environment's settings with that engine.

    Between the database's answer and what the engine does with it there are `fill_delay` seconds, for every engine
    alike: the moment in which others may change what was read.
    """
    app = create_app()
    backend = app.extensions["cache"].get(cache)
    if isinstance(backend, LeaseCache):
        VARIANTS[variant](app, backend)
    compute = asin_status_stats.uncached

    def delayed(user_id: str) -> AsinStats:
        stats = compute(user_id)
        time.sleep(fill_delay)
        return stats

    asin_status_stats.uncached = delayed
    _let_die(app)
    app.after_request(_named)
    return app


def _let_die(app: Flask) -> None:
    """Kill the worker, where the client asks for it, after the database's answer to a change."""
    database = app.extensions["database"]
    change = database.change

    def deadly(*arguments: object) -> object:
        answer = change(*arguments)
        if DIE in request.headers:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    database.change = deadly


def _named(response: Response) -> Response:
    response.headers[WORKER] = str(os.getpid())
    return response
