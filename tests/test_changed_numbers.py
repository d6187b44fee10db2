"""The cached numbers after changes that fail, that overlap, that come in batches, and whose outcome is unknown."""

import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
import pytest
from flask import Flask
from redis import Redis

from app.products.breakdown import AsinStats
from app.products.changes import Envelope
from app.products.importing import Import, Totals, open_sheet
from app.products.repository import Repository
from app.products.schemas import NewProduct
from app.products.stats import changing_stats
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.outage import at_once
from tests.problems import problem
from tests.proxy import SupabaseProxy, faulty_answer
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

_UNKNOWN: Final = "00000000-0000-0000-0000-000000000000"

Deal = dict[str, str]

_FAILING: Final[dict[str, tuple[int, Callable[[Seller, Deal], httpx.Response]]]] = {
    "unknown product": (404, lambda who, _: who.http.patch(f"/products/{_UNKNOWN}", json={"title": "x"})),
    "unknown deal": (404, lambda who, _: who.deletes(_UNKNOWN)),
    "unknown deals": (404, lambda who, deal: who.bulk("delete", deal["id"], _UNKNOWN)),
    "ASIN of another product": (
        409,
        lambda who, deal: who.http.patch(f"/products/{deal['product_id']}", json={"asin": "B000000002"}),
    ),
    "deleted deal": (410, lambda who, deal: who.deletes(deal["id"]) and who.bulk("favorite", deal["id"])),
    "invalid value": (422, lambda who, _: who.http.post("/products", json={"title": ""})),
}


def _repository(app: Flask, seller: Seller) -> Repository:
    return Repository(app.extensions["database"], seller.token, seller.id)


@pytest.mark.parametrize(("status", "change"), _FAILING.values(), ids=_FAILING)
def test_a_failed_change_leaves_correct_numbers(
    seller: Seller, status: int, change: Callable[[Seller, Deal], httpx.Response]
) -> None:
    """They are cached again after one read at the latest."""
    deal = seller.creates()
    seller.creates(asin="B000000002")
    assert change(seller, deal).status_code == status
    remaining = {found["product_id"] for found in seller.lists()}
    assert seller.stats()["all"] == len(remaining)
    again = seller.reads_stats()
    assert (again.json()["asin_found"], again.headers["Cache-Status"][:15]) == (1, "asin-stats; hit")


def test_a_dry_run_leaves_the_entry_unchanged(seller: Seller, redis: Redis) -> None:
    """A dry run is no change, so it neither deletes nor replaces the cached numbers."""
    seller.creates()
    stored = redis.get(seller.key)
    assert redis.pexpire(seller.key, 5_000)
    assert seller.imports("title\nx\n", dry_run=True)[-1]["created"] == 1
    assert redis.get(seller.key) == stored
    assert redis.pttl(seller.key) <= 5_000


def test_each_batch_of_an_import_leaves_its_numbers(app: Flask, seller: Seller) -> None:
    """Between two batches, a read in another process is a hit, and shows the rows that have been imported so far."""
    rows = "".join(f"Product {number}\n" for number in range(2_500))
    with app.app_context():
        running = Import(open_sheet(io.BytesIO(f"title\n{rows}".encode())), _repository(app, seller), dry_run=False)
        seen = list[tuple[int, int]]()
        for event in running.events():
            if isinstance(event, Totals):
                answer = seller.reads_stats()
                assert "; hit" in answer.headers["Cache-Status"]
                seen.append((event.created, answer.json()["all"]))
    running.sheet.close()
    assert len(seen) == 3
    assert all(created == shown for created, shown in seen)


def test_the_change_with_the_higher_version_stays_if_the_other_one_ends_later(app: Flask, seller: Seller) -> None:
    """The first change is committed first, and its block ends after the whole second change in another process."""
    with app.app_context(), changing_stats(seller.id):
        _repository(app, seller).create_product(NewProduct(title="First"))
        seller.creates(title="Second")
    answer = seller.reads_stats()
    assert (answer.json()["all"], "; hit" in answer.headers["Cache-Status"]) == (2, True)


def _status_beside_a_writer(app: Flask, seller: Seller) -> str:
    """Return the Cache-Status of a read that is made while a change is in progress."""
    seller.creates()
    with app.app_context(), changing_stats(seller.id):
        return seller.reads_stats().headers["Cache-Status"]


def test_a_hit_beside_a_writer_says_so(app: Flask, seller: Seller) -> None:
    """Repeated, because a busy machine may take longer than the second for which the old numbers may be used."""
    expected = re.compile(r"asin-stats; hit; ttl=\d+; detail=writer-in-flight")
    assert wait_until(lambda: bool(expected.fullmatch(_status_beside_a_writer(app, seller))), seconds=20)


