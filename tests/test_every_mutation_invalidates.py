"""Every route with an unsafe method either invalidates the caller's stats or is in a table of exceptions with a reason.

The routes are read from the URL map, so a new route fails here until it is added to one of the two tables.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from flask import Flask
from redis import Redis

from config import Settings
from local.application import AppServer
from tests.sellers import Seller, running_app
from tests.visitors import Visitor, new_visitor

_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Actor:
    """A seller with a deal, as an API client and as a visitor of the desk."""

    api: Seller
    desk: Visitor
    deal: dict[str, Any]


Call = Callable[[Actor], httpx.Response]

_INVALIDATING: dict[tuple[str, str], Call] = {
    ("products.create_product", "POST"): lambda who: who.api.http.post("/products", json={"title": "x"}),
    ("products.update_product", "PATCH"): lambda who: who.api.http.patch(
        f"/products/{who.deal['product_id']}", json={"asin": "B000000001"}
    ),
    ("products.update_deal", "PATCH"): lambda who: who.api.http.patch(
        f"/products/deal/{who.deal['id']}", json={"stage": "ordered"}
    ),
    ("products.delete_deal", "DELETE"): lambda who: who.api.deletes(who.deal["id"]),
    ("products.bulk_action", "POST"): lambda who: who.api.bulk("delete", who.deal["id"]),
    ("products.import_products", "POST"): lambda who: who.api.http.post(
        "/products/import", content="title\nx\n", headers={"Content-Type": "text/csv"}
    ),
    ("desk.import_file", "POST"): lambda who: who.desk.uploads("/desk/import", "title\nx\n"),
    ("desk.add_product", "POST"): lambda who: who.desk.submits("/desk/products/new", title="x"),
    ("desk.change_deals", "POST"): lambda who: who.desk.submits(
        "/desk/deals", action="delete", deal_ids=[who.deal["id"]]
    ),
    ("desk.change_deal", "POST"): lambda who: who.desk.submits(f"/desk/deals/{who.deal['id']}/delete"),
}
_CHANGING_NO_PRODUCT = {
    ("desk.open_session", "POST"): "opens a session, which changes no product",
    ("desk.sign_out", "POST"): "ends a session, which changes no product",
}


def _unlisted(app: Flask) -> set[tuple[str, str]]:
    """Return the unsafe routes of `app` that are in no table, and entries of the tables without a route."""
    unsafe = {
        (rule.endpoint, method) for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - _SAFE
    }
    return unsafe ^ (set(_INVALIDATING) | set(_CHANGING_NO_PRODUCT))


def _invalidates(actor: Actor, redis: Redis, call: Call) -> bool:
    """Store a value in the caller's cache entry, make the call, and return whether the value was deleted."""
    value = b'{"all":9,"asin_found":9,"needs_selection":0,"needs_asin":0,"manual_entry":0}'
    redis.set(actor.api.key, value, px=9_000)
    answer = call(actor)
    assert answer.is_success or answer.is_redirect, answer.text
    return redis.get(actor.api.key) is None


@pytest.fixture
def actor(seller: Seller, server: AppServer) -> Iterator[Actor]:
    """Return a seller with a deal who is also signed in to the desk."""
    deal = seller.creates()
    with new_visitor(server.url) as visitor:
        visitor.signs_in(seller)
        yield Actor(seller, visitor, deal)


def test_every_unsafe_route_is_in_one_of_the_tables(app: Flask) -> None:
    """Every unsafe route is in exactly one of the two tables."""
    assert _unlisted(app) == set()
    assert not set(_INVALIDATING) & set(_CHANGING_NO_PRODUCT)


@pytest.mark.parametrize("route", _INVALIDATING, ids=" ".join)
def test_a_change_through_the_route_invalidates(actor: Actor, redis: Redis, route: tuple[str, str]) -> None:
    """Each route is called with a request that succeeds."""
    assert _invalidates(actor, redis, _INVALIDATING[route])


@pytest.mark.parametrize("route", _INVALIDATING, ids=" ".join)
def test_after_the_change_the_next_read_is_fresh(actor: Actor, route: tuple[str, str]) -> None:
    """The numbers equal those counted from the list."""
    actor.api.reads_stats()
    assert "hit" in actor.api.reads_stats().headers["Cache-Status"]
    _INVALIDATING[route](actor)
    answer = actor.api.reads_stats()
    assert "miss" in answer.headers["Cache-Status"]
    assert answer.json()["all"] == len(actor.api.lists())


def test_the_check_detects_an_unlisted_route(settings: Settings) -> None:
    """Proves that the check can fail."""
    with running_app(settings) as app:
        app.add_url_rule("/products/surprise", "surprise", lambda: "", methods=["GET", "PUT"])
        assert _unlisted(app) == {("surprise", "PUT")}


def test_the_check_detects_a_route_that_does_not_invalidate(actor: Actor, redis: Redis) -> None:
    """Proves that the check can fail."""
    assert not _invalidates(actor, redis, lambda who: who.api.http.get("/products"))
