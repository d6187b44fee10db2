"""Changes, deletes and bulk actions: what they change and refuse, and that each is all or nothing."""

from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


def _deals(caller: Caller, count: int) -> list[str]:
    return [caller.creates(title=f"Product {number}")["id"] for number in range(count)]


def _everything(caller: Caller) -> list[Any]:
    return [caller.lists(p_sort="created_at"), caller.lists(p_sort="created_at", p_active=False)]


def _change(caller: Caller, product_id: str, **changes: object) -> dict[str, Any]:
    changed: dict[str, Any] = caller.changes("update_product", p_product_id=product_id, p_changes=changes)
    return changed


def test_get_product_returns_all_its_deals(alice: Caller) -> None:
    """Deleted deals are included. The oldest deal comes first."""
    first = alice.creates(asin="B000000001", deal={"supplier": "Acme"})
    second = alice.creates(asin="B000000001", deal={"supplier": "Bolt"})
    alice.changes("delete_deal", p_deal_id=first["id"])
    product = alice.gets("get_product", p_product_id=first["product_id"])
    assert {deal["id"]: deal["active"] for deal in product["deals"]} == {first["id"]: False, second["id"]: True}
    assert [deal["created_at"] for deal in product["deals"]] == sorted(deal["created_at"] for deal in product["deals"])
    assert (product["asin"], "product" in product["deals"][0]) == ("B000000001", False)
    assert alice.gets("get_product", p_product_id=_UNKNOWN_ID) is None


def test_changing_a_product_moves_it_between_statuses(alice: Caller) -> None:
    """The status depends on the fields only, not on the order of changes. null removes an identifier."""
    product_id = alice.creates(upc="12345670")["product_id"]
    assert _change(alice, product_id, title="Lamp")["asin_status"] == "needs_asin"
    assert _change(alice, product_id, multiple_asins=True)["asin_status"] == "needs_selection"
    assert _change(alice, product_id, asin="B000000001")["asin_status"] == "asin_found"
    assert _change(alice, product_id, asin="PENDING_1", multiple_asins=False)["asin_status"] == "needs_asin"
    last = _change(alice, product_id, asin=None, upc=None)
    assert (last["asin_status"], last["asin"], last["upc"], last["title"]) == ("manual_entry", None, None, "Lamp")
    assert last["updated_at"] > last["created_at"]
    assert last == alice.gets("get_product", p_product_id=product_id)


@pytest.mark.parametrize("identifier", [{"asin": "B000000001"}, {"upc": "12345670"}])
def test_an_identifier_of_another_product_is_a_conflict(alice: Caller, identifier: dict[str, str]) -> None:
    """There is one product per ASIN and per UPC. The message names the identifier."""
    alice.creates(asin="B000000001", upc="12345670")
    other = alice.creates(asin="B000000002", upc="87654325")
    refusal = alice.rpc("update_product", p_product_id=other["product_id"], p_changes=identifier)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "PT409")
    assert next(iter(identifier)).upper() in refusal.json()["message"]
    assert alice.gets("get_product", p_product_id=other["product_id"])["asin"] == "B000000002"


def test_changing_a_deal_writes_only_the_given_fields(alice: Caller) -> None:
    """A null removes cost and minimum quantity. A deal may change the letter case of its own supplier."""
    entry = alice.creates(deal={"supplier": "Acme", "buy_cost": "5", "moq": 2, "notes": "n"})
    changes = {"supplier": "ACME", "buy_cost": None, "stage": "received", "favorite": True}
    changed = alice.changes("update_deal", p_deal_id=entry["id"], p_changes=changes)
    assert changed == {**entry, **changes, **{name: changed[name] for name in ("updated_at", "etag")}}
    assert changed["etag"] != entry["etag"]
    assert changed["updated_at"] > entry["updated_at"]


