"""The total of a list, on request: `Prefer: count=estimated`."""

from itertools import product
from typing import Final

import httpx
import pytest

from local.stack import Stack
from tests.sellers import Seller

_COUNTED: Final = {"Prefer": "count=estimated"}
_STATUSES: Final = (None, "asin_found", "needs_selection", "needs_asin", "manual_entry")
_STAGES: Final = (None, "new", "ordered")
_FAVORITES: Final = (None, "true", "false")
# A number that is followed by 10 minus each of its digits has a correct check digit.
_LOAD: Final = """
with made as (
    insert into products (user_id, title, asin, upc)
    select $1::uuid, 'Lamp ' || n, case when n % 3 = 0 then 'B' || lpad(n::text, 9, '0') end,
           case when n % 2 = 0 then digits || translate(digits, '0123456789', '0987654321') end
    from generate_series(1, $2::int) n, lpad(n::text, 6, '0') digits
    returning id, user_id, title
)
insert into deals (user_id, product_id, supplier, stage, favorite)
select user_id, id, '', case when right(title, 1) in ('1', '2') then 'ordered' else 'new' end, right(title, 1) = '4'
from made
"""


def _counts(seller: Seller, **query: str) -> httpx.Response:
    return seller.http.get("/products", params={"limit": "1", **query}, headers=_COUNTED)


def test_the_total_is_the_number_of_deals_on_all_pages(stack: Stack, seller: Seller, other_seller: Seller) -> None:
    """For each combination of filters. Deleted deals and deals of other users are not counted."""
    stack.supabase.sql(_LOAD, seller.id, 40)
    stack.supabase.sql(_LOAD, other_seller.id, 7)
    seller.deletes(seller.lists()[0]["id"])
    for status, stage, favorite in product(_STATUSES, _STAGES, _FAVORITES):
        filters = {"asin_status": status, "stage": stage, "favorite": favorite}
        query = {name: value for name, value in filters.items() if value}
        answer = _counts(seller, **query)
        assert answer.headers["Preference-Applied"] == "count=estimated"
        assert "Prefer" in answer.headers["Vary"]
        document = answer.json()
        assert (document["total"], document["total_is_exact"]) == (len(seller.lists(**query)), True), query
    assert _counts(seller).json()["total"] == 39


@pytest.mark.parametrize("prefer", [None, "count=exact", "return=minimal", "counts=estimated", 'count="x"'])
def test_without_the_preference_there_is_no_total(seller: Seller, prefer: str | None) -> None:
    """An unknown preference is ignored (RFC 7240)."""
    answer = seller.http.get("/products", headers={"Prefer": prefer} if prefer else {})
    assert "total" not in answer.json()
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize(
    "prefer", ["respond-async, count=estimated", 'count="estimated"; x=1', "wait=5,count=estimated"]
)
def test_the_preference_is_found_among_others(seller: Seller, prefer: str) -> None:
    """In a list, quoted, and with parameters."""
    assert seller.http.get("/products", headers={"Prefer": prefer}).json()["total"] == 0


def test_a_search_is_counted_with_the_other_filters(seller: Seller) -> None:
    """By title, brand, ASIN, UPC and supplier. Deleted deals are not counted."""
    seller.creates(title="Desk lamp", supplier="Acme", stage="ordered")
    seller.creates(title="Desk", brand="Lamp & Co")
    seller.creates(title="Chair", supplier="Lampert")
    seller.creates(title="Chair", supplier="Acme")
    seller.deletes(seller.creates(title="Old lamp")["id"])
    totals = {
        stage: _counts(seller, search="lamp", **({"stage": stage} if stage else {})).json()
        for stage in ("", "ordered", "rejected")
    }
    assert {stage: (each["total"], each["total_is_exact"]) for stage, each in totals.items()} == {
        "": (3, True),
        "ordered": (1, True),
        "rejected": (0, True),
    }


def test_a_frequent_search_is_counted_among_the_newest_deals(stack: Stack, seller: Seller) -> None:
    """Its time is bounded, too. A rare search in the same long list is counted to its end."""
    stack.supabase.sql(_LOAD, seller.id, 4_001)
    seller.creates(title="Zanzibar")
    document = _counts(seller, search="lamp", stage="ordered").json()
    assert (document["total"], document["total_is_exact"]) == (801, True)
    document = _counts(seller, search="lamp").json()
    assert (document["total"], document["total_is_exact"]) == (3_999, False)
    document = _counts(seller, search="zanzibar").json()
    assert (document["total"], document["total_is_exact"]) == (1, True)


def test_a_long_list_is_counted_up_to_ten_thousand(stack: Stack, seller: Seller) -> None:
    """The time is bounded, and the document says that the total is not exact."""
    stack.supabase.sql(_LOAD, seller.id, 10_001)
    document = _counts(seller).json()
    assert (document["total"], document["total_is_exact"]) == (10_000, False)
    document = _counts(seller, stage="ordered").json()
    assert (document["total"], document["total_is_exact"]) == (2001, True)
    seller.deletes(seller.lists(limit=1)[0]["id"])
    document = _counts(seller).json()
    assert (document["total"], document["total_is_exact"]) == (10_000, True)
