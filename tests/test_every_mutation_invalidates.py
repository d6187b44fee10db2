"""After a change through any route, the next read in another process is a hit with the new numbers.

The routes are read from the URL map, so a new route with an unsafe method fails here until it is added to a table. A
route that only deletes the cached numbers, or changes no product, needs a reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from flask import Flask
from redis import Redis

from app.auth import current_user, login_required
from app.products.stats import changing_stats
from config import Settings
from local.application import AppServer
from local.stack import Stack
from tests.barcodes import upc
from tests.desk_pages import decides, merges, saves_deal, saves_product, works
from tests.sellers import STATS, Seller, all_workers_serve, app_environment, running_app
from tests.visitors import Visitor, new_visitor

_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Actor:
    """A seller with a deal, as an API client and as a visitor of the desk."""

    api: Seller
    desk: Visitor
    deal: dict[str, Any]


Call = Callable[[Actor], httpx.Response]


def _decides(who: Actor, product_id: str, **fields: str) -> httpx.Response:
    return who.api.http.post(f"/products/{product_id}/asin", json={"asin": "B000000001", **fields})


def _forgets(who: Actor) -> httpx.Response:
    """Forget the match of a new product with an identifier."""
    product = who.api.creates(upc=upc(1))["product"]
    assert _decides(who, product["id"], remember="always").is_success
    return who.api.http.delete(f"/matches/{product['upc']}/B000000001")


def _undoes(who: Actor) -> httpx.Response:
    """Undo a decision at the desk."""
    product_id = who.deal["product_id"]
    decision = _decides(who, product_id).json()["history"][0]["id"]
    return who.desk.submits(f"/desk/products/{product_id}/decisions/{decision}/undo")


def _forgets_at_the_desk(who: Actor) -> httpx.Response:
    """Forget the match of a new product with an identifier, at the desk."""
    product = who.api.creates(upc=upc(1))["product"]
    assert _decides(who, product["id"], remember="always").is_success
    return who.desk.submits("/desk/matches", gtin=product["upc"].zfill(14), asin="B000000001")


def _imports_at_the_desk(who: Actor) -> httpx.Response:
    """Upload a file at the desk, and import it with its columns as they are recognized."""
    path = who.desk.uploads("/desk/import", "title\nx\n").headers["Location"]
    return who.desk.submits(path)


def _purges(who: Actor) -> httpx.Response:
    """Remove a deleted deal at the desk."""
    who.api.deletes(who.deal["id"])
    return who.desk.submits("/trash/delete", deal_ids=[who.deal["id"]], confirmed="yes")


def _saves_cell(who: Actor, field: str, value: str) -> httpx.Response:
    """Change a cell of the list."""
    etag = who.api.http.get(f"/products/deal/{who.deal['id']}").json()["etag"]
    return who.desk.submits(f"/desk/deals/{who.deal['id']}/cells/{field}", **{field: value, "etag": etag})


_CHANGING: dict[tuple[str, str], Call] = {
    ("products.create_product", "POST"): lambda who: who.api.http.post("/products", json={"title": "x"}),
    ("products.update_product", "PATCH"): lambda who: who.api.http.patch(
        f"/products/{who.deal['product_id']}", json={"asin": "B000000001"}
    ),
    ("products.update_deal", "PATCH"): lambda who: who.api.http.patch(
        f"/products/deal/{who.deal['id']}", json={"stage": "ordered"}
    ),
    ("products.delete_deal", "DELETE"): lambda who: who.api.deletes(who.deal["id"]),
    ("products.bulk_action", "POST"): lambda who: who.api.bulk("delete", who.deal["id"]),
    ("products.bulk_action_matching", "POST"): lambda who: who.api.http.post(
        "/products/bulk-action/matching", json={"action": "delete"}
    ),
    ("products.undo_batch", "POST"): lambda who: who.api.http.post(
        f"/products/batches/{who.api.bulk('delete', who.deal['id']).json()['batch_id']}/undo"
    ),
    ("products.put_candidates", "PUT"): lambda who: who.api.http.put(
        f"/products/{who.deal['product_id']}/candidates",
        json={"candidates": [{"asin": "B000000001"}, {"asin": "B000000002"}]},
    ),
    ("products.import_candidates", "POST"): lambda who: who.api.http.post(
        "/products/candidates",
        json=[{"product_id": who.deal["product_id"], "asin": asin} for asin in ("B000000001", "B000000002")],
    ),
    ("products.decide_asin", "POST"): lambda who: _decides(who, who.deal["product_id"]),
    ("products.merge_product", "POST"): lambda who: who.api.http.post(
        f"/products/{who.deal['product_id']}/merge", json={"into": who.api.creates()["product_id"]}
    ),
    ("products.undo_decision", "POST"): lambda who: who.api.http.post(
        f"/products/decisions/{_decides(who, who.deal['product_id']).json()['history'][0]['id']}/undo"
    ),
    ("products.bulk_asin", "POST"): lambda who: who.api.http.post(
        "/products/bulk-asin", json={"rows": [{"product_id": who.deal["product_id"], "asin": "B000000001"}]}
    ),
    ("matches.forget_match", "DELETE"): _forgets,
    ("products.import_products", "POST"): lambda who: who.api.http.post(
        "/products/import", content="title\nx\n", headers={"Content-Type": "text/csv"}
    ),
    ("desk.run_import", "POST"): _imports_at_the_desk,
    ("desk.add_product", "POST"): lambda who: who.desk.submits("/desk/products/new", title="x"),
    ("desk.change_deals", "POST"): lambda who: who.desk.submits(
        "/desk/deals", action="delete", deal_ids=[who.deal["id"]]
    ),
    ("desk.change_deal", "POST"): lambda who: who.desk.submits(f"/desk/deals/{who.deal['id']}/delete"),
    ("desk.undo_batch", "POST"): lambda who: who.desk.submits(
        f"/desk/batches/{who.api.bulk('delete', who.deal['id']).json()['batch_id']}/undo"
    ),
    ("desk.change_matching", "POST"): lambda who: who.desk.submits("/deals/matching", do="delete"),
    ("desk.purge_deals", "POST"): _purges,
    ("desk.change_cell", "POST"): lambda who: _saves_cell(who, "moq", "7"),
    ("desk.change_asin", "POST"): lambda who: _saves_cell(who, "asin", "B000000001"),
    ("desk.change_product", "POST"): lambda who: saves_product(who.desk, who.deal["product_id"], asin="B000000001"),
    ("desk.save_deal", "POST"): lambda who: saves_deal(who.desk, who.deal["id"], stage="ordered"),
    ("desk.add_note", "POST"): lambda who: who.desk.submits(f"/desk/deals/{who.deal['id']}/notes", note="x"),
    ("desk.decide", "POST"): lambda who: decides(who.desk, who.deal["product_id"], choose="B000000001"),
    ("desk.undo_decision", "POST"): _undoes,
    ("desk.merge_into", "POST"): lambda who: merges(
        who.desk, who.deal["product_id"], into=who.api.creates(asin="B000000001")["product_id"]
    ),
    ("desk.decide_in_queue", "POST"): lambda who: works(who.desk, "manual_entry", answer="asin", asin="B000000001"),
    ("desk.set_asins", "POST"): lambda who: who.desk.submits(
        "/desk/asins", lines=f"{who.deal['product_id']} B000000001"
    ),
    ("desk.forget_match", "POST"): _forgets_at_the_desk,
    ("desk.upload_candidates", "POST"): lambda who: who.desk.uploads(
        "/desk/candidates", f"product id,asin\n{who.deal['product_id']},B000000001\n"
    ),
}
_ONLY_DELETING: dict[tuple[str, str], str] = {}
"""The routes of `_CHANGING` that delete the cached numbers instead of replacing them, each with the reason."""
_CHANGING_NO_PRODUCT = {
    ("desk.upload_file", "POST"): "keeps a file for the next step, which changes no product",
    ("desk.open_session", "POST"): "opens a session, which changes no product",
    ("desk.flush", "POST"): "deletes cache entries, which changes no product",
    ("desk.sign_out", "POST"): "ends a session, which changes no product",
    ("desk.change_currency", "POST"): "changes how amounts are shown, and no product",
    ("desk.sign_out_everywhere", "POST"): "ends all sessions, which changes no product",
    ("desk.sign_up", "POST"): "creates an account, which has no product yet",
    ("desk.send_reset", "POST"): "sends an e-mail",
    ("desk.confirm", "POST"): "uses the link of an e-mail",
    ("desk.set_password", "POST"): "changes a password",
    ("desk.change_password", "POST"): "changes a password",
    ("desk.change_email", "POST"): "changes an e-mail address",
}


_OLD: Final = b'{"all":9,"asin_found":9,"needs_selection":0,"needs_asin":0,"manual_entry":0}'


def _unlisted(app: Flask) -> set[tuple[str, str]]:
    """Return the unsafe routes of `app` that are in no table, and entries of the tables without a route."""
    unsafe = {
        (rule.endpoint, method) for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - _SAFE
    }
    return unsafe ^ (set(_CHANGING) | set(_CHANGING_NO_PRODUCT))


def _counted(seller: Seller) -> dict[str, int]:
    """Return the breakdown, counted from the list."""
    statuses = {deal["product"]["id"]: deal["product"]["asin_status"] for deal in seller.lists()}
    counts = Counter(statuses.values())
    return {"all": len(statuses)} | {
        status: counts[status] for status in ("asin_found", "needs_selection", "needs_asin", "manual_entry")
    }


def _is_hit_without_the_database(answer: httpx.Response) -> bool:
    """Return whether the numbers came from the cache, and the request did not call the database."""
    return answer.headers["Cache-Status"].startswith("asin-stats; hit; ttl=") and (
        "db;" not in answer.headers["Server-Timing"]
    )


@pytest.fixture(scope="module")
def elsewhere(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run a second server on the same Redis and database, so that its process did not make the change."""
    with AppServer(app_environment(stack), workers=1, log=log) as running:
        assert all_workers_serve(log, workers=1)
        yield running