def test_a_change_without_effect_keeps_updated_at(alice: Caller) -> None:
    """updated_at stays the same for products and deals, with no fields and with the current values."""
    entry = alice.creates(asin="B000000001", upc="12345670", title="Lamp", deal={"supplier": "Acme", "moq": 2})
    same = {"asin": "B000000001", "upc": "12345670", "title": "Lamp", "brand": "", "multiple_asins": False}
    for changes in ({}, {"title": "Lamp"}, same):
        _change(alice, entry["product_id"], **changes)
    for changes in ({}, {"supplier": "Acme", "moq": 2}):
        alice.changes("update_deal", p_deal_id=entry["id"], p_changes=changes)
    alice.creates(asin="B000000001", title="Lamp", deal={"supplier": "Acme"})
    assert alice.lists() == [entry]


def test_a_deleted_deal_cannot_be_changed(alice: Caller) -> None:
    """PT410 names the deal, and nothing is changed."""
    entry = alice.creates(deal={"notes": "n"})
    alice.changes("delete_deal", p_deal_id=entry["id"])
    before = alice.lists(p_active=False)
    for changes in ({}, {"notes": "new"}):
        refusal = alice.rpc("update_deal", p_deal_id=entry["id"], p_changes=changes)
        assert (refusal.status_code, refusal.json()["code"]) == (410, "PT410")
        assert refusal.json()["details"] == f'["{entry["id"]}"]'
    assert alice.lists(p_active=False) == before


def test_two_deals_of_a_product_cannot_have_one_supplier(alice: Caller) -> None:
    """Letter case is ignored. Another product may have a deal with the same supplier."""
    alice.creates(asin="B000000001", deal={"supplier": "Acme"})
    second = alice.creates(asin="B000000001", deal={"supplier": "Bolt"})
    alice.creates(asin="B000000002", deal={"supplier": "Acme"})
    refusal = alice.rpc("update_deal", p_deal_id=second["id"], p_changes={"supplier": "aCME"})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "PT409")


@pytest.mark.parametrize(
    ("function", "changes"),
    [
        ("update_product", {"title": None}),
        ("update_product", {"asin": "short"}),
        ("update_product", {"asin_status": "asin_found"}),
        ("update_product", None),
        ("update_deal", {"stage": "lost"}),
        ("update_deal", {"moq": "many"}),
        ("update_deal", {"product_id": _UNKNOWN_ID}),
        ("update_deal", {"active": False}),
    ],
)
def test_an_invalid_change_is_refused_and_changes_nothing(alice: Caller, function: str, changes: object) -> None:
    """Invalid values and unknown fields are PT422."""
    entry = alice.creates()
    target = {"p_product_id": entry["product_id"]} if function == "update_product" else {"p_deal_id": entry["id"]}
    refusal = alice.rpc(function, **target, p_changes=changes)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "PT422")
    assert alice.lists() == [entry]


def test_a_soft_delete_hides_the_deal_and_is_idempotent(alice: Caller) -> None:
    """The second delete returns the same and keeps the time of the first."""
    deal_id = alice.creates()["id"]
    assert alice.changes("delete_deal", p_deal_id=deal_id) is True
    assert alice.lists() == []
    deleted = alice.lists(p_active=False)
    assert (deleted[0]["active"], deleted[0]["deleted_at"] is not None) == (False, True)
    assert alice.changes("delete_deal", p_deal_id=deal_id) is True
    assert alice.lists(p_active=False) == deleted


def test_a_hard_delete_removes_the_product_only_with_its_last_deal(alice: Caller) -> None:
    """A deleted deal still counts, because it can be restored."""
    first = alice.creates(asin="B000000001", deal={"supplier": "Acme"})
    second = alice.creates(asin="B000000001", deal={"supplier": "Bolt"})
    alice.changes("delete_deal", p_deal_id=second["id"])
    assert alice.changes("delete_deal", p_deal_id=first["id"], p_hard=True) is True
    product = alice.gets("get_product", p_product_id=first["product_id"])
    assert [deal["id"] for deal in product["deals"]] == [second["id"]]
    assert alice.changes("delete_deal", p_deal_id=second["id"], p_hard=True) is True
    assert alice.gets("get_product", p_product_id=first["product_id"]) is None
    assert alice.changes("delete_deal", p_deal_id=second["id"], p_hard=True) is False


