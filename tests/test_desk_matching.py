"""One action on all deals that match the filters of the list."""

import re

from playwright.sync_api import expect

from local.application import AppServer
from tests.browser import chromium, clean_page, signs_in
from tests.desk_pages import undo_path, value, words
from tests.sellers import Seller
from tests.visitors import Visitor


def test_an_action_on_all_that_match_can_be_undone(visitor: Visitor, seller: Seller) -> None:
    """Only the deals that match are changed, on all pages of the list."""
    seller.imports("title,stage\n" + "\n".join(f"Lamp {number},ordered" for number in range(120)) + "\nChair,new\n")
    visitor.opens("/deals?stage=ordered")
    assert 'href="/deals/all?stage=ordered"' in visitor.page
    visitor.opens("/deals/all?stage=ordered")
    assert "Change 120 deals" in words(visitor.page)
    assert "Stage: Ordered." in words(visitor.page)
    visitor.follows(visitor.submits("/deals/all", stage="ordered", action="delete"))
    assert "120 deals deleted." in words(visitor.page)
    assert [deal["product"]["title"] for deal in seller.lists()] == ["Chair"]
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))
    assert seller.stats()["all"] == 121


def test_an_invalid_action_changes_nothing(visitor: Visitor, seller: Seller) -> None:
    """Nor does an invalid filter, or a cursor of another list."""
    seller.creates()
    visitor.opens("/deals")
    bad: list[dict[str, str]] = [
        {}, {"action": "explode"}, {"action": "move", "to_stage": "moon"}, {"action": "delete", "cursor": "x"},
    ]  # fmt: skip
    for fields in bad:
        visitor.follows(visitor.submits("/deals/all", **fields))
        assert "This action is not valid. Nothing was changed." in words(visitor.page)
    assert visitor.opens("/deals/all?stage=moon").headers["Location"] == "/deals"
    assert len(seller.lists()) == 1


def test_many_steps_show_their_progress_in_a_browser(server: AppServer, seller: Seller) -> None:
    """The page goes on by itself, and the notice at the end offers Undo for all steps."""
    seller.imports("title\n" + "\n".join(f"Lamp {number}" for number in range(7000)))
    with chromium() as browser, clean_page(browser, server.url) as page:
        signs_in(page, seller)
        page.goto("/deals")
        page.get_by_label("Select all on this page").check()
        page.get_by_role("link", name="All that match").click()
        expect(page.get_by_role("heading", name="Change 7,000 deals")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("7,000 deals deleted.")).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text(re.compile("Undone|Partly undone"))).to_be_visible(timeout=60_000)


def test_a_stop_keeps_what_was_changed_and_says_so(visitor: Visitor, seller: Seller) -> None:
    """As the Stop button of the progress sends it."""
    seller.creates()
    batch = seller.bulk("delete", seller.creates()["id"]).json()["batch_id"]
    visitor.opens("/deals")
    visitor.follows(visitor.submits("/deals/all", action="delete", batch_id=batch, done="1", stop="yes"))
    assert "Stopped. 1 deal deleted. The others are as before." in words(visitor.page)
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))
    assert seller.stats()["all"] == 2
    assert value(visitor.page, "csrf_token")
