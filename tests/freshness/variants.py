"""Variants of the app whose cache engine is replaced or lacks a part, and the WSGI app that gunicorn serves."""

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
from app.caching.policy import Policy
from app.extensions import cache
from app.factory import create_app
from app.products.breakdown import AsinStats
from app.products.stats import asin_status_stats
from app.startup import announce

KILL_HEADER: Final = "X-Test-Die"
"""Request header of a change. It kills the worker between the commit and the invalidation."""
WORKER_HEADER: Final = "X-Test-Worker"
"""Response header with the process id of the worker."""

_TTL: Final = 10


class StockMemoize:
    """Stock Flask-Caching: `memoize` with its own RedisCache."""

    def __init__(self, app: Flask, redis: Redis, key_prefix: str) -> None:
        """Use the server of the client `redis`."""
        stock = flask_caching.Cache(with_jinja2_ext=False)
        host = Redis(connection_pool=redis.connection_pool)
        stock.init_app(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": host, "CACHE_KEY_PREFIX": "stock:"})

        def numbers(user_id: str) -> AsinStats:
            return asin_status_stats.uncached(user_id)

        self._stock, self._prefix, self._numbers = stock, key_prefix, stock.memoize(timeout=_TTL)(numbers)

    def fetch(self, key: str, compute: Callable[[], Any], policy: Policy[Any]) -> Answer[Any]:  # noqa: ARG002 - same signature
        """Call the memoized function."""
        return Answer(self._numbers(key.removeprefix(self._prefix)), Outcome.HIT)

    def begin(self, key: str) -> str:  # noqa: ARG002 - same signature
        """Do nothing."""
        return ""

    def end(self, key: str, token: str = "", value: object = None) -> None:  # noqa: ARG002 - same signature
        """Delete the memoized entry."""
        self._stock.delete_memoized(self._numbers, key.removeprefix(self._prefix))


class GetSetDelete:
    """Plain cache-aside: GET, or compute and SETEX; DEL after a change."""

    def __init__(self, redis: Redis) -> None:
        """Use the server of the client `redis`."""
        self._redis = redis

    def fetch(self, key: str, compute: Callable[[], Any], policy: Policy[Any]) -> Answer[Any]:
        """Return the stored value, or compute and store it."""
        stored = self._redis.get(key)
        if isinstance(stored, bytes):
            return Answer(policy.codec.decode(stored), Outcome.HIT)
        value = compute()
        self._redis.setex(key, _TTL, policy.codec.encode(value))
        return Answer(value, Outcome.STORED)

    def begin(self, key: str) -> str:  # noqa: ARG002 - same signature
        """Do nothing."""
        return ""

    def end(self, key: str, token: str = "", value: object = None) -> None:  # noqa: ARG002 - same signature
        """Delete the entry."""
        self._redis.delete(key)


def _stock_memoize(app: Flask, backend: LeaseCache) -> None:
    _replace(backend, StockMemoize(app, backend.protocol.client, backend.prefix))


def _get_set_delete(_: Flask, backend: LeaseCache) -> None:
    _replace(backend, GetSetDelete(backend.protocol.client))


def _replace(backend: LeaseCache, engine: StockMemoize | GetSetDelete) -> None:
    """Replace the protocol's operations by those of `engine`. Diagnostics keep using our backend."""
    protocol: Any = backend.protocol
    protocol.fetch, protocol.begin = engine.fetch, engine.begin
    protocol.end = protocol.outcome_unknown = engine.end


def _without_lease_check(_: Flask, __: LeaseCache) -> None:
    _replace_script("fill", b"redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) return 1")


def _without_announcement(_: Flask, __: LeaseCache) -> None:
    _replace_script("begin", b"return 1")


def _replace_script(name: str, text: bytes) -> None:
    scripts._TEXTS[name] = text  # noqa: SLF001 - the part that the variant lacks
    scripts._DIGESTS[name] = hashlib.sha1(text, usedforsecurity=False).hexdigest()  # noqa: SLF001 - same


def _without_owed_deletes(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.breaker.owe = lambda *_, **__: None  # type: ignore[method-assign]


def _without_shared_marks(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.region.is_marked = lambda key: False  # type: ignore[method-assign]  # noqa: ARG005 - same signature


def _without_breaker(_: Flask, backend: LeaseCache) -> None:
    backend.protocol.breaker.admits = lambda: True  # type: ignore[method-assign]
    _without_owed_deletes(_, backend)  # an owed delete makes reads bypass Redis too


VARIANTS: Final[dict[str, Callable[[Flask, LeaseCache], None]]] = {
    "ours": lambda _, __: None,
    "stock memoize": _stock_memoize,
    "get, setex, delete": _get_set_delete,
    "no lease check": _without_lease_check,
    "no announcement": _without_announcement,
    "no owed deletes": _without_owed_deletes,
    "no shared marks": _without_shared_marks,
    "no breaker": _without_breaker,
}


def served_app() -> Flask:
    """Return the app that gunicorn serves in these tests, as TEST_VARIANT and TEST_FILL_DELAY (seconds) say."""
    app = build(os.environ["TEST_VARIANT"], fill_delay=float(os.environ["TEST_FILL_DELAY"]))
    announce(app)
    return app


def build(variant: str, *, fill_delay: float) -> Flask:
    """Return the app with the environment's settings and the engine of `variant`.

    Every engine waits `fill_delay` seconds between the database's answer and the fill, so that a change can happen in
    between.
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
    _kill_on_request(app)
    app.after_request(_add_worker_header)
    return app


def _kill_on_request(app: Flask) -> None:
    """Kill the worker after the database's answer to a change if the request has the header KILL_HEADER."""
    database = app.extensions["database"]
    change = database.change

    def change_and_die(*arguments: object) -> object:
        answer = change(*arguments)
        if KILL_HEADER in request.headers:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    database.change = change_and_die


def _add_worker_header(response: Response) -> Response:
    response.headers[WORKER_HEADER] = str(os.getpid())
    return response