def test_simultaneous_changes_leave_the_numbers_of_the_last_commit(seller: Seller) -> None:
    """In each round, two workers change at once. After both have answered, the next read is a hit."""
    with ThreadPoolExecutor(2) as threads:
        for number in range(1, 11):
            made = [threads.submit(seller.creates, title=f"{number} {side}") for side in "ab"]
            for each in made:
                each.result()
            answer = seller.reads_stats()
            assert (answer.json()["all"], "; hit" in answer.headers["Cache-Status"]) == (2 * number, True)


def test_an_interrupted_change_has_an_unknown_outcome(app: Flask, seller: Seller, redis: Redis) -> None:
    """Ctrl-C may come after the change was sent. The interrupted command is `flask products import`, for example."""
    seller.creates()
    with pytest.raises(KeyboardInterrupt), app.app_context(), changing_stats(seller.id):
        raise KeyboardInterrupt
    assert seller.reads_stats().headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=writer-in-flight"
    redis.delete(seller.key)


_STATS: Final = {"all": 1, "asin_found": 1, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}
_ENVELOPE: Final = {"answer": True, "stats": _STATS, "version": 2}


@pytest.mark.parametrize(
    "result",
    [
        None,
        True,
        {},
        _STATS,
        {"answer": True},
        {**_ENVELOPE, "more": 1},
        {**_ENVELOPE, "version": 0},
        {**_ENVELOPE, "version": "2"},
        {**_ENVELOPE, "version": True},
        {**_ENVELOPE, "version": 2.0},
        {**_ENVELOPE, "stats": None},
        {**_ENVELOPE, "stats": {**_STATS, "all": 2}},
    ],
)
def test_an_envelope_that_is_not_readable_is_refused(result: object) -> None:
    """Its numbers would be stored for all readers."""
    assert Envelope.parse(_ENVELOPE) == Envelope(answer=True, stats=AsinStats(1, 1, 0, 0, 0), version=2)
    with pytest.raises(ValueError, match=r"not the result|a version|breakdown|sum"):
        Envelope.parse(result)


def test_a_change_without_a_readable_envelope_has_an_unknown_outcome(
    stack: Stack, impatient_app: AppServer, proxy: SupabaseProxy, redis: Redis
) -> None:
    """The database made the change, but a gateway sent another body."""
    with new_seller(stack.supabase, impatient_app.url) as someone:
        someone.creates()
        proxy.fault = faulty_answer("200 OK", b'{"answer": {"created": true}, "stats": {"all": 7}, "version": 9}')
        try:
            answer = someone.http.post("/products", json={"title": "x"})
        finally:
            proxy.fault = None
        assert "may have happened" in problem(answer, 503)["detail"]
        answer = someone.reads_stats()
        assert answer.json()["all"] == 2
        assert answer.headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=writer-in-flight"
        redis.delete(someone.key)


@pytest.fixture(scope="module")
def impatient_app(stack: Stack, proxy: SupabaseProxy, log: Path) -> Iterator[AppServer]:
    """Run the app with two workers that wait for the database for three seconds.

    The proxy forwards a change to the database even after the app has closed its connection.
    """
    environment = app_environment(stack, SUPABASE_URL=proxy.url, SUPABASE_TIMEOUT="3", SUPABASE_DOWN_AFTER="4")
    with AppServer(environment, workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


def test_after_an_unknown_outcome_no_read_is_answered_from_the_cache(
    stack: Stack, impatient_app: AppServer, redis: Redis
) -> None:
    """The numbers were cached when the change began. The late commit is visible in all workers at once."""
    with new_seller(stack.supabase, impatient_app.url) as someone:
        someone.creates()
        assert "; hit" in someone.reads_stats().headers["Cache-Status"]
        stack.supabase.pause()
        try:
            answer = someone.http.post("/products", json={"title": "Late"})
            assert "may have happened" in problem(answer, 503)["detail"]
            for _ in range(4):
                problem(someone.reads_stats(), 503)
        finally:
            stack.supabase.resume()
        # Each worker notices for itself that the database answers again.
        assert wait_until(lambda: all(number == 2 for number in at_once(lambda: _number_listed(someone))), seconds=30)
        for _ in range(4):
            answer = someone.reads_stats()
            assert answer.json()["all"] == 2
            assert answer.headers["Cache-Status"].startswith("asin-stats; fwd=bypass")
        redis.delete(someone.key)


def _number_listed(someone: Seller) -> int:
    answer = someone.http.get("/products")
    return len(answer.json()["items"]) if answer.status_code == 200 else 0
