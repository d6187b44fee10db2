"""Undoing a merge: what is put back, and what stays. `test_property` checks that all rows are restored."""

from typing import Any, Final

from tests.deciding.deciders import Decider, conflict, refusal
from tests.postgres import execute

_A, _B, _C = "B00000000A", "B00000000B", "B00000000C"
_UPC: Final = "036000291452"


def _merged(seller: Decider) -> tuple[str, str, str]:
    """Merge a product with an ASIN and a UPC. Return the ids of the source, the target and the decision."""
    source = seller.has_product(asin=_A, upc=_UPC, suppliers=["Acme", "Bolt"], candidates=[_A, _B])
    target = seller.has_product("Other", suppliers=["ACME"], candidates=[_C])
    seller.changes("merge_products", p_product_id=source, p_into=target)
    return source, target, seller.history(target)[0]["id"]


def _rows(seller: Decider, table: str, column: str, value: str) -> list[dict[str, Any]]:
    return execute(seller.session, f"select * from {table} where {column} = %s", value)  # noqa: S608 - our own names


def test_a_merge_can_be_undone_for_thirty_days(seller: Decider) -> None:
    """Later it is PT410, and nothing is changed."""
    *_, decision_id = _merged(seller)
    before = seller.state()
    seller.ages(decision_id, "30 days 1 minute")
    assert refusal(lambda: seller.undoes(decision_id)) == ("PT410", [decision_id])
    assert seller.state() == before


def test_values_that_changed_after_a_merge_stay(seller: Decider) -> None:
    """Each value that still is the merged one is put back, and each other one stays."""
    source, target, decision_id = _merged(seller)
    execute(seller.session, "update deals set notes = 'mine', moq = 9 where product_id = %s", target)
    execute(seller.session, "update products set brand = 'Mine' where id = %s", target)
    seller.undoes(decision_id)
    assert [deal["notes"] for deal in _rows(seller, "deals", "product_id", target)] == ["mine"]
    assert {deal["notes"] for deal in _rows(seller, "deals", "product_id", source)} == {"", "mine"}
    assert seller.product(target)["brand"] == "Mine"
    assert (seller.product(source)["asin"], seller.product(target)["asin"]) == (_A, None)
    assert seller.dismissed(target) == {_C: False}


def test_a_deal_that_does_not_exist_any_more_is_left_out(seller: Decider) -> None:
    """The other deals move back."""
    source, target, decision_id = _merged(seller)
    execute(seller.session, "delete from deals where product_id = %s and supplier = 'Bolt'", target)
    seller.undoes(decision_id)
    assert [deal["supplier"] for deal in _rows(seller, "deals", "product_id", source)] == ["Acme"]
    assert [deal["supplier"] for deal in _rows(seller, "deals", "product_id", target)] == ["ACME"]


def test_a_moved_deal_stays_if_the_source_has_its_supplier_now(seller: Decider) -> None:
    """A product has one deal per supplier."""
    source, target, decision_id = _merged(seller)
    execute(seller.session, "update deals set supplier = 'BOLT' where product_id = %s", source)
    seller.undoes(decision_id)
    assert [deal["supplier"] for deal in _rows(seller, "deals", "product_id", source)] == ["BOLT"]
    assert {deal["supplier"] for deal in _rows(seller, "deals", "product_id", target)} == {"ACME", "Bolt"}


def test_a_deal_that_was_restored_after_a_merge_stays_active(seller: Decider) -> None:
    """Also if it was deleted again. Its other values are put back."""
    source, _, decision_id = _merged(seller)
    execute(
        seller.session,
        "update deals set active = false, deleted_at = '2026-01-01' where product_id = %s",
        source,
    )
    seller.undoes(decision_id)
    deals = {deal["supplier"]: deal["active"] for deal in _rows(seller, "deals", "product_id", source)}
    assert deals == {"Acme": False, "Bolt": True}


def test_an_identifier_that_another_product_has_now_is_not_put_back(seller: Decider) -> None:
    """The rest of the merge is undone."""
    source, target, decision_id = _merged(seller)
    execute(seller.session, "update products set asin = null, upc = null where id = %s", target)
    third = seller.has_product("Third", asin=_A, upc=_UPC)
    seller.undoes(decision_id)
    assert [seller.product(each)["asin"] for each in (source, target, third)] == [None, None, _A]
    assert [seller.product(each)["upc"] for each in (source, target, third)] == [None, None, _UPC]
    assert seller.product(source)["merged_into"] is None


def test_a_merge_is_not_undone_without_its_source(seller: Decider) -> None:
    """The conflict `changed` names the target."""
    source, target, decision_id = _merged(seller)
    execute(seller.session, "delete from products where id = %s", source)
    assert refusal(lambda: seller.undoes(decision_id)) == conflict("changed", target)


def test_a_merge_is_not_undone_after_its_target_was_merged(seller: Decider) -> None:
    """First the later merge is undone. Then both products are as before."""
    before_all = {row["supplier"] for row in _rows(seller, "deals", "user_id", seller.id)}
    source, target, first = _merged(seller)
    merged = seller.state()
    third = seller.has_product("Third")
    seller.changes("merge_products", p_product_id=target, p_into=third)
    second = seller.history(third)[0]["id"]
    assert refusal(lambda: seller.undoes(first)) == conflict("changed", target)
    seller.undoes(second)
    execute(seller.session, "delete from products where id = %s", third)
    assert (before_all, seller.state()) == (set(), merged)
    seller.undoes(first)
    assert {deal["supplier"] for deal in _rows(seller, "deals", "product_id", source)} == {"Acme", "Bolt"}
