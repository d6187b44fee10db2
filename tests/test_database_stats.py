"""The meaning of the stats: each product with an active deal counts once, in exactly one status."""

from typing import Any

import pytest

from tests.barcodes import upc
from tests.callers import Caller

_ZERO = {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


def test_a_new_user_has_zeros(alice: Caller) -> None:
    """The answer has five zeros. It is neither an error nor an empty object."""
    assert alice.reads_stats() == _ZERO


@pytest.mark.parametrize(
    ("product", "status"),
    [
        ({"asin": "B000000001"}, "asin_found"),
        ({"asin": "B000000001", "upc": "12345670", "multiple_asins": True}, "asin_found"),
        ({"asin": "0306406152"}, "asin_found"),
        ({"upc": "12345670", "multiple_asins": True}, "needs_selection"),
        ({"multiple_asins": True}, "needs_selection"),
        ({"asin": "PENDING_7", "multiple_asins": True}, "needs_selection"),
        ({"upc": "12345670"}, "needs_asin"),
        ({"asin": "PENDING_12345678", "upc": "12345670"}, "needs_asin"),
        ({"asin": "Unknown", "upc": "12345670"}, "needs_asin"),
        ({}, "manual_entry"),
        ({"asin": "PENDING_"}, "manual_entry"),
        ({"asin": "Unknown ASIN"}, "manual_entry"),
        ({"asin": "UNKNOWN123"}, "asin_found"),
    ],
)
def test_each_product_is_in_exactly_one_status(alice: Caller, product: dict[str, Any], status: str) -> None:
    """The order is: ASIN, several ASINs, UPC, none. Placeholders are not ASINs. List and stats agree."""
    assert alice.creates(**product)["product"]["asin_status"] == status
    assert alice.reads_stats() == {**_ZERO, "all": 1, status: 1}
    assert len(alice.lists(p_asin_status=status)) == 1


def test_the_four_statuses_sum_to_all(alice: Caller) -> None:
    """Each status has a different count, so that swapped counts are detected."""
    for number in range(10):
        identifiers: dict[str, Any] = {}
        if number < 4:
            identifiers = {"asin": f"B00000000{number}"}
        elif number < 7:
            identifiers = {"upc": upc(number)}
        elif number < 9:
            identifiers = {"multiple_asins": True}
        alice.creates(**identifiers)
    expected = {"all": 10, "asin_found": 4, "needs_asin": 3, "needs_selection": 2, "manual_entry": 1}
    assert alice.reads_stats() == expected


def test_a_product_with_several_deals_counts_once(alice: Caller) -> None:
    """It counts until its last active deal is deleted, and again after a restore."""
    deals = [alice.creates(asin="B000000001", deal={"supplier": name})["id"] for name in ("a", "b", "c")]
    one = {**_ZERO, "all": 1, "asin_found": 1}
    assert alice.reads_stats() == one
    for deal_id in deals[:2]:
        alice.changes("delete_deal", p_deal_id=deal_id)
        assert alice.reads_stats() == one
    alice.changes("delete_deal", p_deal_id=deals[2])
    assert alice.reads_stats() == _ZERO
    alice.changes("bulk_deals", p_action="restore", p_deal_ids=deals[:1])
    assert alice.reads_stats() == one
    for deal_id in deals:
        alice.changes("delete_deal", p_deal_id=deal_id, p_hard=True)
    assert alice.reads_stats() == _ZERO
