"""The trash, and the undo of actions on deals at the desk."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.application import AppServer
from local.stack import Stack
from tests.clients import client
from tests.desk_pages import undo_path, words
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller
from tests.visitors import Visitor


def _undoes(visitor: Visitor) -> None:
    """Press the Undo button of the last page."""
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))


def test_every_action_of_the_list_can_be_undone(visitor: Visitor, seller: Seller) -> None:
    """Also a move, which changes no number. The list and the numbers are as before."""
    deals = [seller.creates(title=title)["id"] for title in ("Lamp", "Chair")]
    before = seller.sees()
    for action, said in (
        ("move", "2 deals moved to Ordered."),
        ("favorite", "2 deals marked as favorite."),
        ("delete", "2 deals deleted."),
    ):
        visitor.opens("/deals")
        visitor.follows(visitor.submits("/desk/deals", action=action, stage="ordered", deal_ids=deals, back="/deals"))
        assert said in words(visitor.page)
        assert seller.sees() != before
        _undoes(visitor)
        assert "Undone. 2 deals are as before." in words(visitor.page)
        assert [deal["stage"] for deal in seller.lists()] == ["new", "new"]
        assert [deal["favorite"] for deal in seller.lists()] == [False, False]
        assert seller.stats() == before[0]


def test_an_undo_keeps_later_changes_and_says_so(visitor: Visitor, seller: Seller) -> None:
    """The deal that somebody else moved on stays there."""
    deals = [seller.creates()["id"] for _ in range(2)]
    visitor.opens("/deals")
    visitor.follows(visitor.submits("/desk/deals", action="move", stage="ordered", deal_ids=deals, back="/deals"))
    seller.http.patch(f"/products/deal/{deals[0]}", json={"stage": "received"})
    _undoes(visitor)
    assert "Undone. 1 deal is as before. 1 deal was changed since then and is left as it is." in words(visitor.page)
    assert {deal["stage"] for deal in seller.lists()} == {"received", "new"}


def test_an_undo_that_is_too_late_says_so(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """Nothing is changed."""
    deal = seller.creates()["id"]
    visitor.opens("/deals")
    visitor.follows(visitor.submits("/desk/deals", action="delete", deal_ids=[deal], back="/deals"))
    stack.supabase.sql("update batching.batches set made_at = now() - interval '31 days' where user_id = $1", seller.id)
    _undoes(visitor)
    assert "This can no longer be undone. Nothing was changed." in words(visitor.page)
    assert seller.lists() == []
    stack.supabase.sql("delete from batching.batches where user_id = $1", seller.id)


def test_the_trash_shows_the_last_deleted_deal_first(visitor: Visitor, seller: Seller) -> None:
    """Whatever the order in which they were added. Each can be restored, and the restore undone."""
    deals = {title: seller.creates(title=title)["id"] for title in ("One", "Two", "Three", "Kept")}
    for title in ("Two", "Three", "One"):
        seller.deletes(deals[title])
    visitor.opens("/trash")
    assert visitor.titles == ["One", "Three", "Two"]
    assert "3 deals" in words(visitor.page)
    visitor.follows(visitor.submits(f"/desk/deals/{deals['Three']}/restore", back="/trash"))
    assert visitor.titles == ["One", "Two"]
    assert "1 deal restored." in words(visitor.page)
    assert seller.stats()["all"] == 2
    _undoes(visitor)
    assert seller.stats()["all"] == 1


def test_the_pages_of_the_trash_show_each_deal_once(visitor: Visitor, seller: Seller) -> None:
    """Sixty deals that one action deleted at the same moment."""
    seller.imports("title\n" + "\n".join(f"Lamp {number}" for number in range(60)))
    seller.bulk("delete", *(deal["id"] for deal in seller.lists()))
    visitor.opens("/trash")
    assert "60 deals" in words(visitor.page)
    first = visitor.titles
    following = re.search(r'rel="next" href="([^"]+)"', visitor.page)
    assert following
    visitor.opens(following[1].replace("&amp;", "&"))
    assert len(first) == 50
    assert sorted([*first, *visitor.titles]) == sorted(f"Lamp {number}" for number in range(60))
    assert visitor.opens("/trash?cursor=nonsense").status_code == 422


def test_deleting_for_good_asks_first(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """The product goes with its last deal. A deal that was restored meanwhile is kept."""
    gone, restored = (seller.creates(title=title)["id"] for title in ("Gone", "Restored"))
    seller.bulk("delete", gone, restored)
    visitor.opens("/trash")
    asked = visitor.submits("/trash/delete", deal_ids=[gone, restored])
    assert "Delete 2 deals for good?" in words(asked.text)
    assert len(seller.lists(active="false")) == 2
    seller.bulk("restore", restored)
    visitor.follows(visitor.submits("/trash/delete", deal_ids=[gone, restored], confirmed="yes"))
    assert "1 deal deleted for good." in words(visitor.page)
    titles = stack.supabase.sql("select title from products where user_id = $1", seller.id)
    assert [row["title"] for row in titles] == ["Restored"]


@pytest.mark.parametrize("action", ["restore", "remove"])
def test_a_deal_that_changes_while_it_is_deleted_for_good_is_left_alone(
    importer: Seller, proxied_app: AppServer, proxy: SupabaseProxy, action: str
) -> None:
    """It was restored or removed after it was read. The notice says how many were deleted."""
    first, second = (importer.creates(title=title)["id"] for title in ("First", "Second"))
    importer.bulk("delete", first, second)
    held, go_on = threading.Event(), threading.Event()

    def hold_second(answer: bytes) -> bytes:
        if b'"Second"' in answer and not held.is_set():
            held.set()
            go_on.wait(30)
        return answer

    with client(proxied_app.url) as http, ThreadPoolExecutor() as pool:
        visitor = Visitor(http)
        visitor.signs_in(importer)
        visitor.opens("/trash")
        proxy.fault = Fault(hold_second)
        answer = pool.submit(visitor.submits, "/trash/delete", deal_ids=[first, second], confirmed="yes")
        assert held.wait(30)
        if action == "restore":
            importer.bulk("restore", second)
        else:
            importer.http.delete(f"/products/deal/{second}", params={"hard": "true"}).raise_for_status()
        go_on.set()
        visitor.follows(answer.result())
    assert "1 deal deleted for good. 1 deal was changed since then and is left as it is." in words(visitor.page)
    assert [deal["product"]["title"] for deal in importer.lists()] == (["Second"] if action == "restore" else [])


def test_an_empty_selection_changes_nothing(visitor: Visitor, seller: Seller) -> None:
    """The page says what to do. Ids of other users are no deals."""
    seller.deletes(seller.creates()["id"])
    visitor.opens("/trash")
    for deal_ids in ([], ["x"], [seller.id]):
        visitor.follows(visitor.submits("/trash/delete", deal_ids=deal_ids, confirmed="yes"))
        assert "Select at least one deal first." in words(visitor.page)
    assert len(seller.lists(active="false")) == 1


def test_an_empty_trash_says_so(visitor: Visitor, seller: Seller) -> None:
    """A deal that is not deleted is not in it."""
    seller.creates()
    visitor.opens("/trash")
    assert "The trash is empty." in words(visitor.page)
