"""Undoing a choice: when it is possible, and that it restores the rows. See `test_undo_merge` for merges."""

from typing import Final

import pytest

from tests.deciding.deciders import Decider, conflict, refusal
from tests.postgres import execute

_A, _B, _C = "B00000000A", "B00000000B", "B00000000C"
_UPC: Final = "036000291452"
_GTIN: Final = "00036000291452"
_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"


def _decided(seller: Decider, asin: str | None, *, remember: bool = True) -> tuple[str, str]:
    """Decide about a product with two candidates. Return the ids of the product and of the decision."""
    product_id = seller.has_product(upc=_UPC, asin="PENDING_1", multiple_asins=True, candidates=[_A, _B])
    seller.decides(product_id, asin, remember=remember)
    return product_id, seller.history(product_id)[0]["id"]


@pytest.mark.parametrize("asin", [_A, _C, None])
@pytest.mark.parametrize("remember", [False, True])
def test_an_undo_restores_the_rows(seller: Decider, asin: str | None, *, remember: bool) -> None:
    """The answer is the product. The decision stays in the history."""
    product_id = seller.has_product(upc=_UPC, asin="PENDING_1", multiple_asins=True, candidates=[_A, _B])
    execute(
        seller.session,
        "insert into matches (user_id, gtin, asin, verdict, created_at) values"
        " (%s, %s, %s, 'always', '2026-01-01'), (%s, %s, %s, 'never', '2026-01-02')",
        *(seller.id, _GTIN, _B, seller.id, _GTIN, _A),
    )
    before = seller.state()
    seller.decides(product_id, asin, remember=remember)
    assert seller.state() != before
    (decision,) = seller.history(product_id)
    product = seller.undoes(decision["id"])
    assert (product["id"], product["asin"], product["multiple_asins"]) == (product_id, "PENDING_1", True)
    assert seller.state() == before
    (undone,) = seller.history(product_id)
    assert (undone["id"], undone["can_undo"]) == (decision["id"], False)
    assert undone["undone_at"] is not None


def test_undoing_twice_changes_nothing(seller: Decider) -> None:
    """Not even after another decision. The answer is the product."""
    product_id, decision_id = _decided(seller, _A)
    seller.undoes(decision_id)
    seller.decides(product_id, _B)
    before = seller.state(), seller.history(product_id), seller.product(product_id)
    assert seller.undoes(decision_id)["id"] == product_id
    assert (seller.state(), seller.history(product_id), seller.product(product_id)) == before


def test_decisions_are_undone_from_the_last_to_the_first(seller: Decider) -> None:
    """An earlier one is refused with the conflict `changed`, until the later ones are undone."""
    product_id, first = _decided(seller, None)
    before = seller.state()
    seller.decides(product_id, _A)
    second = seller.history(product_id)[0]["id"]
    assert refusal(lambda: seller.undoes(first)) == conflict("changed", product_id)
    seller.undoes(second)
    assert seller.state() == before
    assert [decision["can_undo"] for decision in seller.history(product_id)] == [False, True]
    seller.undoes(first)
    assert seller.product(product_id)["asin_status"] == "needs_selection"


def test_an_earlier_decision_is_not_undone_although_its_values_are_still_there(seller: Decider) -> None:
    """A later decision about other candidates comes first."""
    product_id, first = _decided(seller, None)
    text = "insert into candidates (user_id, product_id, asin) values (%s, %s, %s)"
    execute(seller.session, text, seller.id, product_id, _C)
    seller.decides(product_id, None)
    before = seller.state()
    assert refusal(lambda: seller.undoes(first)) == conflict("changed", product_id)
    assert seller.state() == before


def test_a_decision_can_be_undone_for_thirty_days(seller: Decider) -> None:
    """Later it is PT410, the detail names the decision, and nothing is changed."""
    product_id, decision_id = _decided(seller, _A)
    before = seller.state()
    seller.ages(decision_id, "30 days 1 minute")
    assert seller.history(product_id)[0]["can_undo"] is False
    assert refusal(lambda: seller.undoes(decision_id)) == ("PT410", [decision_id])
    assert seller.state() == before
    seller.ages(decision_id, "-2 hours")
    assert seller.history(product_id)[0]["can_undo"] is True
    assert seller.undoes(decision_id)["asin"] == "PENDING_1"


@pytest.mark.parametrize("undo", [True, False])
def test_a_decision_of_another_user_does_not_exist(seller: Decider, other_seller: Decider, *, undo: bool) -> None:
    """The answer is null, and nothing is changed."""
    product_id, decision_id = _decided(seller, _A)
    if undo:
        seller.undoes(decision_id)
    before = seller.state(), seller.history(product_id)
    assert other_seller.undoes(decision_id) is None
    assert seller.undoes(_UNKNOWN_ID) is None
    assert (seller.state(), seller.history(product_id)) == before


# What may happen to the product after each decision, so that the old values must not be written.
_CHANGES: Final = {
    "other asin": (_A, "update products set asin = 'B00000000D' where user_id = %s"),
    "cleared asin": (_A, "update products set asin = null where user_id = %s"),
    "multiple asins": (_A, "update products set multiple_asins = false where user_id = %s"),
    "asin after none": (None, "update products set asin = 'B00000000D' where user_id = %s"),
    "candidate opened": (None, "update candidates set dismissed = false where asin = 'B00000000A' and user_id = %s"),
    "candidate removed": (None, "delete from candidates where asin = 'B00000000A' and user_id = %s"),
    "match forgotten": (_A, "delete from matches where user_id = %s"),
    "never became always": (
        None,
        "update matches set verdict = 'always' where asin = 'B00000000A' and user_id = %s",
    ),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_choice_is_not_undone_after_another_change(seller: Decider, change: str) -> None:
    """The conflict `changed` names the product, and nothing is changed."""
    asin, text = _CHANGES[change]
    product_id, decision_id = _decided(seller, asin)
    execute(seller.session, text, seller.id)
    before = seller.state()
    assert refusal(lambda: seller.undoes(decision_id)) == conflict("changed", product_id)
    assert seller.state() == before


def test_a_choice_is_not_undone_if_its_identifier_belongs_to_another_asin_now(seller: Decider) -> None:
    """The undo would restore an `always` match, and an identifier has at most one. Another product got the new one."""
    insert = "insert into matches (user_id, gtin, asin, verdict) values (%s, %s, %s, 'always')"
    execute(seller.session, insert, seller.id, _GTIN, _A)
    product_id, decision_id = _decided(seller, None)
    seller.decides(seller.has_product("Other", upc=f"0{_UPC}"), _C, remember=True)
    before = seller.state()
    assert refusal(lambda: seller.undoes(decision_id)) == conflict("changed", product_id)
    assert seller.state() == before


def test_other_changes_do_not_prevent_an_undo(seller: Decider) -> None:
    """A new title, UPC or candidate stays. Matches of the old identifier are restored."""
    product_id, decision_id = _decided(seller, None)
    execute(seller.session, "update products set title = 'New', upc = '12345670' where id = %s", product_id)
    execute(
        seller.session,
        "insert into candidates (user_id, product_id, asin) values (%s, %s, %s)",
        *(seller.id, product_id, _C),
    )
    product = seller.undoes(decision_id)
    assert (product["title"], product["upc"]) == ("New", "12345670")
    assert seller.dismissed(product_id) == {_A: False, _B: False, _C: False}
    assert seller.matches() == set()
