"""Small Flask applications with their own cache, written as a user of the engine would write them."""

from typing import Any

from flask import Flask

from app.caching import Cache

STOCK_BACKENDS = ("RedisCache", "SimpleCache", "NullCache")


def application(kind: str = "app.caching.LeaseCache", **settings: Any) -> tuple[Flask, Cache]:  # noqa: ANN401 - settings of Flask-Caching
    """Return an app and its cache. `settings` are Flask-Caching's settings without the prefix CACHE_."""
    named = {f"CACHE_{name.upper()}": value for name, value in settings.items()}
    cache = Cache(config={"CACHE_TYPE": kind, "CACHE_NO_NULL_WARNING": True, "CACHE_KEY_PREFIX": "test:", **named})
    app = Flask("tests.caching.applications")
    cache.init_app(app)
    return app, cache


class CallRecorder:
    """A callable that records the arguments of each call."""

    def __init__(self) -> None:
        """Start without recorded calls."""
        self.calls: list[Any] = []

    def __call__(self, *call: Any) -> int:  # noqa: ANN401 - any arguments
        """Record the call and return the number of calls so far."""
        self.calls.append(call)
        return len(self.calls)


class Shop:
    """A class without a `__repr__` of its own."""

    def __init__(self, rate: int) -> None:
        """Set the factor of all prices."""
        self.rate = rate


class ShopWithRepr(Shop):
    """A class whose `__repr__` identifies the instance."""

    def __repr__(self) -> str:
        """Return a text that contains the rate."""
        return f"shop {self.rate}"


def add_price_methods(cache: Cache, base: type, recorder: CallRecorder) -> Any:  # noqa: ANN401 - a class created at run time
    """Return a subclass of `base` with a memoized method and class method. `recorder` records the uncached calls."""

    class Priced(base):  # type: ignore[misc]
        @cache.memoize()
        def price(self, amount: int) -> int:
            recorder(self.rate, amount)
            return amount * int(self.rate)

        @classmethod
        @cache.memoize()
        def name(cls, greeting: str) -> str:
            recorder(cls.__name__, greeting)
            return f"{greeting} {cls.__name__}"

    return Priced
