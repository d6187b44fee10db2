"""Small applications with a cache of their own, as a stranger would write them."""

from typing import Any

from flask import Flask

from app.caching import Cache

STOCK = ("RedisCache", "SimpleCache", "NullCache")


def application(kind: str = "app.caching.LeaseCache", **settings: Any) -> tuple[Flask, Cache]:  # noqa: ANN401 - settings of Flask-Caching
    """Return an app and its cache; `settings` are those of Flask-Caching without CACHE_."""
    named = {f"CACHE_{name.upper()}": value for name, value in settings.items()}
    cache = Cache(config={"CACHE_TYPE": kind, "CACHE_NO_NULL_WARNING": True, "CACHE_KEY_PREFIX": "test:", **named})
    app = Flask("tests.caching.applications")
    cache.init_app(app)
    return app, cache
