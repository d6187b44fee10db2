"""The desk when a deal was already deleted or a product already exists: a clear message, and no lost input."""

import pytest

from tests.sellers import Seller
from tests.visitors import Visitor


@pytest.mark.parametrize("action", ["move", "favorite"])
def test_changing_deals_deleted_in_another_tab_shows_a_notice_with_undo(
    visitor: Visitor, seller: Seller, action: str
) -> None:
    """The other deals stay selected, the stage stays chosen, and Undo restores the deleted deal."""
    one, two, gone = (seller.creates(title=title)["id"] for title in ("One", "Two", "Gone"))
    seller.deletes(gone)
    fields: dict[str, str | list[str]] = {
        "action": action,
        "stage": "contacted",
        "deal_ids": [one, gone],
        "back": "/deals",
    }
    visitor.follows(visitor.submits("/desk/deals", **fields))
    assert "1 of the 2 deals has been deleted, perhaps in another tab. Nothing was changed." in visitor.page
    assert f'<input type="hidden" name="deal_ids" value="{gone}">' in visitor.page
    assert f'value="{one}" aria-label="One" checked>' in visitor.page
    assert f'value="{two}" aria-label="Two">' in visitor.page
    assert ('<option value="contacted" selected>' in visitor.page) is (action == "move")
    visitor.follows(visitor.submits("/desk/deals", action="restore", deal_ids=[gone], back="/deals"))
    assert "1 deal restored." in visitor.page
    visitor.follows(visitor.submits("/desk/deals", **fields))
    assert "2 deals " in visitor.page


def test_marking_a_deal_deleted_in_another_tab_shows_a_notice(visitor: Visitor, seller: Seller) -> None:
    """The star of a row shows the message for one deal. A permanently deleted deal cannot be restored."""
    gone, removed = (seller.creates(title=title)["id"] for title in ("Gone", "Removed"))
    seller.deletes(gone)
    seller.deletes(removed, hard=True)
    visitor.follows(visitor.submits(f"/desk/deals/{gone}/favorite", back="/deals"))
    assert "This deal has been deleted, perhaps in another tab. Nothing was changed." in visitor.page
    visitor.follows(visitor.submits(f"/desk/deals/{removed}/favorite", back="/deals"))
    assert "do not exist; nothing was changed." in visitor.page


def test_submitting_the_same_product_twice_adds_it_once(visitor: Visitor, seller: Seller) -> None:
    """The second submission of the form finds the deal of the first."""
    for words in ("“Desk lamp” was added.", "You already had “Desk lamp” from this supplier; its deal was updated."):
        visitor.follows(visitor.submits("/desk/products/new", title="Desk lamp", supplier="Acme"))
        assert words in visitor.page
    assert len(seller.lists()) == 1
