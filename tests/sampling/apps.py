"""Apps that sample their hits, and what they counted."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from app.caching import Freshness
from app.extensions import cache
from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import STATS, Seller, new_seller, running_app


@contextmanager
def run_sampling_app(settings: Settings, stack: Stack, server: AppServer, **changes: object) -> Iterator[Flask]:
    """Run an app in this process that compares all hits.

    An app uses no entry that may be older than its first contact with Redis. Wait until it uses one of a second.
    """
    with (
        running_app(settings.model_copy(update={"freshness_sample": 1.0, **changes})) as app,
        new_seller(stack.supabase, server.url) as someone,
    ):
        assert wait_until(lambda: "; hit; ttl=8" in cache_status(app, someone.token), seconds=30)
        app.extensions["freshness"].stop()
        yield app
        app.extensions["freshness"].stop()


def counts(app: Flask) -> dict[str, int]:
    """Return the number of samples by result."""
    with app.app_context():
        counters = cache.counters()
    assert counters
    return {str(result): counters.events[result.counter] for result in Freshness}


def added(app: Flask, before: dict[str, int]) -> dict[str, int]:
    """Return the results since `before` that are not 0."""
    return {name: number - before[name] for name, number in counts(app).items() if number > before[name]}


def cache_status(app: Flask, token: str) -> str:
    """Read the breakdown and return the Cache-Status header of the response."""
    answer = app.test_client().get(STATS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return answer.headers["Cache-Status"]


def is_hit(app: Flask, token: str) -> bool:
    """Read the breakdown and return whether it is a hit."""
    return cache_status(app, token).startswith("asin-stats; hit")


def wait_for_hit(app: Flask, seller: Seller) -> None:
    """Read until there is a hit, on a new entry."""
    seller.creates()
    assert wait_until(lambda: is_hit(app, seller.token), seconds=20)
