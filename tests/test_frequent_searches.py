"""Searches for what much of the catalogue has: answered on the way through the list, they must find the same."""

import re
from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

# More than the number up to which the index of pieces is asked at once. The second kind of title has all pieces of the
# search, but not the search. In the order of titles, all deals that have it are at one end: too far for a short page.
_DEALS = 1_300
_CATALOGUE = f"""
    with product as (
        insert into public.products (user_id, title)
        select $1, case when n % 2 = 0 then 'xyzzy ' else 'xyz yzz zzy ' end || n from generate_series(1, {_DEALS}) n
        returning id, title
    )
    insert into public.deals (user_id, product_id, supplier, favorite)
    select $1, id, case when title like 'xyz yzz zzy 9_7' then 'Xyzzy Ltd' else 'Acme' end, title like '%4' from product
"""  # noqa: S608 - a number of ours


@pytest.fixture
def found(stack: Stack, alice: Caller) -> list[str]:
    """Give `alice` the catalogue and return the titles of the deals that contain "xyzzy"."""
    stack.supabase.sql(_CATALOGUE, alice.id)
    return [
        *(f"xyzzy {n}" for n in range(2, _DEALS + 1, 2)),
        *(f"xyz yzz zzy {n}" for n in range(907, 1000, 10)),
    ]


@pytest.mark.parametrize("sort", ["title", "-title", "supplier", "-created_at"])
@pytest.mark.parametrize("limit", [60, 1000])
def test_a_frequent_search_meets_each_deal_once_in_order(
    alice: Caller, found: list[str], sort: str, limit: int
) -> None:
    """Whether a page fills on the way, or what contains the search lies too far away, or the list ends first."""
    whole = [entry for page in alice.pages(p_sort=sort, p_limit=1000) for entry in page if _contains(entry)]
    assert sorted(entry["product"]["title"] for entry in whole) == sorted(found)

    pages = list(alice.pages(p_search="xyzzy", p_sort=sort, p_limit=limit))

    assert [entry["id"] for page in pages for entry in page] == [entry["id"] for entry in whole]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("sort", ["title", "-title"])
def test_a_short_page_of_a_frequent_search_is_the_first_of_it(alice: Caller, sort: str) -> None:
    """Too short to reach on the way what lies at the other end of the order."""
    whole = [entry for page in alice.pages(p_sort=sort, p_limit=1000) for entry in page if _contains(entry)]

    page = next(alice.pages(p_search="xyzzy", p_sort=sort, p_limit=3))

    assert [entry["id"] for entry in page] == [entry["id"] for entry in whole[:3]]


def _contains(entry: dict[str, Any]) -> bool:
    return re.search("xyzzy", f"{entry['product']['title']}\n{entry['supplier']}", re.IGNORECASE) is not None


def test_a_frequent_search_keeps_to_filters(alice: Caller, found: list[str]) -> None:
    """What lies outside of the filter is not found on the way."""
    met = [entry for page in alice.pages(p_search="xyzzy", p_favorite=True, p_limit=50) for entry in page]

    assert {entry["product"]["title"] for entry in met} == {title for title in found if title.endswith("4")}
    assert len(met) == len({entry["id"] for entry in met})
