"""The number of commands that the whole application sends to Redis for a request, counted at the server."""

from flask import Flask
from redis import Redis

from app.extensions import cache
from app.products.stats import asin_status_stats
from local.stack import Stack
from tests.caching.engines import Spy
from tests.sellers import STATS, Seller


def test_a_hit_sends_one_command_a_miss_two_and_a_change_two(app: Flask, stack: Stack, seller: Seller) -> None:
    """Identity, headers, ETag and counters need no Redis command."""
    client, headers, spy = app.test_client(), {"Authorization": f"Bearer {seller.token}"}, _spy(stack)
    client.get(STATS, headers=headers)
    client.post("/products", headers=headers, json={"title": "One"})
    spy.redis.delete(seller.key)  # the change stored the new numbers

    with spy.counting() as miss:
        first = client.get(STATS, headers=headers)
    with spy.counting() as hit:
        second = client.get(STATS, headers=headers)
    with spy.counting() as change:
        client.post("/products", headers=headers, json={"title": "Two"})

    assert "stored" in first.headers["Cache-Status"]
    assert "hit" in second.headers["Cache-Status"]
    assert (len(miss), len(hit), len(change)) == (2, 1, 2), (miss, hit, change)


def test_delete_memoized_sends_one_command(app: Flask, stack: Stack, seller: Seller) -> None:
    """The entry is deleted."""
    spy = _spy(stack)
    with app.app_context():
        cache.delete_memoized(asin_status_stats, seller.id)
        spy.stores({}, key=seller.key)
        with spy.counting() as commands:
            cache.delete_memoized(asin_status_stats, seller.id)

    assert len(commands) == 1, commands
    assert spy.raw(seller.key) is None


def _spy(stack: Stack) -> Spy:
    return Spy(lambda: Redis.from_url(stack.redis.url))
