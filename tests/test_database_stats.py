"""What the five numbers mean: each product with an active deal once, in exactly one status."""

from typing import Any

import pytest

from tests.callers import Caller

_ZERO = {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


def test_a_new_user_has_zeros(alice: Caller) -> None:
    """Five numbers, all zero: not an error and not an empty object."""
    assert alice.reads_stats() == _ZERO


@pytest.mark.parametrize(
    ("product", "status"),
    [
        ({"asin": "B000000001"}, "asin_found"),
        ({"asin": "B000000001", "upc": "12345678", "multiple_asins": True}, "asin_found"),
        ({"asin": "0306406152"}, "asin_found"),
        ({"upc": "12345678", "multiple_asins": True}, "needs_selection"),
        ({"multiple_asins": True}, "needs_selection"),
        ({"asin": "PENDING_7", "multiple_asins": True}, "needs_selection"),
        ({"upc": "12345678"}, "needs_asin"),
        ({"asin": "PENDING_12345678", "upc": "12345678"}, "needs_asin"),
        ({"asin": "Unknown", "upc": "12345678"}, "needs_asin"),
        ({}, "manual_entry"),
        ({"asin": "PENDING_"}, "manual_entry"),
        ({"asin": "Unknown ASIN"}, "manual_entry"),
        ({"asin": "UNKNOWN123"}, "asin_found"),
    ],
)
def test_each_product_is_in_exactly_one_status(alice: Caller, product: dict[str, Any], status: str) -> None:
    """An ASIN, else several candidates, else a UPC, else nothing; placeholders are no ASIN. List and stats agree."""
    assert alice.creates(**product)["product"]["asin_status"] == status
    assert alice.reads_stats() == {**_ZERO, "all": 1, status: 1}
    assert len(alice.lists(p_asin_status=status)) == 1


def test_the_four_statuses_sum_to_all(alice: Caller) -> None:
    """Different counts in each, so that no two can be mistaken for each other."""
    for number in range(10):
        identifiers: dict[str, Any] = {}
        if number < 4:
            identifiers = {"asin": f"B00000000{number}"}
        elif number < 7:
            identifiers = {"upc": f"1234567{number}"}
        elif number < 9:
            identifiers = {"multiple_asins": True}
        alice.creates(**identifiers)
    wanted = {"all": 10, "asin_found": 4, "needs_asin": 3, "needs_selection": 2, "manual_entry": 1}
    assert alice.reads_stats() == wanted


def test_a_product_counts_once_however_many_deals_it_has(alice: Caller) -> None:
    """Until its last active deal is deleted; restoring any brings it back."""
    deals = [alice.creates(asin="B000000001", deal={"supplier": name})["id"] for name in ("a", "b", "c")]
    one = {**_ZERO, "all": 1, "asin_found": 1}
    assert alice.reads_stats() == one
    for deal_id in deals[:2]:
        alice.gets("delete_deal", p_deal_id=deal_id)
        assert alice.reads_stats() == one
    alice.gets("delete_deal", p_deal_id=deals[2])
    assert alice.reads_stats() == _ZERO
    alice.gets("bulk_deals", p_action="restore", p_deal_ids=deals[:1])
    assert alice.reads_stats() == one
    for deal_id in deals:
        alice.gets("delete_deal", p_deal_id=deal_id, p_hard=True)
    assert alice.reads_stats() == _ZERO
