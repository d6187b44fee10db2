"""Frequent searches are answered by filtering the list in order, and must find the same deals as rare ones."""

import re
from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

# More deals than the limit up to which the index of pieces is used. The second kind of title has all pieces of the
# search, but not the search itself. Sorted by title, all matching deals are at one end, out of reach of a short page.
_DEALS = 1_300
_CATALOGUE = f"""
    with product as (
        insert into public.products (user_id, title)
        select $1, case when n % 2 = 0 then 'xyzzy ' else 'xyz yzz zzy ' end || n from generate_series(1, {_DEALS}) n
        returning id, title
    )
    insert into public.deals (user_id, product_id, supplier, favorite)
    select $1, id, case when title like 'xyz yzz zzy 9_7' then 'Xyzzy Ltd' else 'Acme' end, title like '%4' from product
"""  # noqa: S608 - a constant


@pytest.fixture
def found(stack: Stack, alice: Caller) -> list[str]:
    """Insert the catalogue for `alice` and return the titles of the deals that contain "xyzzy"."""
    stack.supabase.sql(_CATALOGUE, alice.id)
    return [
        *(f"xyzzy {n}" for n in range(2, _DEALS + 1, 2)),
        *(f"xyz yzz zzy {n}" for n in range(907, 1000, 10)),
    ]


@pytest.mark.parametrize("sort", ["title", "-title", "supplier", "-created_at"])
@pytest.mark.parametrize("limit", [60, 1000])
def test_a_frequent_search_returns_each_deal_once_in_order(
    alice: Caller, found: list[str], sort: str, limit: int
) -> None:
    """Covers pages filled in list order, matches that are too far away, and the end of the list."""
    whole = [entry for page in alice.pages(p_sort=sort, p_limit=1000) for entry in page if _contains(entry)]
    assert sorted(entry["product"]["title"] for entry in whole) == sorted(found)

    pages = list(alice.pages(p_search="xyzzy", p_sort=sort, p_limit=limit))

    assert [entry["id"] for page in pages for entry in page] == [entry["id"] for entry in whole]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("sort", ["title", "-title"])
def test_a_short_page_of_a_frequent_search_has_the_first_matches(alice: Caller, sort: str) -> None:
    """The page is too short to reach matches at the other end of the order."""
    whole = [entry for page in alice.pages(p_sort=sort, p_limit=1000) for entry in page if _contains(entry)]

    page = next(alice.pages(p_search="xyzzy", p_sort=sort, p_limit=3))

    assert [entry["id"] for entry in page] == [entry["id"] for entry in whole[:3]]


def _contains(entry: dict[str, Any]) -> bool:
    return re.search("xyzzy", f"{entry['product']['title']}\n{entry['supplier']}", re.IGNORECASE) is not None


def test_a_frequent_search_respects_filters(alice: Caller, found: list[str]) -> None:
    """Deals outside of the filter are not returned."""
    returned = [entry for page in alice.pages(p_search="xyzzy", p_favorite=True, p_limit=50) for entry in page]

    assert {entry["product"]["title"] for entry in returned} == {title for title in found if title.endswith("4")}
    assert len(returned) == len({entry["id"] for entry in returned})
