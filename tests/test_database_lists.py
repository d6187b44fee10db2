"""Lists: filters, sort orders, exact paging, and searches that take every character literally."""

from decimal import Decimal
from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

_SORTS = ["created_at", "title", "buy_cost", "supplier"]


@pytest.fixture
def catalogue(stack: Stack, alice: Caller) -> list[dict[str, Any]]:
    """Return 30 deals: many equal titles, suppliers, costs and times, some 1 µs apart, some deleted."""
    for number in range(30):
        deal = {
            "supplier": ["acme", "Acme Ltd", "bolt", "", "Zed"][number % 5],
            "buy_cost": [None, "0", "7.50", "7.50", "120.00", "1000000"][number % 6],
            "stage": ["new", "ordered"][number % 2],
            "favorite": number % 7 == 0,
        }
        alice.creates(title=["lamp", "Lamp", "Zebra", "apple"][number % 4], asin=f"B0000000{number:02}", deal=deal)
    stack.supabase.sql(
        "update deals d set created_at = '2026-01-01T00:00:00Z'::timestamptz + (n.n / 3) * interval '1 microsecond'"
        " from (select id, row_number() over (order by id) as n from deals where user_id = $1) n where n.id = d.id",
        alice.id,
    )
    for entry in alice.lists(p_search="B00000002"):
        alice.changes("delete_deal", p_deal_id=entry["id"])
    return [*alice.lists(), *alice.lists(p_active=False)]


def _key(entry: dict[str, Any], sort: str, *, unknown: Decimal) -> tuple[Any, str]:
    """Return the sort key for `sort`: lower-case text or the amount as a number, then the id."""
    value = entry["product"]["title"] if sort == "title" else entry[sort]
    if sort == "buy_cost":
        value = unknown if value is None else Decimal(value)
    return (value.lower() if sort in {"title", "supplier"} else value, entry["id"])


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("sort", [*_SORTS, *(f"-{sort}" for sort in _SORTS)])
def test_paging_returns_every_deal_once_in_order(
    alice: Caller, catalogue: list[dict[str, Any]], sort: str, *, active: bool
) -> None:
    """For several page sizes, with equal values, unknown costs (last in both directions) and a full last page."""
    down = sort.startswith("-")
    unknown = Decimal(-1 if down else "Infinity")
    expected = sorted(
        (entry for entry in catalogue if entry["active"] is active),
        key=lambda entry: _key(entry, sort.removeprefix("-"), unknown=unknown),
        reverse=down,
    )
    assert len(expected) == (20 if active else 10)
    for limit in (3, 5, 10, 1000):
        pages = list(alice.pages(p_sort=sort, p_limit=limit, p_active=active))
        assert [entry["id"] for page in pages for entry in page] == [entry["id"] for entry in expected]
        assert len(pages) == -(-len(expected) // limit)


@pytest.mark.usefixtures("catalogue")
def test_inserts_and_deletes_between_pages_do_not_affect_other_deals(alice: Caller) -> None:
    """The cursor is a position, not a count. No deal is repeated or skipped, even if the cursor's deal is deleted."""
    before = [entry["id"] for entry in alice.lists(p_sort="title")]
    first = alice.gets("list_deals", p_sort="title", p_limit=5)
    alice.creates(title="aaaa: sorts before everything")
    alice.changes("delete_deal", p_deal_id=first["items"][-1]["id"], p_hard=True)
    after = {"p_after_value": first["next"]["value"], "p_after_id": first["next"]["id"]}
    rest = alice.lists(p_sort="title", **after)
    assert [entry["id"] for entry in first["items"] + rest] == before


def test_filters_combine(alice: Caller, catalogue: list[dict[str, Any]]) -> None:
    """Each filter narrows the list, null means no filter, and several filters are combined with AND."""
    active = {entry["id"]: entry for entry in catalogue if entry["active"]}

    def ids(**filters: object) -> set[str]:
        return {entry["id"] for entry in alice.lists(**filters)}

    ordered = {key for key, entry in active.items() if entry["stage"] == "ordered"}
    favorite = {key for key, entry in active.items() if entry["favorite"]}
    assert ids(p_stage=None, p_favorite=None, p_search=None, p_asin_status=None) == set(active)
    assert ids(p_stage="ordered") == ordered
    assert ids(p_favorite=True) == favorite
    assert ids(p_favorite=False) == set(active) - favorite
    assert ids(p_stage="ordered", p_favorite=True, p_asin_status="asin_found") == ordered & favorite
    assert favorite & ordered
    assert ids(p_asin_status="needs_asin") == set()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("LAMP", {"a", "b"}),
        ("lux", {"c"}),
        ("b00percent", {"a"}),
        ("0123", {"b"}),
        ("acme", {"b"}),
        ("élan", {"c"}),
        ("50% off", {"a"}),
        ("% ", {"a"}),
        ("0%", {"a"}),
        ("%%", set()),
        ("n_", {"b"}),
        ("__", set()),
        ("k\\s", {"c"}),
        ("\\s", {"c"}),
        ("\\%", set()),
        ("la", {"a", "b", "c"}),
        ("mp", {"a", "b"}),
        ("sh", {"c"}),
        ("日本", {"d"}),
        ("本 ", {"d"}),
        ("😀😀", {"d"}),
        ("😀", None),
        ("x", None),
        ("", None),
        ("'s", {"d"}),
        ("un_der", {"b"}),
        ("der0012", set()),
        ("'; drop table deals; --", set()),
        ("%s", set()),
        ("$1", set()),
        ("lampacme", set()),
        ("zzz", {"d"}),
        ("zzzz", set()),
    ],
)
def test_a_search_matches_a_literal_part_of_any_field_in_any_case(
    alice: Caller, search: str, found: set[str] | None
) -> None:
    """Title, brand, ASIN, UPC and supplier are searched separately, from two characters on, without wildcards."""
    alice.creates(title="Lamp 50% off", asin="B00PERCENT", deal={"notes": "a"})
    alice.creates(title="Lamp", brand="un_der", upc="001234567895", deal={"supplier": "Acme", "notes": "b"})
    alice.creates(title="back\\slash", brand="Lux ÉLAN", deal={"notes": "c"})
    alice.creates(title="日本 😀😀", deal={"supplier": "Ann's Zzz", "notes": "d"})
    if found is None:
        refusal = alice.rpc("list_deals", p_search=search)
        assert (refusal.status_code, refusal.json()["code"]) == (422, "PT422")
        return
    assert {entry["notes"] for entry in alice.lists(p_search=search)} == found


