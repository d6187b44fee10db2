"""Actions on all deals that match a filter, and the undo of bulk actions."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from tests.sellers import Seller

_ACTIONS = ("delete", "restore", "move", "favorite", "unfavorite")


def _acts(seller: Seller, action: str, *deal_ids: str) -> str | None:
    """Apply an action and return its batch."""
    answer = seller.bulk(action, *deal_ids, **({"stage": "ordered"} if action == "move" else {}))
    assert answer.status_code == 200, answer.text
    batch: str | None = answer.json()["batch_id"]
    return batch


def _undoes(seller: Seller, batch_id: str | None) -> httpx.Response:
    return seller.http.post(f"/products/batches/{batch_id}/undo")


def _numbers(answer: httpx.Response) -> tuple[int, int, bool]:
    assert answer.status_code == 200, answer.text
    document = answer.json()
    return document["restored"], document["skipped"], document["remaining"]


def _state(seller: Seller) -> list[dict[str, Any]]:
    """Return all deals without the members that any change renews."""
    items = seller.lists(sort="created_at") + seller.lists(sort="created_at", active="false")
    return [
        {name: item[name] for name in ("id", "stage", "favorite", "active", "deleted_at", "notes", "supplier")}
        for item in items
    ]


@pytest.mark.parametrize("action", _ACTIONS)
def test_an_action_and_its_undo_leave_the_list_and_the_numbers(seller: Seller, action: str) -> None:
    """Deals that already had the wanted state are not part of the batch."""
    deals = [
        seller.creates(stage=stage, favorite=favorite)["id"]
        for stage in ("new", "ordered")
        for favorite in (False, True)
    ]
    _acts(seller, "delete", deals[0])
    before = _state(seller), seller.stats()
    wanted = deals if action in {"delete", "restore"} else deals[1:]
    batch = _acts(seller, action, *wanted)
    assert _state(seller) != before[0]
    restored, skipped, remaining = _numbers(_undoes(seller, batch))
    assert 0 < restored < len(deals)
    assert (skipped, remaining) == (0, False)
    assert (_state(seller), seller.stats()) == before


def test_a_deal_that_was_changed_since_is_left_as_it_is(seller: Seller) -> None:
    """The answer says which ones and why. Other fields of a deal may have changed."""
    moved, noted, gone, kept = (seller.creates()["id"] for _ in range(4))
    batch = _acts(seller, "move", moved, noted, gone, kept)
    seller.http.patch(f"/products/deal/{moved}", json={"stage": "received"})
    seller.http.patch(f"/products/deal/{noted}", json={"notes": "Call them", "favorite": True})
    seller.deletes(gone, hard=True)
    answer = _undoes(seller, batch)
    assert _numbers(answer) == (2, 2, False)
    reasons = {skipped["deal_id"]: skipped["reason"] for skipped in answer.json()["skipped_deals"]}
    assert reasons == {moved: "changed", gone: "gone"}
    shown = {deal["id"]: (deal["stage"], deal["notes"], deal["favorite"]) for deal in seller.lists()}
    assert shown == {
        moved: ("received", "", False),
        noted: ("new", "Call them", True),
        kept: ("new", "", False),
    }


def test_undoing_again_changes_nothing(seller: Seller) -> None:
    """It returns the same numbers, as a client needs whose first answer was lost."""
    deal = seller.creates()["id"]
    batch = _acts(seller, "delete", deal)
    first = _undoes(seller, batch)
    seller.deletes(deal)
    again = _undoes(seller, batch)
    assert again.json() == first.json()
    assert seller.lists() == []


def test_an_action_that_changes_nothing_has_no_batch(seller: Seller) -> None:
    """There is nothing to undo."""
    assert _acts(seller, "unfavorite", seller.creates()["id"]) is None


def test_a_batch_belongs_to_its_user(seller: Seller, other_seller: Seller) -> None:
    """For another user it does not exist."""
    deal = seller.creates()["id"]
    batch = _acts(seller, "delete", deal)
    for answer in (_undoes(other_seller, batch), _undoes(seller, deal)):
        assert (answer.status_code, answer.json()["kind"]) == (404, "not-found")
    assert seller.lists() == []


def test_after_thirty_days_it_is_too_late(seller: Seller, stack: Stack) -> None:
    """Status 410, and nothing is changed."""
    batch = _acts(seller, "delete", seller.creates()["id"])
    stack.supabase.sql("update batching.batches set made_at = now() - interval '31 days' where id = $1", batch)
    answer = _undoes(seller, batch)
    assert (answer.status_code, answer.json()["kind"]) == (410, "undo-too-late")
    assert seller.lists() == []
    stack.supabase.sql("delete from batching.batches where id = $1", batch)  # other tests count what a purge removes


def test_a_large_batch_is_undone_in_steps(seller: Seller, stack: Stack) -> None:
    """The numbers are those of all steps. A second batch is not touched."""
    seller.imports("title\n" + "\n".join(f"Lamp {number}" for number in range(1500)))
    deals = [row["id"] for row in stack.supabase.sql("select id from deals where user_id = $1", seller.id)]
    batch = _acts(seller, "delete", *deals[:1000])
    _acts(seller, "delete", *deals[1000:])
    # As an action in steps records them: one batch with more rows than one step of the undo.
    stack.supabase.sql(
        "update batching.deals set batch_id = $1"
        " where batch_id in (select id from batching.batches where user_id = $2 and action = 'delete')",
        batch,
        seller.id,
    )
    assert _numbers(_undoes(seller, batch)) == (1000, 0, True)
    assert seller.stats()["all"] == 1000
    assert _numbers(_undoes(seller, batch)) == (1500, 0, False)
    assert seller.stats()["all"] == 1500


def _matches(seller: Seller, action: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    answer = seller.http.post("/products/bulk-action/matching", json={"action": action, **body})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


_FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"plain", "starred", "ordered", "found"}),
    ({"stage": "ordered"}, {"ordered"}),
    ({"favorite": True}, {"starred"}),
    ({"asin_status": "asin_found"}, {"found"}),
    ({"search": "STARR"}, {"starred"}),
    ({"asin_status": "asin_found", "stage": "ordered"}, set()),
]


@pytest.mark.parametrize(("wanted", "expected"), _FILTERS)
def test_an_action_on_a_filter_reaches_what_the_list_shows(
    seller: Seller, wanted: dict[str, Any], expected: set[str]
) -> None:
    """Exactly these deals, and one undo takes all of it back."""
    seller.creates(title="plain")
    seller.creates(title="starred", favorite=True)
    seller.creates(title="ordered", stage="ordered")
    seller.creates(title="found", asin="B000000001")
    seller.deletes(seller.creates(title="deleted")["id"])
    before = _state(seller), seller.stats()
    done = _matches(seller, "delete", filter=wanted)
    assert (done["changed"], done["next_cursor"]) == (len(expected), None)
    kept = {deal["product"]["title"] for deal in seller.lists()}
    assert kept == {"plain", "starred", "ordered", "found"} - expected
    assert _numbers(_undoes(seller, done["batch_id"])) == (len(expected), 0, False)
    assert (_state(seller), seller.stats()) == before


def test_an_action_on_many_deals_goes_on_in_steps(seller: Seller) -> None:
    """Deals that are added meanwhile are left as they are. All steps are one batch, which is undone in steps too."""
    seller.imports("title\n" + "\n".join(f"Lamp {number}" for number in range(1500)))
    first = _matches(seller, "move", stage="ordered", filter={"stage": "new"})
    assert first["changed"] == 1000
    late = seller.creates(title="Late")["id"]
    rest = {"cursor": first["next_cursor"], "batch_id": first["batch_id"]}
    second = _matches(seller, "move", stage="ordered", filter={"stage": "new"}, **rest)
    assert (second["changed"], second["next_cursor"], second["batch_id"]) == (500, None, first["batch_id"])
    assert [deal["id"] for deal in seller.lists(stage="new")] == [late]
    assert _numbers(_undoes(seller, first["batch_id"])) == (1000, 0, True)
    assert _numbers(_undoes(seller, first["batch_id"])) == (1500, 0, False)
    assert seller.lists(stage="ordered") == []


def test_restore_reaches_deleted_deals_that_are_not_too_old(seller: Seller, stack: Stack) -> None:
    """The others stay deleted."""
    old, young, active = (seller.creates(title=title)["id"] for title in ("old", "young", "active"))
    seller.bulk("delete", old, young)
    stack.supabase.sql("update deals set deleted_at = now() - interval '31 days' where id = $1", old)
    assert _matches(seller, "restore")["changed"] == 1
    assert {deal["id"] for deal in seller.lists()} == {young, active}


def test_a_step_that_cannot_be_continued_is_refused(seller: Seller, other_seller: Seller) -> None:
    """A batch of another user, of another action, or one that was undone; a cursor of another order."""
    deal = seller.creates()["id"]
    other_seller.creates()
    batches = [_matches(other_seller, "delete")["batch_id"], _acts(seller, "favorite", deal)]
    undone = _acts(seller, "delete", deal)
    _undoes(seller, undone)
    before = _state(seller)
    for batch in [*batches, undone]:
        body = {"action": "delete", "batch_id": batch}
        answer = seller.http.post("/products/bulk-action/matching", json=body)
        assert (answer.status_code, answer.json()["kind"]) == (404, "not-found")
    answer = seller.http.post("/products/bulk-action/matching", json={"action": "delete", "cursor": "WyJ0aXRsZSJd"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cursor")
    assert _state(seller) == before


_STEPS = st.lists(st.tuples(st.sampled_from(_ACTIONS), st.sets(st.integers(0, 3), min_size=1)), min_size=1, max_size=4)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_undoing_all_actions_in_reverse_order_restores_the_start(
    seller: Seller, stack: Stack, steps: Sequence[tuple[str, set[int]]]
) -> None:
    """For any sequence of actions. Refused actions change nothing and have no batch."""
    stack.supabase.sql("delete from products where user_id = $1", seller.id)
    deals = [seller.creates()["id"] for _ in range(4)]
    before = _state(seller), seller.stats()
    batches = []
    for action, places in steps:
        answer = seller.bulk(
            action, *(deals[place] for place in places), **({"stage": "ordered"} if action == "move" else {})
        )
        batches += [answer.json()["batch_id"]] if answer.status_code == 200 else []
    for batch in reversed(batches):
        if batch:
            assert _numbers(_undoes(seller, batch))[1:] == (0, False)
    assert (_state(seller), seller.stats()) == before
