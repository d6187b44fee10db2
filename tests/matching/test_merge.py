"""`POST /products/<id>/merge`."""

from typing import Any

from tests.matching.deciding import STALE, UNKNOWN_ID, Decider, asins, ok
from tests.problems import pointers, problem


def _suppliers(product: dict[str, Any]) -> dict[str, bool]:
    return {deal["supplier"]: deal["active"] for deal in product["deals"]}


def test_the_deals_of_a_duplicate_move(decider: Decider) -> None:
    """The product that is kept has all deals and candidates, and the UPC that it lacked. The numbers are fresh."""
    kept, duplicate = decider.product(1, asin="B000000001", upc=None), decider.product(2, supplier="Bolt")
    decider.proposes(duplicate["id"], "B000000005", "B000000006")
    merged = ok(decider.merges(duplicate["id"], kept["id"]))
    assert (merged["id"], merged["upc"], merged["asin"]) == (kept["id"], duplicate["upc"], "B000000001")
    assert _suppliers(merged) == {"Acme": True, "Bolt": True}
    assert asins(merged) == ["B000000005", "B000000006"]
    expected = {"kind": "merge", "other_product_id": duplicate["id"], "can_undo": True}
    assert merged["history"][0].items() >= expected.items()
    assert decider.sees(duplicate["id"])["merged_into"] == kept["id"]
    assert decider.seller.stats() == {
        "all": 1, "asin_found": 1, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0,
    }  # fmt: skip


def test_a_deal_that_both_have_loses_nothing(decider: Decider) -> None:
    """The newer values stay, and the gaps are filled. The other values are in a deleted deal that can be restored."""
    kept = decider.product(1, asin="B000000001", buy_cost="2.00", notes="call back", favorite=True)
    duplicate = decider.product(2, supplier="ACME", buy_cost="3.00", moq=7)
    merged = ok(decider.merges(duplicate["id"], kept["id"]))
    (deal,) = merged["deals"]
    assert (deal["buy_cost"], deal["moq"], deal["notes"], deal["favorite"]) == ("3.00", 7, "call back", True)
    (put_away,) = decider.sees(duplicate["id"])["deals"]
    assert (put_away["active"], put_away["buy_cost"], put_away["notes"]) == (False, "2.00", "call back")
    assert decider.seller.bulk("restore", put_away["id"]).json()["changed"] == 1
    assert decider.seller.stats()["all"] == 2


def test_a_merge_is_undone(decider: Decider) -> None:
    """Both products have their deals again."""
    kept, duplicate = decider.product(1, asin="B000000001"), decider.product(2, supplier="Bolt")
    before = decider.seller.stats()
    merged = ok(decider.merges(duplicate["id"], kept["id"]))
    undone = ok(decider.undoes(merged["history"][0]["id"]))
    assert (undone["id"], _suppliers(undone)) == (kept["id"], {"Acme": True})
    again = decider.sees(duplicate["id"])
    assert (_suppliers(again), again["merged_into"], again["upc"]) == ({"Bolt": True}, None, duplicate["upc"])
    assert decider.seller.stats() == before


def test_products_with_different_asins_are_a_conflict(decider: Decider) -> None:
    """409 names both. Nothing is changed."""
    first, second = decider.product(1, asin="B000000001"), decider.product(2, asin="B000000002")
    document = problem(decider.merges(first["id"], second["id"]), 409)
    assert document["conflict"] == "two-asins"
    assert set(document["product_ids"]) == {first["id"], second["id"]}
    assert (decider.sees(first["id"]), decider.sees(second["id"])) == (first, second)


def test_a_product_that_was_merged_before_is_a_conflict(decider: Decider) -> None:
    """409, as the duplicate and as the product that is kept."""
    products = [decider.product(number)["id"] for number in range(3)]
    ok(decider.merges(products[0], products[1]))
    for source, target in ((0, 2), (2, 0)):
        document = problem(decider.merges(products[source], products[target]), 409)
        assert document["conflict"] == "merged"


def test_a_product_is_not_merged_into_itself_or_into_nothing(decider: Decider) -> None:
    """422 and 404. Nothing is changed."""
    product = decider.product(1)
    problem(decider.merges(product["id"], product["id"]), 422)
    for source, target in ((product["id"], UNKNOWN_ID), (UNKNOWN_ID, product["id"])):
        problem(decider.merges(source, target), 404)
    answer = decider.seller.http.post(f"/products/{product['id']}/merge", json={"into": "x"})
    assert pointers(answer) == ["/into"]
    assert decider.sees(product["id"]) == product


def test_the_conditions_of_the_request_apply(decider: Decider) -> None:
    """If-Match compares the duplicate. A repeated request with the same key merges once."""
    kept, duplicate = decider.product(1, asin="B000000001"), decider.product(2)
    problem(decider.merges(duplicate["id"], kept["id"], If_Match=STALE), 412)
    tag = f'"{duplicate["etag"]}"'
    merged = decider.merges(duplicate["id"], kept["id"], If_Match=tag, Idempotency_Key="k")
    assert ok(merged)["id"] == kept["id"]
    assert decider.merges(duplicate["id"], kept["id"], If_Match=tag, Idempotency_Key="k").content == merged.content