@pytest.fixture
def actor(seller: Seller, server: AppServer) -> Iterator[Actor]:
    """Return a seller with a deal who is also signed in to the desk."""
    deal = seller.creates()
    with new_visitor(server.url) as visitor:
        visitor.signs_in(seller)
        yield Actor(seller, visitor, deal)


def _read_after(call: Call, actor: Actor, elsewhere: AppServer) -> httpx.Response:
    """Make a change that must succeed, and return the next read, made in another process."""
    changed = call(actor)
    assert changed.is_success or changed.is_redirect, changed.text
    return actor.api.http.get(f"{elsewhere.url}{STATS}")


def test_every_unsafe_route_is_in_one_of_the_tables(app: Flask) -> None:
    """Every unsafe route changes products or is an exception with a reason."""
    assert _unlisted(app) == set()
    assert not set(_CHANGING) & set(_CHANGING_NO_PRODUCT)
    assert set(_ONLY_DELETING) <= set(_CHANGING)
    assert all([*_ONLY_DELETING.values(), *_CHANGING_NO_PRODUCT.values()])


@pytest.mark.parametrize("cached", [_OLD, None], ids=["old numbers", "no entry"])
@pytest.mark.parametrize("route", _CHANGING, ids=" ".join)
def test_after_a_change_the_next_read_elsewhere_is_a_hit_with_the_new_numbers(
    actor: Actor, elsewhere: AppServer, redis: Redis, route: tuple[str, str], cached: bytes | None
) -> None:
    """Old numbers in the entry are replaced. Without an entry, the change creates one."""
    if cached:
        redis.set(actor.api.key, cached, px=10_000)
    else:
        redis.delete(actor.api.key)
    answer = _read_after(_CHANGING[route], actor, elsewhere)
    assert answer.json() == _counted(actor.api)
    assert _is_hit_without_the_database(answer) is (route not in _ONLY_DELETING)


