"""`POST /products/decisions/<id>/undo`."""

from local.stack import Stack
from tests.matching.deciding import UNKNOWN_ID, Decider, asins, ok
from tests.problems import problem

_VOLATILE = ("etag", "history", "updated_at")


def test_a_decision_is_undone(decider: Decider) -> None:
    """The product is as it was, the match is gone, and the numbers are fresh. The history keeps the decision."""
    product = decider.product(1, multiple_asins=True)
    before = ok(decider.proposes(product["id"], "B000000001", "B000000002"))
    chosen = ok(decider.chooses(product["id"], "B000000002", remember=True))
    undone = ok(decider.undoes(chosen["history"][0]["id"]))
    assert {**undone, **{name: before[name] for name in _VOLATILE}} == before
    (decision,) = undone["history"]
    assert (decision["id"], decision["can_undo"]) == (chosen["history"][0]["id"], False)
    assert decision["undone_at"] is not None
    assert decider.matches()["items"] == []
    assert decider.seller.stats()["needs_selection"] == 1


def test_dismissed_candidates_come_back(decider: Decider) -> None:
    """Those that were dismissed before stay dismissed."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001")
    decider.dismisses(product["id"])
    decider.proposes(product["id"], "B000000002", "B000000003")
    dismissed = ok(decider.dismisses(product["id"], remember=True))
    assert len(decider.matches()["items"]) == 3
    undone = ok(decider.undoes(dismissed["history"][0]["id"]))
    assert (asins(undone), asins(undone, dismissed=True)) == (["B000000002", "B000000003"], ["B000000001"])
    assert (undone["asin_status"], decider.matches()["items"]) == ("needs_selection", [])


def test_an_undo_again_changes_nothing(decider: Decider) -> None:
    """200 with the same product. With the same key, also after the next decision."""
    product = decider.product(1)
    decision = ok(decider.chooses(product["id"], "B000000001"))["history"][0]["id"]
    undone = ok(decider.undoes(decision, Idempotency_Key="k"))
    assert ok(decider.undoes(decision)) == undone
    ok(decider.chooses(product["id"], "B000000002"))
    assert ok(decider.undoes(decision, Idempotency_Key="k")) == undone


def test_a_product_that_was_changed_since_is_a_conflict(decider: Decider) -> None:
    """409, and the later change stays."""
    product = decider.product(1)
    decision = ok(decider.chooses(product["id"], "B000000001"))["history"][0]["id"]
    ok(decider.seller.http.patch(f"/products/{product['id']}", json={"asin": "B000000002"}))
    document = problem(decider.undoes(decision), 409)
    assert (document["conflict"], document["product_ids"]) == ("changed", [product["id"]])
    assert decider.sees(product["id"])["asin"] == "B000000002"


def test_a_decision_of_long_ago_stays(decider: Decider, stack: Stack) -> None:
    """410 after 30 days, and nothing is changed."""
    product = decider.product(1)
    decision = ok(decider.chooses(product["id"], "B000000001"))["history"][0]["id"]
    stack.supabase.sql("update deciding.decisions set made_at = now() - interval '31 days' where id = $1", decision)
    seen = decider.sees(product["id"])
    assert seen["history"][0]["can_undo"] is False
    assert problem(decider.undoes(decision), 410)["kind"] == "undo-too-late"
    assert decider.sees(product["id"]) == seen


def test_an_unknown_decision_is_not_found(decider: Decider) -> None:
    """404."""
    problem(decider.undoes(UNKNOWN_ID), 404)
