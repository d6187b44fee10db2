"""Paging through the list with its links, and its filters, over HTTP."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from local.application import AppServer
from local.stack import Stack
from tests.sellers import Seller, new_seller

_ROWS = 47
_SORTS = [prefix + name for name in ("created_at", "title", "buy_cost", "supplier") for prefix in ("", "-")]

# A number that is followed by 10 minus each of its digits has a correct check digit.
_LOAD = """
with made as (
    insert into products (user_id, brand, title, upc)
    select $1::uuid, n::text, (array['Lamp', 'lamp', 'Älpha', '日本 😀 "x" \\ %', 'zebra'])[1 + n % 5],
           case when n % 3 = 0 then digits || translate(digits, '0123456789', '0987654321') end
    from generate_series(1, 47) n, lpad(n::text, 6, '0') digits
    returning id, user_id, brand::int as n
)
insert into deals (user_id, product_id, supplier, buy_cost, stage, favorite, created_at)
select user_id, id, (array['acme', 'Bolt', ''])[1 + n % 3], case when n % 4 > 0 then n % 7 end,
       case when n % 5 = 0 then 'ordered' else 'new' end, n % 6 = 0,
       '2026-01-01T00:00:00Z'::timestamptz + (n / 3) * interval '1 microsecond'
from made
"""


@pytest.fixture(scope="module")
def owner(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a seller with 47 deals: many equal sort values, unknown costs, and titles in several scripts."""
    with new_seller(stack.supabase, server.url) as someone:
        stack.supabase.sql(_LOAD, someone.id)
        yield someone


def test_links_name_the_first_and_the_next_page(owner: Seller) -> None:
    """They keep the filters and the sort order. The last page has no next page."""
    first = owner.http.get("/products", params={"sort": "title", "stage": "new", "limit": 30})
    assert set(first.links) == {"first", "next"}
    second = owner.http.get(first.links["next"]["url"])
    assert set(second.links) == {"first"}
    assert second.json()["items"]
    for answer in (first, second):
        assert owner.http.get(answer.links["first"]["url"]).json() == first.json()


def _walk(seller: Seller, **query: str | int) -> list[list[dict[str, Any]]]:
    """Follow `Link: …; rel="next"` to the last page, and check each link against `next_cursor`."""
    answer = seller.http.get("/products", params=query)
    pages = []
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages.append(page["items"])
        assert ("next" in answer.links) is (page["next_cursor"] is not None)
        if page["next_cursor"] is None:
            return pages
        answer = seller.http.get(answer.links["next"]["url"])
        assert answer.request.url.params["cursor"] == page["next_cursor"]


@pytest.mark.parametrize(
    ("sort", "limit"), [*product(_SORTS, (7, 47)), ("title", 46), ("buy_cost", 1), ("-created_at", 1)]
)
def test_following_the_links_returns_every_deal_once_in_order(owner: Seller, sort: str, limit: int) -> None:
    """Includes equal values and unknown costs. The last page has no link, even if it is full."""
    pages = _walk(owner, sort=sort, limit=limit)
    assert [item for page in pages for item in page] == owner.lists(sort=sort)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len({item["id"] for page in pages for item in page}) == _ROWS


@pytest.mark.parametrize("sort", _SORTS)
def test_the_list_is_sorted_by_the_field(owner: Seller, sort: str) -> None:
    """Unknown costs come last in both directions."""
    items = owner.lists(sort=sort)
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name == "buy_cost":
        costs = [item["buy_cost"] for item in items]
        known = [float(cost) for cost in costs if cost is not None]
        assert costs[len(known) :] == [None] * (_ROWS - len(known))
        assert known == sorted(known, reverse=down)
    else:
        values = [(item["product"] if name == "title" else item)[name].lower() for item in items]
        assert values == sorted(values, reverse=down)


def test_the_links_keep_the_filters(owner: Seller) -> None:
    """Filters with characters that must be escaped are kept too."""
    query: dict[str, str | int] = {"search": '😀 "x" \\ %', "stage": "new", "favorite": "false", "sort": "title"}
    pages = _walk(owner, limit=2, **query)
    items = [item for page in pages for item in page]
    assert len(pages) > 2
    assert items == owner.lists(**query)
    assert {(item["stage"], item["favorite"], item["product"]["title"]) for item in items} == {
        ("new", False, '日本 😀 "x" \\ %')
    }


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"stage": "ordered"}, lambda item: item["stage"] == "ordered"),
        ({"favorite": "true"}, lambda item: item["favorite"]),
        ({"asin_status": "needs_asin"}, lambda item: item["product"]["upc"] is not None),
        ({"search": "ÄLPH"}, lambda item: item["product"]["title"] == "Älpha"),
        ({"search": "bolt"}, lambda item: item["supplier"] == "Bolt"),
        ({"search": "  000003000007 "}, lambda item: item["product"]["upc"] == "000003000007"),
        ({"search": "%%"}, lambda _: False),
        ({"asin_status": "asin_found"}, lambda _: False),
    ],
)
def test_a_filter_returns_exactly_the_matching_deals(owner: Seller, query: dict[str, str], holds: Any) -> None:  # noqa: ANN401
    """The list has every matching deal and no other."""
    assert owner.lists(**query) == [item for item in owner.lists() if holds(item)]


def test_the_default_page_has_the_fifty_newest_deals(seller: Seller, stack: Stack) -> None:
    """The defaults without parameters."""
    stack.supabase.sql(_LOAD, seller.id)
    newer = [seller.creates(title=f"Newer {number}")["id"] for number in range(5)]
    page = seller.http.get("/products").json()
    assert [item["id"] for item in page["items"][:5]] == newer[::-1]
    assert len(page["items"]) == 50


def test_the_longest_titles_fit_into_a_cursor(seller: Seller) -> None:
    """A cursor of a list sorted by title contains the title, up to 500 characters of any script."""
    for supplier in ("a", "b", "c"):
        seller.creates(title="😀" * 500, asin="B000000001", supplier=supplier)
    assert len(_walk(seller, sort="title", limit=1, search="😀" * 200)) == 3


def test_another_users_cursor_gives_no_access_to_their_deals(seller: Seller, owner: Seller) -> None:
    """It gives no access to the other user's list."""
    cursor = owner.http.get("/products", params={"limit": 1}).json()["next_cursor"]
    assert seller.lists(cursor=cursor) == []
