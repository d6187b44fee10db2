"""The acceptance checklist of the product, point by point, with real gunicorn, Valkey and Supabase."""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.sellers import Seller, app_environment, new_seller

Change = Callable[[Seller, dict[str, Any]], httpx.Response]

_CHANGES: dict[str, tuple[Change, dict[str, int]]] = {
    "creating": (lambda seller, _: seller.http.post("/products", json={"title": "New"}), {"all": 3, "manual_entry": 2}),
    "adding an ASIN": (
        lambda seller, deal: seller.http.patch(f"/products/{deal['product_id']}", json={"asin": "B000000009"}),
        {"all": 2, "asin_found": 2},
    ),
    "changing a deal": (
        lambda seller, deal: seller.http.patch(f"/products/deal/{deal['id']}", json={"moq": 5}),
        {"all": 2, "asin_found": 1},
    ),
    "deleting": (lambda seller, deal: seller.deletes(deal["id"]), {"all": 1, "manual_entry": 0}),
    "deleting permanently": (lambda seller, deal: seller.deletes(deal["id"], hard=True), {"all": 1, "manual_entry": 0}),
    "bulk-deleting": (lambda seller, deal: seller.bulk("delete", deal["id"]), {"all": 1, "manual_entry": 0}),
    "bulk-moving": (
        lambda seller, deal: seller.bulk("move", deal["id"], stage="ordered"),
        {"all": 2, "manual_entry": 1},
    ),
}


@pytest.mark.usefixtures("server")
def test_the_redis_connection_is_logged_at_the_start(server_log: Path) -> None:
    """Each worker logs the server's name and version."""
    messages = [json.loads(line)["message"] for line in server_log.read_text().splitlines()]
    announced = [message for message in messages if message.startswith("Redis connected successfully")]
    assert announced
    assert all(re.search(r": valkey \d+\.\d+\.\d+, ", message) for message in announced)


def test_cache_status_says_that_redis_is_enabled_and_connected(seller: Seller) -> None:
    """The checklist requires these two members."""
    redis = seller.cache_status()["redis"]
    assert {name: redis[name] for name in ("enabled", "connected")} == {"enabled": True, "connected": True}


def test_the_first_request_is_a_miss_and_the_second_a_hit_with_the_same_numbers(seller: Seller, redis: Redis) -> None:
    """Workers share the cache: a value stored by one is found by the other."""
    seller.creates(asin="B000000001")
    redis.delete(seller.key)
    first, *others = (seller.reads_stats() for _ in range(6))
    assert first.headers["Cache-Status"].startswith("asin-stats; fwd=miss; stored; ttl=")
    assert all(re.fullmatch(r"asin-stats; hit; ttl=\d", other.headers["Cache-Status"]) for other in others)
    assert {other.text for other in others} == {first.text}
    assert seller.cache_status()["user_cached"] is True


def test_the_entry_in_redis_is_plain_json_with_a_ttl_of_ten_seconds_at_most(seller: Seller, redis: Redis) -> None:
    """Read with a separate client: the documented key, a readable value, always with a TTL."""
    seller.creates(asin="B000000001")
    seller.creates(upc="12345670")
    answer = seller.reads_stats()
    stored = redis.get(f"asin_stats:{seller.id}")
    assert isinstance(stored, bytes)
    assert json.loads(stored) == answer.json() == {
        "all": 2, "asin_found": 1, "needs_selection": 0, "needs_asin": 1, "manual_entry": 0,
    }  # fmt: skip
    assert 0 < redis.pttl(seller.key) <= 10_000
    assert [key for key in redis.scan_iter(match=f"*{seller.id}*")] == [seller.key.encode()]  # noqa: C416


@pytest.mark.parametrize("name", _CHANGES)
def test_a_change_replaces_only_its_own_users_entry(
    seller: Seller, other_seller: Seller, redis: Redis, name: str
) -> None:
    """The next read is a hit and returns the new numbers."""
    change, expected = _CHANGES[name]
    for someone in (seller, other_seller):
        someone.creates(asin="B000000001")
    deal = seller.creates(title="Changed product")
    before = {someone.key: someone.reads_stats().content.strip() for someone in (seller, other_seller)}
    assert {key: redis.get(key) for key in before} == before
    answer = change(seller, deal)
    assert answer.is_success, answer.text
    assert redis.get(other_seller.key) == before[other_seller.key]
    fresh = seller.reads_stats()
    assert fresh.headers["Cache-Status"].startswith("asin-stats; hit; ttl=")
    assert redis.get(seller.key) == fresh.content.strip()
    assert expected.items() <= fresh.json().items()


def test_the_app_works_without_redis_and_caching_recovers_by_itself(stack: Stack, tmp_path: Path) -> None:
    """Redis is killed while the app serves. Every answer stays correct, changes included, and no restart is needed."""
    log = tmp_path / "app.log"
    with ValkeyServer(tmp_path / "valkey") as valkey:
        environment = app_environment(stack, REDIS_URL=valkey.url)
        with (
            AppServer(environment, workers=2, log=log) as server,
            new_seller(stack.supabase, server.url) as seller,
        ):
            deal = seller.creates()
            assert seller.stats() == seller.stats()
            valkey.kill()
            _works_without_redis(seller, deal)
            valkey.start()
            assert wait_until(lambda: "; hit" in seller.reads_stats().headers["Cache-Status"], seconds=10)
            assert seller.stats()["asin_found"] == 1
            assert server.is_running()
    assert "Traceback" not in log.read_text()


def _works_without_redis(seller: Seller, deal: dict[str, Any]) -> None:
    assert seller.stats()["all"] == 1
    created = seller.creates(asin="B000000002")
    assert seller.stats()["all"] == 2
    assert "; fwd=bypass; detail=" in seller.reads_stats().headers["Cache-Status"]
    assert seller.bulk("move", deal["id"], created["id"], stage="ordered").status_code == HTTPStatus.OK
    assert {item["stage"] for item in seller.lists()} == {"ordered"}
    assert seller.deletes(deal["id"]).status_code == HTTPStatus.NO_CONTENT
    assert seller.stats() == {"all": 1, "asin_found": 1, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}
    assert seller.cache_status()["redis"] == {"enabled": True, "connected": False}