@pytest.mark.parametrize(
    ("action", "stage", "field", "value"),
    [
        ("delete", None, "active", False),
        ("restore", None, "active", True),
        ("move", "ordered", "stage", "ordered"),
        ("favorite", None, "favorite", True),
        ("unfavorite", None, "favorite", False),
    ],
)
def test_a_bulk_action_changes_only_the_named_deals(  # noqa: PLR0913 - the columns of the table above
    alice: Caller, action: str, stage: str | None, field: str, *, value: object, bob: Caller
) -> None:
    """One field of each named deal changes. The fourth deal and the other user's deal stay the same."""
    *chosen, untouched = _deals(alice, 4)
    foreign = bob.creates()
    if action == "restore":
        alice.changes("bulk_deals", p_action="delete", p_deal_ids=[*chosen, untouched])
    before = {entry["id"]: entry for entries in _everything(alice) for entry in entries}
    assert alice.changes("bulk_deals", p_action=action, p_deal_ids=chosen, p_stage=stage)["changed"] == 3
    after = {entry["id"]: entry for entries in _everything(alice) for entry in entries}
    assert [after[deal_id][field] for deal_id in chosen] == [value] * 3
    assert all(entry["active"] is (entry["deleted_at"] is None) for entry in after.values())
    assert after[untouched] == before[untouched]
    assert bob.lists() == [foreign]


def test_one_foreign_or_unknown_id_refuses_the_whole_bulk_action(alice: Caller, bob: Caller) -> None:
    """Nothing is changed, and the error lists exactly the ids that are not the caller's."""
    own, foreign = _deals(alice, 3), bob.creates()["id"]
    before = _everything(alice)
    refusal = alice.rpc("bulk_deals", p_action="delete", p_deal_ids=[own[0], foreign, *own[1:], _UNKNOWN_ID])
    assert (refusal.status_code, refusal.json()["code"]) == (404, "PT404")
    assert sorted(_ids(refusal.json()["details"])) == sorted([foreign, _UNKNOWN_ID])
    assert (_everything(alice), len(bob.lists())) == (before, 1)


def _ids(detail: str) -> list[str]:
    return detail.strip("[]").replace('"', "").split(", ")


@pytest.mark.parametrize(
    ("action", "count", "stage"),
    [
        ("explode", 1, None),
        (None, 1, None),
        ("delete", 0, None),
        ("delete", None, None),
        ("delete", 1, "ordered"),
        ("move", 1, None),
        ("move", 1, "lost"),
        ("favorite", 1001, None),
    ],
)
def test_an_invalid_bulk_action_is_refused(
    alice: Caller, action: str | None, count: int | None, stage: str | None
) -> None:
    """An unknown action, no ids or too many, and an unknown or misplaced stage are PT422."""
    entry = alice.creates()
    ids = None if count is None else [entry["id"]] * count
    refusal = alice.rpc("bulk_deals", p_action=action, p_deal_ids=ids, p_stage=stage)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "PT422")
    assert alice.lists() == [entry]


def test_a_bulk_action_accepts_a_thousand_deals(stack: Stack, alice: Caller) -> None:
    """The limit of the API for one call."""
    stack.supabase.sql(
        "with p as (insert into products (user_id, title) select $1, 'P' from generate_series(1, 1000) returning *)"
        " insert into deals (user_id, product_id) select user_id, id from p",
        alice.id,
    )
    ids = [entry["id"] for entry in alice.lists()]
    assert alice.changes("bulk_deals", p_action="move", p_deal_ids=ids, p_stage="rejected")["changed"] == 1000
    assert len(alice.lists(p_stage="rejected")) == 1000