def test_a_search_follows_every_change(alice: Caller) -> None:
    """After a change by any function, new values are found and old values are not."""
    entry = alice.creates(title="Lamp", brand="Lux", deal={"supplier": "Acme"})
    changes = {"title": "Zebra", "brand": "Nox", "asin": "B0NEWASIN0", "upc": "4006381333931"}
    alice.changes("update_product", p_product_id=entry["product_id"], p_changes=changes)
    alice.changes("update_deal", p_deal_id=entry["id"], p_changes={"supplier": "Bolt"})
    for search in ("lamp", "lux", "acme"):
        assert alice.lists(p_search=search) == []
    for search in ("zebra", "nox", "newasin", "81333", "bolt", "ol"):
        assert [found["id"] for found in alice.lists(p_search=search)] == [entry["id"]]
    alice.changes("delete_deal", p_deal_id=entry["id"])
    assert alice.lists(p_search="bolt") == []
    assert [found["id"] for found in alice.lists(p_search="bolt", p_active=False)] == [entry["id"]]


def test_a_search_respects_filters_and_order(alice: Caller, catalogue: list[dict[str, Any]]) -> None:
    """Page by page, for searches with many matches and with few."""
    active = [entry for entry in catalogue if entry["active"] and entry["stage"] == "ordered"]
    for search in ("b0000", "amp", "acme", "07"):
        matching = [
            entry["id"]
            for entry in active
            if search in f"{entry['product']['asin']}\n{entry['product']['title']}\n{entry['supplier']}".lower()
        ]
        pages = alice.pages(p_search=search, p_stage="ordered", p_sort="title", p_limit=2)
        returned = [entry for page in pages for entry in page]
        assert sorted(entry["id"] for entry in returned) == sorted(matching)
        titles = [entry["product"]["title"].lower() for entry in returned]
        assert titles == sorted(titles)


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_sort": "notes"},
        {"p_sort": "--title"},
        {"p_sort": "title; drop table deals"},
        {"p_sort": None},
        {"p_limit": 0},
        {"p_limit": 1001},
        {"p_limit": None},
        {"p_active": None},
        {"p_after_value": "2026-01-01"},
        {"p_after_id": "00000000-0000-0000-0000-000000000000"},
        {"p_after_value": "not a time", "p_after_id": "00000000-0000-0000-0000-000000000000"},
        {"p_after_value": "lamp", "p_after_id": "00000000-0000-0000-0000-000000000000", "p_sort": "buy_cost"},
    ],
)
def test_invalid_list_arguments_are_a_bad_request(alice: Caller, arguments: dict[str, object]) -> None:
    """Unknown sorts, limits out of range and cursors of another sort are refused with a message."""
    alice.creates()
    refusal = alice.rpc("list_deals", **arguments)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "PT400")
    assert refusal.json()["message"]
