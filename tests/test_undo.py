"""A delete can be undone for 30 days, and repeating an action changes nothing."""

import pytest

from local.stack import Stack
from tests.callers import Caller
from tests.problems import pointers, problem
from tests.sellers import Seller
from tests.visitors import new_visitor


def _age(stack: Stack, deal_id: str, age: str) -> None:
    stack.supabase.sql("update deals set deleted_at = now() - $2::text::interval where id = $1", deal_id, age)


def test_a_deal_can_be_restored_for_thirty_days(seller: Seller, stack: Stack) -> None:
    """410 names the deals that are too old, and nothing is changed: all or nothing."""
    late, just, fresh = (seller.creates(title=title)["id"] for title in ("Late", "Just", "Fresh"))
    seller.bulk("delete", late, just, fresh)
    _age(stack, late, "30 days 1 minute")
    _age(stack, just, "29 days 23 hours")
    refused = seller.bulk("restore", fresh, late, just)
    assert pointers(refused, 410) == ["/deal_ids/1"]
    assert late in problem(refused, 410)["errors"][0]["detail"]
    assert seller.lists() == []
    assert seller.bulk("restore", fresh, just).json()["changed"] == 2
    assert seller.stats()["all"] == 2


def test_an_unknown_deal_is_reported_before_one_that_is_too_old(
    seller: Seller, other_seller: Seller, stack: Stack
) -> None:
    """404, as for every action. Another seller's deal does not exist for the caller."""
    old, theirs = seller.creates()["id"], other_seller.creates()["id"]
    seller.deletes(old)
    _age(stack, old, "31 days")
    assert pointers(seller.bulk("restore", old, theirs), 404) == ["/deal_ids/1"]


def test_deleting_a_deleted_deal_of_any_age_succeeds(seller: Seller, stack: Stack) -> None:
    """The time of the first deletion is kept."""
    old = seller.creates()["id"]
    seller.deletes(old)
    _age(stack, old, "31 days")
    deleted = stack.supabase.sql("select deleted_at from deals where id = $1", old)
    assert seller.bulk("delete", old).status_code == 200
    assert stack.supabase.sql("select deleted_at from deals where id = $1", old) == deleted


@pytest.mark.parametrize(("action", "fields"), [("move", {"stage": "ordered"}), ("favorite", {}), ("unfavorite", {})])
def test_a_deleted_deal_cannot_be_moved_or_marked_as_favorite(
    seller: Seller, stack: Stack, action: str, fields: dict[str, str]
) -> None:
    """410 names the deal, and nothing is changed: all or nothing. After a restore the action succeeds."""
    first, gone, last = (seller.creates(favorite=action == "unfavorite")["id"] for _ in range(3))
    seller.deletes(gone)
    rows = "select * from deals where user_id = $1 order by id"
    before = stack.supabase.sql(rows, seller.id)
    refused = seller.bulk(action, first, gone, last, **fields)
    assert pointers(refused, 410) == ["/deal_ids/1"]
    assert problem(refused, 410)["detail"] == "Some of these deals have been deleted; nothing was changed."
    assert problem(refused, 410)["errors"][0]["detail"] == f"Deal {gone} has been deleted"
    assert stack.supabase.sql(rows, seller.id) == before
    seller.bulk("restore", gone)
    assert seller.bulk(action, first, gone, last, **fields).json()["changed"] == 3


def test_changing_a_deleted_deal_is_410(seller: Seller) -> None:
    """410 with a plain message. A deal that never existed is 404."""
    deal = seller.creates()["id"]
    seller.deletes(deal)
    refused = seller.http.patch(f"/products/deal/{deal}", json={"stage": "ordered"})
    assert problem(refused, 410)["detail"] == "This deal has been deleted; nothing was changed."
    seller.bulk("restore", deal)
    assert seller.lists()[0]["stage"] == "new"


@pytest.mark.parametrize(
    ("action", "fields"),
    [("delete", {}), ("restore", {}), ("move", {"stage": "ordered"}), ("favorite", {}), ("unfavorite", {})],
)
def test_repeating_an_action_changes_nothing(seller: Seller, stack: Stack, action: str, fields: dict[str, str]) -> None:
    """The time of the last change stays the same."""
    deals = [seller.creates(title=title)["id"] for title in "ab"]
    if action == "restore":
        seller.bulk("delete", *deals)
    seller.bulk(action, *deals, **fields)
    rows = "select * from deals where user_id = $1 order by id"
    before = stack.supabase.sql(rows, seller.id)
    assert seller.bulk(action, *deals, **fields).json()["changed"] == 2
    assert stack.supabase.sql(rows, seller.id) == before


def test_the_desk_shows_that_a_deal_is_too_old_to_restore(seller: Seller, stack: Stack) -> None:
    """The list shows a notice."""
    deal = seller.creates()["id"]
    seller.deletes(deal)
    _age(stack, deal, "31 days")
    with new_visitor(str(seller.http.base_url)) as visitor:
        visitor.signs_in(seller)
        visitor.follows(visitor.submits("/desk/deals", action="restore", deal_ids=[deal]))
        assert "too long ago to be restored; nothing was changed" in visitor.page


def test_only_server_side_jobs_can_purge_and_find_users(alice: Caller, service: Caller) -> None:
    """Missing grants refuse a user. A job cannot purge deals that may still be restored (less than 30 days)."""
    for function, arguments in (("purge_deals", {"p_days": 30}), ("find_user", {"p_email": "x"})):
        assert alice.rpc(function, **arguments).json()["code"] == "42501"
    assert service.rpc("purge_deals", p_days=29).status_code == 422
    assert service.gets("find_user", p_email="nobody@example.com") is None


def test_a_purge_runs_in_bounded_steps(stack: Stack, alice: Caller, bob: Caller, service: Caller) -> None:
    """Each call purges at most `p_limit` deals, across all users, until none is left."""
    for someone in (alice, bob):
        for number in range(3):
            someone.changes("delete_deal", p_deal_id=someone.creates(title=f"{number}")["id"])
    old = "update deals set deleted_at = now() - interval '99 days' where user_id = any ($1)"  # not other tests' rows
    stack.supabase.sql(old, [alice.id, bob.id])
    steps = []
    while (step := service.gets("purge_deals", p_days=30, p_limit=2))["deals"]:
        steps.append(step)
    assert max(step["deals"] for step in steps) == 2
    assert sum(step["deals"] for step in steps) >= 6
    assert alice.lists(p_active=False) == bob.lists(p_active=False) == []
    assert stack.supabase.sql("select from products where user_id = any ($1)", [alice.id, bob.id]) == []
