"""With a million deals, the next product of a queue costs the same everywhere in the queue, for every status.

The cost is the number of rows and blocks that PostgreSQL reads. No test measures time.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import pytest

from tests.catalogue import LARGE_SELLER, MIDDLE, SMALL_SELLER, load
from tests.plans import Page, PlanRecorder
from tests.postgres import PostgresServer, execute

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]  # the first test loads a million deals

_STATUSES: Final = ("asin_found", "needs_selection", "needs_asin", "manual_entry")
_MOST_ROWS: Final = 400
"""Maximum rows of one call: a deal per slice, the deals passed over with those of their products, and the document.

A product has ten deals, so up to nine deals of products that came before are passed over for each product.
"""
_MOST_BLOCKS: Final = 1200
_WHOLE_TABLES: Final = {"Seq Scan products", "Seq Scan deals"}
_NONE_LEFT: Final = {"product": None, "next": None}


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
            execute(session, "analyze products, deals, candidates")
        plans.calls("next_in_queue", LARGE_SELLER, p_asin_status="asin_found")  # loads the system catalogues
        yield plans


def _bounded(page: Page) -> None:
    """Assert that the cost of a call is within its limits."""
    assert not page.rows.keys() & _WHOLE_TABLES, page.rows
    assert page.examined <= _MOST_ROWS, page.rows
    assert page.blocks <= _MOST_BLOCKS, page.rows


@pytest.mark.parametrize("status", _STATUSES)
def test_each_of_the_next_products_reads_little_more_than_the_product(recorder: PlanRecorder, status: str) -> None:
    """The first three products of the queue of a status that nearly all products have, or few."""
    cursor: dict[str, object] = {}
    seen = set()
    for _ in range(3):
        page = recorder.calls("next_in_queue", LARGE_SELLER, p_asin_status=status, **cursor)
        _bounded(page)
        seen.add(page.document["product"]["id"])
        cursor = {f"p_after_{name}": value for name, value in page.document["next"].items()}
    assert len(seen) == 3


@pytest.mark.parametrize("status", ["asin_found", "needs_asin", "manual_entry"])
def test_a_product_in_the_middle_of_the_queue_costs_as_much(recorder: PlanRecorder, status: str) -> None:
    """The deals before the cursor are not read."""
    after = {f"p_after_{name}": value for name, value in asdict(MIDDLE["created_at"]).items()}
    page = recorder.calls("next_in_queue", LARGE_SELLER, p_asin_status=status, **after)
    _bounded(page)
    assert page.document["product"]["asin_status"] == status
    first = max(deal["created_at"] for deal in page.document["product"]["deals"] if deal["active"])
    assert first <= "2026-01-01T15:00:00+00:00"


def test_the_cost_for_a_small_seller_does_not_depend_on_others(recorder: PlanRecorder) -> None:
    """Also for an empty queue."""
    for status in _STATUSES:
        page = recorder.calls("next_in_queue", SMALL_SELLER, p_asin_status=status)
        _bounded(page)
        assert (page.document == _NONE_LEFT) or page.document["product"]["asin_status"] == status


def test_a_decision_and_its_undo_read_few_rows(recorder: PlanRecorder) -> None:
    """Of a product in the middle of the catalogue, with its ten deals."""
    queue = recorder.calls("next_in_queue", LARGE_SELLER, p_asin_status="needs_selection")
    product_id = queue.document["product"]["id"]
    decided = recorder.calls("decide_asin", LARGE_SELLER, p_product_id=product_id, p_asin="C000000001")
    found = execute(recorder.session, "select id::text from deciding.decisions where undone_at is null")
    undone = recorder.calls("undo_decision", LARGE_SELLER, p_decision_id=found[0]["id"])
    for page in (decided, undone):
        assert not page.rows.keys() & _WHOLE_TABLES, page.rows
        assert page.examined <= _MOST_ROWS, page.rows
    assert recorder.calls("next_in_queue", LARGE_SELLER, p_asin_status="needs_selection").document["next"] is not None
