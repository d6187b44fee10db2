"""With a million deals, the cost of a page depends on its size, for every filter, sort and search.

The cost is the number of rows and blocks that PostgreSQL reads. No test measures time.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from typing import Any, Final
from uuid import UUID

import pytest

from tests.catalogue import DEALS, LARGE_SELLER, MIDDLE, PRODUCTS, SMALL_SELLER, load
from tests.plans import Page, PlanRecorder
from tests.postgres import PostgresServer, execute

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]  # the first test loads a million deals

_SORTS: Final = [prefix + name for name in MIDDLE for prefix in ("", "-")]
# Each filter with a value that nearly all deals have, and with a value that few have.
_FILTERS: Final = [
    {name: value for name, value in zip(("p_asin_status", "p_stage", "p_favorite"), values, strict=True) if value != ""}
    for values in product(("", "asin_found", "needs_selection"), ("", "new", "rejected"), ("", True, False))
]
_MOST_ROWS: Final = 400
"""Maximum rows that a page of 50 deals may read: these deals, one more deal per slice, and the products of both."""
_MOST_BLOCKS: Final = 1200
_STEP: Final = 200
"""Deals that one step of an action on a filter changes."""
_BY_ID: Final = {
    "Index Scan deals_pkey",
    "Index Only Scan deals_pkey",
    "Bitmap Index Scan deals_pkey",
    "Index Only Scan deals_slice_created_idx",
}
"""The ways to read deals whose cost depends only on their number: by id, and in the order of the list."""


@pytest.fixture(scope="module")
def million() -> Iterator[PostgresServer]:
    """Return a PostgreSQL with a million deals and without statistics of them."""
    with PostgresServer() as running:
        running.migrate()
        load(running)
        yield running


@pytest.fixture(scope="module", params=["never analyzed", "analyzed"])
def recorder(request: pytest.FixtureRequest, million: PostgresServer) -> Iterator[PlanRecorder]:
    """Return a session that records its plans, on tables with and without statistics."""
    plans = PlanRecorder(million)
    with plans.session as session:
        if request.param == "analyzed":
            execute(session, "analyze products, deals, searching.suppliers")
        known = execute(session, "select count(*) as known from pg_statistic where starelid = 'deals'::regclass")
        assert (known[0]["known"] > 0) is (request.param == "analyzed")
        plans.lists(LARGE_SELLER)  # loads the system catalogues into the session's memory
        yield plans


def _name(filters: dict[str, Any]) -> str:
    return "+".join(f"{name[2:]}={value}" for name, value in filters.items()) or "no filter"


def _bounded(page: Page, *, rows: int = _MOST_ROWS, blocks: int = _MOST_BLOCKS) -> None:
    """Assert that the cost of a page is within its limits."""
    assert not [name for name in page.rows if name.startswith("Seq Scan")], page.rows
    assert page.examined <= rows, page.rows
    assert page.blocks <= blocks, page.rows


@pytest.mark.parametrize("filters", _FILTERS, ids=_name)
@pytest.mark.parametrize("sort", _SORTS)
def test_every_filter_with_every_sort_reads_little_more_than_the_page(
    recorder: PlanRecorder, sort: str, filters: dict[str, Any]
) -> None:
    """The first page and one from the middle, for filters that match nearly all deals or few."""
    first = recorder.lists(LARGE_SELLER, p_sort=sort, **filters)
    _bounded(first)
    assert first.document["items"] or len(filters) > 1
    after = {f"p_after_{name}": value for name, value in asdict(MIDDLE[sort.removeprefix("-")]).items()}
    deep = recorder.lists(LARGE_SELLER, p_sort=sort, **filters, **after)
    _bounded(deep)
    assert deep.document["items"] != first.document["items"] or filters


@pytest.mark.parametrize("sort", _SORTS)
def test_deleted_deals_are_listed_at_the_same_cost(recorder: PlanRecorder, sort: str) -> None:
    """One deal in fifty is deleted. The active deals between them are not read."""
    page = recorder.lists(LARGE_SELLER, p_sort=sort, p_active=False)
    _bounded(page)
    assert len(page.document["items"]) == 50


@pytest.mark.parametrize("filters", _FILTERS[::4], ids=_name)
@pytest.mark.parametrize("search", ["zanzibar", "5%", "b00054321", "acme", "%%", "033333077777"])
def test_the_cost_of_a_rare_search_is_bounded_by_its_matches(
    recorder: PlanRecorder, search: str, filters: dict[str, Any]
) -> None:
    """For searches of at least two characters of any kind, with every filter."""
    for sort in ("-created_at", "title"):
        _bounded(recorder.lists(LARGE_SELLER, p_sort=sort, p_search=search, **filters), rows=1000)


@pytest.mark.parametrize(("search", "found"), [("zanzibar", 40), ("5%", 40), ("b00054321", 0), ("b000054321", 10)])
def test_a_rare_search_finds_every_match(recorder: PlanRecorder, search: str, found: int) -> None:
    """Ten deals for each matching product."""
    assert len(recorder.lists(LARGE_SELLER, p_search=search).document["items"]) == found


@pytest.mark.parametrize("search", ["steel", "ol", "holder", "lamp", "b0000"])
def test_a_frequent_search_fills_its_page_in_list_order(recorder: PlanRecorder, search: str) -> None:
    """Many of the next deals in list order match, so it is not necessary to read and sort all matches."""
    page = recorder.lists(LARGE_SELLER, p_search=search)
    _bounded(page, rows=PRODUCTS + 8000, blocks=25_000)
    assert len(page.document["items"]) == 50
    read_rows = Counter({name: rows for name, rows in page.rows.items() if "Bitmap Index" not in name})
    assert read_rows.total() <= 8000, page.rows


@pytest.mark.parametrize("search", ["supplier 7 55", "walnut"])
def test_the_cost_of_a_frequent_search_far_down_the_list_is_bounded_by_its_matches(
    recorder: PlanRecorder, search: str
) -> None:
    """The matches are at the end of the order. The query sorts the matches of the index instead of reading the list."""
    page = recorder.lists(LARGE_SELLER, p_search=search, p_sort="title" if search == "walnut" else "supplier")
    deals = {"walnut": 115_000, "supplier 7 55": 1000}[search]
    _bounded(page, rows=3 * deals + 15_000, blocks=6 * deals + 30_000)
    assert len(page.document["items"]) == 50


@pytest.mark.parametrize("filters", _FILTERS[::4], ids=_name)
@pytest.mark.parametrize(
    ("search", "rows"), [("zanzibar", 1000), ("lamp", PRODUCTS + 16_000), ("ol", PRODUCTS + 16_000)]
)
def test_the_cost_of_counting_a_search_is_bounded(
    recorder: PlanRecorder, search: str, rows: int, filters: dict[str, Any]
) -> None:
    """A rare search is counted to its end. Of a frequent one, 4,000 deals and their products are read."""
    _bounded(recorder.calls("count_deals", LARGE_SELLER, p_search=search, **filters), rows=rows, blocks=40_000)


@pytest.mark.parametrize(("search", "total"), [("zanzibar", (40, True)), ("holder", (4000, False))])
def test_a_search_is_counted_as_far_as_it_is_cheap(
    recorder: PlanRecorder, search: str, total: tuple[int, bool]
) -> None:
    """Nearly every title contains "Holder", so all of the newest 4,000 deals match."""
    found = recorder.calls("count_deals", LARGE_SELLER, p_search=search).document
    assert (found["total"], found["is_exact"]) == total


@pytest.mark.parametrize("search", ["holder", "ol", "supplier", "zanzibar"])
@pytest.mark.parametrize("sort", ["-created_at", "title", "supplier"])
def test_the_cost_for_a_small_seller_does_not_depend_on_others(recorder: PlanRecorder, search: str, sort: str) -> None:
    """These searches match many deals of other sellers. The cost for a small seller is bounded by their own deals."""
    _bounded(recorder.lists(SMALL_SELLER, p_sort=sort, p_search=search), rows=4000, blocks=8000)


@pytest.mark.parametrize("place", ["first", "middle"])
def test_a_step_of_an_action_on_a_filter_and_its_undo_cost_what_they_change(recorder: PlanRecorder, place: str) -> None:
    """Neither depends on the length of the list, nor on the place in it. The undo leaves the list as it was."""
    after = {f"p_after_{name}": value for name, value in asdict(MIDDLE["created_at"]).items()}
    arguments = {"p_action": "favorite", "p_filter": '{"stage": "new"}', "p_limit": _STEP}
    step = recorder.calls("bulk_matching", LARGE_SELLER, **arguments, **(after if place == "middle" else {}))
    _is_undone_at_the_same_cost(recorder, step)


def test_an_action_on_chosen_deals_and_its_undo_cost_what_they_change(recorder: PlanRecorder) -> None:
    """Each deal is looked up by its id. The index of all deals of the user is not read."""
    page = recorder.lists(LARGE_SELLER, p_limit=_STEP, p_favorite=False)
    ids = [UUID(deal["id"]) for deal in page.document["items"]]
    step = recorder.calls("bulk_deals", LARGE_SELLER, p_action="favorite", p_deal_ids=ids)
    _is_undone_at_the_same_cost(recorder, step)


def _is_undone_at_the_same_cost(recorder: PlanRecorder, step: Page) -> None:
    undone = recorder.calls("undo_batch", LARGE_SELLER, p_batch_id=step.document["answer"]["batch_id"])
    assert (step.document["answer"]["changed"], undone.document["answer"]["restored"]) == (_STEP, _STEP)
    for each in (step, undone):
        _bounded(each, rows=10 * _STEP, blocks=90 * _STEP)
        assert {name for name in each.rows if "deals_" in name} <= _BY_ID, each.rows


def test_the_catalogue_has_a_million_deals(recorder: PlanRecorder) -> None:
    """80 % of them belong to the large seller."""
    counted = execute(
        recorder.session,
        "select count(*) as all, count(*) filter (where user_id = %s) as large from deals",
        LARGE_SELLER,
    )
    assert counted == [{"all": DEALS, "large": DEALS * 4 // 5}]
