"""What another seller decided does not exist for a seller, and cannot be changed by one."""

from typing import Any

from tests.barcodes import upc
from tests.matching.deciding import UNKNOWN_ID, Decider, ok
from tests.problems import problem


def _prepared(decider: Decider) -> tuple[dict[str, Any], str]:
    """Create two products, decide about one with a match, and return this product and the id of the decision."""
    product = decider.product(1)
    decider.product(2)
    decider.proposes(product["id"], "B000000001", "B000000002")
    chosen = ok(decider.chooses(product["id"], "B000000001", remember=True))
    return chosen, chosen["history"][0]["id"]


def _everything(decider: Decider) -> list[Any]:
    products = {deal["product_id"] for deal in decider.seller.lists()}
    return [decider.seller.sees(), decider.matches(), [decider.sees(product) for product in sorted(products)]]


def test_another_sellers_products_and_decisions_are_not_found(decider: Decider, other: Decider) -> None:
    """Every route answers the same 404 as for an unknown id, and changes nothing."""
    theirs, decision = _prepared(other)
    mine = decider.product(1)
    before, shown = _everything(other), []
    for product_id, decision_id in ((theirs["id"], decision), (UNKNOWN_ID, UNKNOWN_ID)):
        answers = [
            decider.proposes(product_id, "B000000009"),
            decider.chooses(product_id, "B000000009"),
            decider.dismisses(product_id),
            decider.merges(product_id, mine["id"]),
            decider.merges(mine["id"], product_id),
            decider.undoes(decision_id),
        ]
        shown.append([problem(answer, 404)["detail"] for answer in answers])
    assert shown[0] == shown[1]
    assert _everything(other) == before
    assert decider.sees(mine["id"]) == mine


def test_another_sellers_matches_are_not_listed_applied_or_forgotten(decider: Decider, other: Decider) -> None:
    """A product with the same identifier gets no ASIN, and may have the same one."""
    theirs, _ = _prepared(other)
    assert decider.matches() == {"items": [], "next_cursor": None}
    problem(decider.seller.http.delete(f"/matches/{theirs['upc']}/B000000001"), 404)
    mine = decider.product(1)
    assert (mine["upc"], mine["asin"], mine["candidates"], mine["match"]) == (theirs["upc"], None, [], None)
    assert ok(decider.chooses(mine["id"], "B000000001"))["asin"] == "B000000001"
    assert len(other.matches()["items"]) == 1


def test_another_sellers_products_are_in_no_queue_and_no_bulk(decider: Decider, other: Decider) -> None:
    """Neither by id nor by UPC."""
    other.product(2)
    theirs = other.product(1)
    assert decider.queue("needs_asin")["product"] is None
    cursor = other.queue("needs_asin")["next_cursor"]
    assert decider.queue("needs_asin", after=cursor)["product"] is None
    rows = [{"product_id": theirs["id"], "asin": "B000000001"}, {"upc": upc(2), "asin": "B000000002"}]
    assert [result["outcome"] for result in decider.decides_many(rows)] == ["unknown", "unknown"]
    assert other.sees(theirs["id"]) == theirs


def test_requests_without_a_token_are_refused(decider: Decider) -> None:
    """401 on every route."""
    path = f"/products/{UNKNOWN_ID}"
    requests = [
        ("PUT", f"{path}/candidates"), ("POST", f"{path}/asin"), ("POST", f"{path}/merge"), ("GET", "/matches"),
        ("POST", f"/products/decisions/{UNKNOWN_ID}/undo"), ("POST", "/products/bulk-asin"), ("GET", "/products/queue"),
        ("DELETE", "/matches/12345670/B000000001"),
    ]  # fmt: skip
    for method, address in requests:
        answer = decider.seller.http.request(method, address, headers={"Authorization": ""})
        assert problem(answer, 401)["kind"] == "unauthenticated"
