"""The queue of a status: its order, skipping, and products that leave it."""

from typing import Any, Final

import pytest

from tests.deciding.deciders import Decider, refusal
from tests.postgres import execute

_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"
_AGE: Final = "update deals set created_at = now() - %s * interval '1 hour' where user_id = %s and supplier = %s"


def _next(seller: Decider, status: str, after: dict[str, str] | None = None) -> dict[str, Any]:
    cursor = {f"p_after_{name}": value for name, value in (after or {}).items()}
    found: dict[str, Any] = seller.calls("next_in_queue", p_asin_status=status, **cursor)
    return found


def _walk(seller: Decider, status: str) -> list[str]:
    """Return the ids of all products of the queue, skipping each of them."""
    ids, after = [], None
    while (found := _next(seller, status, after))["product"]:
        assert found["product"]["id"] not in ids
        ids.append(found["product"]["id"])
        after = found["next"]
    assert found["next"] is None
    return ids


def _with_deals(seller: Decider, **ages: int) -> str:
    """Insert a product with a deal for each supplier, this many hours old. Supplier names must be unique."""
    product_id = seller.has_product(suppliers=list(ages))
    for supplier, age in ages.items():
        execute(seller.session, _AGE, age, seller.id, supplier)
    return product_id


def test_the_queue_has_the_order_of_the_list_with_each_product_once(seller: Decider) -> None:
    """A product comes at its newest active deal, whatever the ages of its other deals."""
    first = _with_deals(seller, A1=1, A2=5, A3=9)
    third = _with_deals(seller, C1=4, C2=6)
    second = _with_deals(seller, B1=2, B2=3)
    last = _with_deals(seller, D1=8)
    assert _walk(seller, "manual_entry") == [first, second, third, last]
    listed = seller.calls("list_deals", p_asin_status="manual_entry")["items"]
    assert list(dict.fromkeys(item["product_id"] for item in listed)) == [first, second, third, last]


def test_deals_of_the_same_moment_are_in_the_order_of_the_list(seller: Decider) -> None:
    """The id decides. Each product comes exactly once."""
    ids = {_with_deals(seller, **{f"S{number}": 1, f"T{number}": 1}) for number in range(5)}
    execute(seller.session, "update deals set created_at = '2026-01-01Z' where user_id = %s", seller.id)
    listed = seller.calls("list_deals")["items"]
    walked = _walk(seller, "manual_entry")
    assert walked == list(dict.fromkeys(item["product_id"] for item in listed))
    assert set(walked) == ids


def test_deleted_deals_do_not_count(seller: Decider) -> None:
    """A product comes at its newest active deal, and a product with only deleted deals is in no queue."""
    gone, older, newer = _with_deals(seller, A=1), _with_deals(seller, B1=2, B2=6), _with_deals(seller, C=4)
    execute(
        seller.session,
        "update deals set active = false, deleted_at = now() where user_id = %s and supplier in ('A', 'B1')",
        seller.id,
    )
    assert _walk(seller, "manual_entry") == [newer, older]
    assert gone not in _walk(seller, "manual_entry")


def test_each_status_has_its_queue(seller: Decider) -> None:
    """The product is a whole document, with its deals. All stages and favorites belong to the queue."""
    found, none = seller.has_product(asin="B000000001"), seller.has_product()
    several = seller.has_product(candidates=["B000000002", "B000000003"])
    needed = seller.has_product(upc="036000291452")
    execute(seller.session, "update deals set stage = 'rejected', favorite = true where product_id = %s", needed)
    for status, product_id in zip(
        ("asin_found", "manual_entry", "needs_selection", "needs_asin"), (found, none, several, needed), strict=True
    ):
        assert _walk(seller, status) == [product_id]
        assert _next(seller, status)["product"] == seller.calls("get_product", p_product_id=product_id)


def test_the_queue_is_stable_while_products_are_decided(seller: Decider) -> None:
    """The cursor stays valid when its product leaves the queue. Without a cursor, the next product is the first one."""
    ids = [_with_deals(seller, **{f"S{number}": number}) for number in range(1, 5)]
    skipped = _next(seller, "manual_entry")
    seller.decides(ids[0], "B000000001")
    seller.decides(ids[1], "B000000002")
    assert _next(seller, "manual_entry", skipped["next"])["product"]["id"] == ids[2]
    assert _next(seller, "manual_entry")["product"]["id"] == ids[2]


def test_a_merged_product_leaves_the_queue(seller: Decider) -> None:
    """Its deals belong to the other product now."""
    source, target = _with_deals(seller, A=1), _with_deals(seller, B=2)
    seller.changes("merge_products", p_product_id=source, p_into=target)
    assert _walk(seller, "manual_entry") == [target]


def test_an_empty_queue_has_no_product(seller: Decider, other_seller: Decider) -> None:
    """Products of other users are not in the queue, also with their cursor."""
    other_seller.has_product()
    theirs = _next(other_seller, "manual_entry")
    assert theirs["product"]
    assert _next(seller, "manual_entry") == {"product": None, "next": None}
    own = seller.has_product()
    assert _walk(seller, "manual_entry") == [own]
    found = _next(seller, "manual_entry", {"value": "2990-01-01", "id": theirs["next"]["id"]})
    assert found["product"]["id"] == own


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_asin_status": "lost"},
        {"p_asin_status": None},
        {"p_asin_status": "needs_asin", "p_after_value": "2026-01-01"},
        {"p_asin_status": "needs_asin", "p_after_id": _UNKNOWN_ID},
        {"p_asin_status": "needs_asin", "p_after_value": "not a time", "p_after_id": _UNKNOWN_ID},
    ],
)
def test_an_unknown_status_and_a_wrong_cursor_are_refused(seller: Decider, arguments: dict[str, object]) -> None:
    """PT400, as for a list."""
    seller.has_product(upc="036000291452")
    assert refusal(lambda: seller.calls("next_in_queue", **arguments))[0] == "PT400"
