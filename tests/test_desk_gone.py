"""The desk when what was meant is gone, or there already: it says so, and nothing is lost."""

from collections.abc import Iterator

import pytest

from local.application import AppServer
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor


@pytest.fixture
def visitor(server: AppServer, seller: Seller) -> Iterator[Visitor]:
    """Return `seller` at the desk, signed in."""
    with new_visitor(server.url) as someone:
        someone.signs_in(seller)
        yield someone


@pytest.mark.parametrize("action", ["move", "favorite"])
def test_deals_deleted_in_another_tab_are_told_and_nothing_is_lost(
    visitor: Visitor, seller: Seller, action: str
) -> None:
    """No success is claimed. The other deals stay ticked, the stage stays chosen, and Undo brings that one back."""
    one, two, gone = (seller.creates(title=title)["id"] for title in ("One", "Two", "Gone"))
    seller.deletes(gone)
    tried: dict[str, str | list[str]] = {"action": action, "stage": "contacted", "deal_ids": [one, gone], "back": "/"}
    visitor.follows(visitor.submits("/desk/deals", **tried))
    assert "1 of the 2 deals has been deleted, perhaps in another tab. Nothing was changed." in visitor.page
    assert f'<input type="hidden" name="deal_ids" value="{gone}">' in visitor.page
    assert f'value="{one}" aria-label="One" checked>' in visitor.page
    assert f'value="{two}" aria-label="Two">' in visitor.page
    assert ('<option value="contacted" selected>' in visitor.page) is (action == "move")
    visitor.follows(visitor.submits("/desk/deals", action="restore", deal_ids=[gone], back="/"))
    assert "1 deal brought back." in visitor.page
    visitor.follows(visitor.submits("/desk/deals", **tried))
    assert "2 deals " in visitor.page


def test_marking_a_deal_that_was_deleted_in_another_tab_is_told(visitor: Visitor, seller: Seller) -> None:
    """By the star of its row, in the words for one deal; one removed for good cannot come back."""
    gone, removed = (seller.creates(title=title)["id"] for title in ("Gone", "Removed"))
    seller.deletes(gone)
    seller.deletes(removed, hard=True)
    visitor.follows(visitor.submits(f"/desk/deals/{gone}/favorite", back="/"))
    assert "This deal has been deleted, perhaps in another tab. Nothing was changed." in visitor.page
    visitor.follows(visitor.submits(f"/desk/deals/{removed}/favorite", back="/"))
    assert "do not exist; nothing was changed." in visitor.page


def test_a_product_known_by_its_title_is_added_once(visitor: Visitor, seller: Seller) -> None:
    """The form sent twice finds the deal of the first time."""
    for words in ("“Desk lamp” was added.", "You already had “Desk lamp” from this supplier; its deal was updated."):
        visitor.follows(visitor.submits("/desk/products/new", title="Desk lamp", supplier="Acme"))
        assert words in visitor.page
    assert len(seller.lists()) == 1
