"""A million deals: whatever is filtered, sorted or searched, a page costs about what is on it. Counted, not timed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from typing import Any, Final

import pytest

from tests.catalogue import DEALS, MIDDLE, MINNOW, PRODUCTS, WHALE, load
from tests.plans import Page, Watcher
from tests.postgres import PostgresServer, execute

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]  # the first test of the module loads the million

_SORTS: Final = [prefix + name for name in MIDDLE for prefix in ("", "-")]
# Each with a value that nearly all have, and with one that nearly none has.
_FILTERS: Final = [
    {name: value for name, value in zip(("p_asin_status", "p_stage", "p_favorite"), values, strict=True) if value != ""}
    for values in product(("", "asin_found", "needs_selection"), ("", "new", "rejected"), ("", True, False))
]
_MOST_ROWS: Final = 400
"""What a page of 50 may look at: its deals, one of each slice, and both again with their products."""
_MOST_BLOCKS: Final = 1200


@pytest.fixture(scope="module")
def million() -> Iterator[PostgresServer]:
    """Return a PostgreSQL that holds a million deals and has never analyzed them."""
    with PostgresServer() as running:
        running.migrate()
        load(running)
        yield running


@pytest.fixture(scope="module", params=["never analyzed", "analyzed"])
def watcher(request: pytest.FixtureRequest, million: PostgresServer) -> Iterator[Watcher]:
    """Return a session whose plans are seen, on tables with and without statistics."""
    watching = Watcher(million)
    with watching.session as session:
        if request.param == "analyzed":
            execute(session, "analyze products, deals, searching.suppliers")
        known = execute(session, "select count(*) as known from pg_statistic where starelid = 'deals'::regclass")
        assert (known[0]["known"] > 0) is (request.param == "analyzed")
        watching.lists(WHALE)  # afterwards the session has the system's catalogues in memory
        yield watching


def _name(filters: dict[str, Any]) -> str:
    return "+".join(f"{name[2:]}={value}" for name, value in filters.items()) or "no filter"


def _bounded(page: Page, *, rows: int = _MOST_ROWS, blocks: int = _MOST_BLOCKS) -> None:
    """Hold a page to what it may cost."""
    assert not [name for name in page.rows if name.startswith("Seq Scan")], page.rows
    assert page.examined <= rows, page.rows
    assert page.blocks <= blocks, page.rows


@pytest.mark.parametrize("filters", _FILTERS, ids=_name)
@pytest.mark.parametrize("sort", _SORTS)
def test_every_filter_with_every_sort_looks_at_little_more_than_the_page(
    watcher: Watcher, sort: str, filters: dict[str, Any]
) -> None:
    """The first page and one from the middle, whether the filter lets nearly everything through or nearly nothing."""
    first = watcher.lists(WHALE, p_sort=sort, **filters)
    _bounded(first)
    assert first.document["items"] or len(filters) > 1
    after = {f"p_after_{name}": value for name, value in asdict(MIDDLE[sort.removeprefix("-")]).items()}
    deep = watcher.lists(WHALE, p_sort=sort, **filters, **after)
    _bounded(deep)
    assert deep.document["items"] != first.document["items"] or filters


@pytest.mark.parametrize("sort", _SORTS)
def test_deleted_deals_are_listed_at_the_same_price(watcher: Watcher, sort: str) -> None:
    """One in fifty is deleted; the active ones between them are not looked at."""
    page = watcher.lists(WHALE, p_sort=sort, p_active=False)
    _bounded(page)
    assert len(page.document["items"]) == 50


@pytest.mark.parametrize("filters", _FILTERS[::4], ids=_name)
@pytest.mark.parametrize("search", ["zanzibar", "5%", "b00054321", "acme", "%%", "100000033333"])
def test_a_rare_search_costs_what_it_finds(watcher: Watcher, search: str, filters: dict[str, Any]) -> None:
    """Any characters, two as well as many, with every filter."""
    for sort in ("-created_at", "title"):
        _bounded(watcher.lists(WHALE, p_sort=sort, p_search=search, **filters), rows=1000)


@pytest.mark.parametrize(("search", "found"), [("zanzibar", 40), ("5%", 40), ("b00054321", 0), ("b000054321", 10)])
def test_a_rare_search_finds_it_all(watcher: Watcher, search: str, found: int) -> None:
    """Ten deals of each product that has it."""
    assert len(watcher.lists(WHALE, p_search=search).document["items"]) == found


@pytest.mark.parametrize("search", ["steel", "ol", "holder", "lamp", "b0000"])
def test_a_frequent_search_fills_its_page_on_the_way(watcher: Watcher, search: str) -> None:
    """It is found often enough among the next deals of the order: not all that match are looked up and sorted."""
    page = watcher.lists(WHALE, p_search=search)
    _bounded(page, rows=PRODUCTS + 8000, blocks=25_000)
    assert len(page.document["items"]) == 50
    looked_up = Counter({name: rows for name, rows in page.rows.items() if "Bitmap Index" not in name})
    assert looked_up.total() <= 8000, page.rows


@pytest.mark.parametrize("search", ["supplier 7 55", "walnut"])
def test_a_frequent_search_that_lies_far_away_costs_what_it_finds(watcher: Watcher, search: str) -> None:
    """Its deals are at the end of the order, and it does not walk there: it sorts what the index finds."""
    page = watcher.lists(WHALE, p_search=search, p_sort="title" if search == "walnut" else "supplier")
    deals = {"walnut": 115_000, "supplier 7 55": 1000}[search]
    _bounded(page, rows=3 * deals + 15_000, blocks=6 * deals + 30_000)
    assert len(page.document["items"]) == 50


@pytest.mark.parametrize("search", ["holder", "ol", "supplier", "zanzibar"])
@pytest.mark.parametrize("sort", ["-created_at", "title", "supplier"])
def test_a_small_seller_does_not_pay_for_what_others_have(watcher: Watcher, search: str, sort: str) -> None:
    """All of these are frequent with others; the seller of fifty products pays for these, at most."""
    _bounded(watcher.lists(MINNOW, p_sort=sort, p_search=search), rows=4000, blocks=8000)


def test_there_is_a_million(watcher: Watcher) -> None:
    """Most of them the whale's."""
    counted = execute(
        watcher.session,
        "select count(*) as all, count(*) filter (where user_id = %s) as whales from deals",
        WHALE,
    )
    assert counted == [{"all": DEALS, "whales": DEALS * 4 // 5}]
