"""Two sellers never see each other's data, even when their requests are interleaved."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from local.application import AppServer
from local.stack import Stack
from tests.barcodes import upc
from tests.problems import pointers
from tests.sellers import CACHE_STATUS, STATS, Seller, new_seller

_ROUNDS = 12


@pytest.fixture
def pair(stack: Stack, server: AppServer) -> Iterator[tuple[Seller, Seller]]:
    """Return two sellers with different numbers, names and ASINs."""
    with new_seller(stack.supabase, server.url) as one, new_seller(stack.supabase, server.url) as two:
        one.creates(title="Secret of one", asin="B000000001", supplier="One Ltd")
        for number in range(3):
            two.creates(title=f"Secret of two {number}", upc=upc(12_345_670 + number, length=12), supplier="Two Ltd")
        yield one, two


def _reads(seller: Seller, product_id: str) -> list[httpx.Response]:
    """Call every read route once."""
    paths = [STATS, CACHE_STATUS, "/products", "/products?search=secret&sort=title", f"/products/{product_id}"]
    return [seller.http.get(path) for path in paths]


def _sees_only(answer: httpx.Response, seller: Seller, other: Seller, *, name: str, numbers: dict[str, int]) -> None:
    """Assert that an answer contains none of the other seller's data."""
    assert answer.status_code == 200, answer.text
    foreign = {"one": ("Secret of two", "Two Ltd", "1234567"), "two": ("Secret of one", "One Ltd", "B000000001")}[name]
    assert not [text for text in (*foreign, other.id, other.key) if text in answer.text]
    path = answer.request.url.path
    if path == STATS:
        assert answer.json() == numbers
    if path == CACHE_STATUS:
        assert answer.json()["cache_key"] == seller.key
    if path == "/products":
        assert len(answer.json()["items"]) == numbers["all"]


def test_concurrent_requests_of_two_sellers_never_mix_answers(pair: tuple[Seller, Seller]) -> None:
    """Eight threads call every read route on shared workers and connections, while cache entries change."""
    one, two = pair
    numbers = {someone.id: someone.stats() for someone in pair}
    assert numbers[one.id] != numbers[two.id]
    start = threading.Barrier(8)

    def reads(turn: int) -> None:
        me, other, name = (one, two, "one") if turn % 2 else (two, one, "two")
        product_id = me.lists()[0]["product_id"]
        start.wait(timeout=30)
        for _ in range(_ROUNDS // 2):
            for answer in _reads(me, product_id):
                _sees_only(answer, me, other, name=name, numbers=numbers[me.id])
            me.http.patch(f"/products/{product_id}", json={"brand": "Same"})

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(reads, range(8))) == [None] * 8


def test_two_sellers_on_one_connection_stay_separate(pair: tuple[Seller, Seller], server: AppServer) -> None:
    """Identity is determined per request, not per connection."""
    with httpx.Client(base_url=server.url, limits=httpx.Limits(max_connections=1)) as http:
        for seller in pair * 3:
            answer = http.get(STATS, headers={"Authorization": f"Bearer {seller.token}"})
            assert answer.json() == seller.stats()


def test_a_value_in_one_sellers_cache_entry_never_reaches_another(pair: tuple[Seller, Seller], redis: Redis) -> None:
    """Only the user id of the token determines the key. No other part of the request can."""
    one, two = pair
    planted = {"all": 77, "asin_found": 77, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}
    redis.set(one.key, json.dumps(planted), px=10_000)
    assert one.stats() == planted
    attempts = [
        two.reads_stats(),
        two.http.get(STATS, headers={"X-User-ID": one.id, "Cookie": f"user_id={one.id}"}),
        two.http.request("GET", STATS, json={"user_id": one.id, "p_user_id": one.id}),
    ]
    assert {answer.json()["all"] for answer in attempts} == {3}
    assert pointers(two.http.get(STATS, params={"user_id": one.id, "p_user_id": one.id})) == ["/user_id", "/p_user_id"]


@pytest.mark.parametrize("change", ["creates", "patches", "bulk"])
def test_a_request_body_cannot_set_another_owner(pair: tuple[Seller, Seller], change: str) -> None:
    """No route accepts a field for the owner."""
    one, two = pair
    before, mine = one.sees(), two.lists()[0]
    claim = {"user_id": one.id}
    answer = {
        "creates": lambda: two.http.post("/products", json={"title": "x", **claim}),
        "patches": lambda: two.http.patch(f"/products/{mine['product_id']}", json=claim),
        "bulk": lambda: two.http.post(
            "/products/bulk-action", json={"action": "delete", "deal_ids": [mine["id"]], **claim}
        ),
    }[change]()
    assert answer.status_code == 422
    assert (one.sees(), len(two.lists())) == (before, 3)


def test_two_sellers_can_have_the_same_asin(pair: tuple[Seller, Seller]) -> None:
    """Uniqueness applies per seller. A conflict would reveal what other sellers have."""
    one, two = pair
    deal = two.creates(title="Mine", asin="B000000001")
    assert deal["product"]["title"] == "Mine"
    assert (one.stats()["all"], two.stats()["all"]) == (1, 4)