def test_the_check_detects_an_unlisted_route(settings: Settings) -> None:
    """Proves that the check can fail."""
    with running_app(settings) as app:
        app.add_url_rule("/products/surprise", "surprise", lambda: "", methods=["GET", "PUT"])
        assert _unlisted(app) == {("surprise", "PUT")}


def test_the_check_detects_a_route_that_only_deletes(actor: Actor, elsewhere: AppServer, settings: Settings) -> None:
    """The next read calls the database, and the check sees that."""

    @login_required
    def deleting() -> str:
        with changing_stats(current_user.user_id):
            return ""  # no change of the repository, so there are no numbers

    with running_app(settings) as app:
        app.add_url_rule("/deleting", view_func=deleting, methods=["POST"])

        def call(who: Actor) -> httpx.Response:
            answer = app.test_client().post("/deleting", headers={"Authorization": f"Bearer {who.api.token}"})
            return httpx.Response(answer.status_code)

        answer = _read_after(call, actor, elsewhere)
    assert not _is_hit_without_the_database(answer)
    assert "db;" in answer.headers["Server-Timing"]


def test_the_check_detects_a_route_that_leaves_old_numbers(actor: Actor, elsewhere: AppServer, redis: Redis) -> None:
    """A route that does not announce its change would leave them in the entry."""
    redis.set(actor.api.key, _OLD, px=10_000)
    answer = _read_after(lambda who: who.api.http.get("/products"), actor, elsewhere)
    assert answer.json() != _counted(actor.api)
