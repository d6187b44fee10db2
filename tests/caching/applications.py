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


class Counted:
    """A function that keeps what it was called with."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.calls: list[Any] = []

    def __call__(self, *call: Any) -> int:  # noqa: ANN401 - whatever was passed
        """Return how many calls there were."""
        self.calls.append(call)
        return len(self.calls)


class Shop:
    """A shop that says nothing of itself."""

    def __init__(self, rate: int) -> None:
        """Multiply prices by `rate`."""
        self.rate = rate


class NamedShop(Shop):
    """A shop that says which it is."""

    def __repr__(self) -> str:
        """Return what tells it apart."""
        return f"shop {self.rate}"


def with_price(cache: Cache, base: type, counted: Counted) -> Any:  # noqa: ANN401 - a class made on the spot
    """Return a subclass of `base` with a memoized method and a memoized classmethod; `counted` sees the calls."""

    class Priced(base):  # type: ignore[misc]
        @cache.memoize()
        def price(self, amount: int) -> int:
            counted(self.rate, amount)
            return amount * int(self.rate)

        @classmethod
        @cache.memoize()
        def name(cls, greeting: str) -> str:
            counted(cls.__name__, greeting)
            return f"{greeting} {cls.__name__}"

    return Priced
