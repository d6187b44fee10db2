"""The page of a product: its fields, its deals and their notes, as a browser without JavaScript sees them."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from local.stack import Stack
from tests.desk_pages import (
    CANDIDATES,
    OTHER_UPC,
    UPC,
    creates_with_candidates,
    product_path,
    reads,
    saves_deal,
    saves_product,
    value,
    words,
)
from tests.sellers import Seller
from tests.visitors import Visitor


def test_the_page_shows_everything_that_is_known(visitor: Visitor, seller: Seller) -> None:
    """Fields, all deals with their notes, the deleted ones too, and the candidates with a link to each listing."""
    product_id = creates_with_candidates(seller, title="Desk lamp", brand="Northlight", upc=UPC, supplier="Acme")
    second = seller.creates(title="Desk lamp", upc=UPC, supplier="Beta & Sons", buy_cost="1234.5", notes="<b>Call</b>")
    third = seller.creates(title="Desk lamp", upc=UPC, supplier="Gamma")
    seller.deletes(third["id"])
    assert visitor.opens(product_path(product_id)).status_code == 200
    shown = words(visitor.page)
    for known in ("Needs selection", "Acme", "Beta & Sons", "1,234.50", "<b>Call</b>", "1 deleted deal", "Gamma"):
        assert known in shown
    assert (value(visitor.page, "title"), value(visitor.page, "upc")) == ("Desk lamp", UPC)
    assert f'href="/desk/deals/{second["id"]}"' in visitor.page
    for asin in CANDIDATES:
        link = f'href="https://www.amazon.com/dp/{asin}" target="_blank" rel="noreferrer noopener"'
        assert link in visitor.page
        assert f"Listing {asin}" in visitor.page


def test_the_list_leads_to_the_page_of_each_product(visitor: Visitor, seller: Seller) -> None:
    """The title is the link."""
    deal = seller.creates(title="Desk lamp")
    assert f'href="{product_path(deal["product_id"])}">Desk lamp</a>' in visitor.opens("/deals").text


def test_every_field_of_a_product_can_be_changed(visitor: Visitor, seller: Seller) -> None:
    """The status and the numbers follow at once. An empty ASIN or UPC removes it."""
    product_id = str(seller.creates(title="Lamp", brand="Old", upc=UPC)["product_id"])
    saved = saves_product(visitor, product_id, title="Lamp 2", brand="New", asin="b0000000a9", upc=OTHER_UPC)
    assert (saved.status_code, saved.headers["Location"]) == (303, product_path(product_id))
    visitor.follows(saved)
    assert "“Lamp 2” was saved. Status: ASIN found." in visitor.page
    product = reads(seller, product_id)
    assert [product[name] for name in ("title", "brand", "asin", "upc")] == ["Lamp 2", "New", "B0000000A9", OTHER_UPC]
    assert seller.stats()["asin_found"] == 1

    visitor.follows(saves_product(visitor, product_id, asin="", upc="", brand="", multiple_asins="true"))
    product = reads(seller, product_id)
    assert [product[name] for name in ("brand", "asin", "upc", "multiple_asins")] == ["", None, None, True]
    assert seller.stats()["needs_selection"] == 1
    visitor.follows(saves_product(visitor, product_id))  # the box is not ticked, so the browser sends nothing for it
    assert seller.stats()["manual_entry"] == 1


def test_mistakes_are_shown_at_their_fields_and_the_input_is_kept(visitor: Visitor, seller: Seller) -> None:
    """Nothing is saved, not even the valid fields."""
    product_id = str(seller.creates(title="Lamp")["product_id"])
    answer = saves_product(visitor, product_id, title=" ", brand="New & better", asin="b0<i>", upc="1")
    assert answer.status_code == 422
    assert "Nothing was saved: 3 fields need fixing." in words(answer.text)
    for name in ("title", "asin", "upc"):
        assert f'aria-describedby="{name}-mistake"' in answer.text
    assert [value(answer.text, name) for name in ("title", "brand", "asin", "upc")] == [
        " ",
        "New & better",
        "b0<i>",
        "1",
    ]
    assert reads(seller, product_id)["brand"] == ""


def test_an_asin_of_another_product_offers_the_merge(visitor: Visitor, seller: Seller) -> None:
    """The page says so with status 409, and the input is kept."""
    seller.creates(title="Has it", asin="B000000001")
    product_id = str(seller.creates(title="Lamp")["product_id"])
    answer = saves_product(visitor, product_id, asin="B000000001", brand="New")
    assert answer.status_code == 409
    assert (value(answer.text, "asin"), value(answer.text, "brand")) == ("B000000001", "New")
    assert f'href="{product_path(product_id)}/merge?into=B000000001"' in answer.text
    assert reads(seller, product_id)["brand"] == ""


def test_a_form_that_is_older_than_the_product_is_refused(visitor: Visitor, seller: Seller) -> None:
    """A change in another tab is not overwritten. The same form, sent again after the message, is accepted."""
    product_id = str(seller.creates(title="Lamp")["product_id"])
    visitor.opens(product_path(product_id))
    seller.http.patch(f"/products/{product_id}", json={"title": "Changed elsewhere"})
    old = {name: value(visitor.page, name) for name in ("etag", "asin", "upc")}
    answer = visitor.submits(product_path(product_id), **old, title="Mine", brand="Typed")
    assert answer.status_code == 409
    assert "changed in the meantime" in answer.text
    assert (value(answer.text, "title"), value(answer.text, "brand")) == ("Mine", "Typed")
    assert reads(seller, product_id)["title"] == "Changed elsewhere"
    again = {name: value(answer.text, name) for name in ("etag", "title", "brand", "asin", "upc")}
    assert visitor.submits(product_path(product_id), **again).status_code == 303
    assert reads(seller, product_id)["title"] == "Mine"


def test_a_placeholder_is_not_shown_as_an_asin(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """Rows of earlier systems may contain one. Saving another field keeps it."""
    product_id = str(seller.creates(title="Lamp")["product_id"])
    stack.supabase.sql("update public.products set asin = 'PENDING_1' where id = $1", product_id)
    visitor.follows(saves_product(visitor, product_id, brand="New"))
    assert value(visitor.page, "asin") == ""
    assert (reads(seller, product_id)["asin"], reads(seller, product_id)["brand"]) == ("PENDING_1", "New")


def test_every_field_of_a_deal_can_be_changed(visitor: Visitor, seller: Seller) -> None:
    """Empty cost and quantity are cleared, and a favorite that is not ticked is none."""
    deal = seller.creates(supplier="Acme", buy_cost="3.50", moq=4, favorite=True, notes="One\nTwo")
    saved = saves_deal(
        visitor, deal["id"], supplier="Beta", buy_cost="12.5", moq="", stage="ordered", notes="One\r\nTwo\r\nThree"
    )
    assert (saved.status_code, saved.headers["Location"]) == (303, product_path(deal["product_id"]))
    (changed,) = seller.lists()
    fields = ("supplier", "buy_cost", "moq", "stage", "favorite", "notes")
    assert [changed[name] for name in fields] == ["Beta", "12.50", None, "ordered", False, "One\nTwo\nThree"]


def test_mistakes_in_a_deal_are_shown_and_the_input_is_kept(visitor: Visitor, seller: Seller) -> None:
    """The form has status 422."""
    deal = seller.creates(supplier="Acme")
    answer = saves_deal(visitor, deal["id"], buy_cost="12,50", moq="0", supplier="Beta", notes="typed")
    assert answer.status_code == 422
    for name in ("buy_cost", "moq"):
        assert f'id="{name}-mistake"' in answer.text
    assert (value(answer.text, "buy_cost"), value(answer.text, "supplier")) == ("12,50", "Beta")
    assert ">typed</textarea>" in answer.text
    assert seller.lists()[0]["supplier"] == "Acme"


@pytest.mark.parametrize("change", ["patch", "delete", "same supplier"])
def test_a_deal_that_contradicts_the_data_is_refused(visitor: Visitor, seller: Seller, change: str) -> None:
    """Changed or deleted elsewhere, or a supplier that the product already has: 409, and the input is kept."""
    deal = seller.creates(title="Lamp", supplier="Acme")
    seller.creates(title="Lamp", supplier="Beta")
    path = f"/desk/deals/{deal['id']}"
    etag = value(visitor.opens(path).text, "etag")
    if change == "patch":
        seller.http.patch(f"/products/deal/{deal['id']}", json={"moq": 7})
    if change == "delete":
        seller.deletes(deal["id"])
    form = {"etag": etag, "supplier": "Beta" if change == "same supplier" else "Acme", "notes": "typed"}
    answer = visitor.submits(path, **form, stage="new")
    assert answer.status_code == 409
    assert ">typed</textarea>" in answer.text
    assert 'role="alert"' in answer.text
    assert seller.http.get(f"/products/deal/{deal['id']}").json()["notes"] == ""


def test_a_note_is_added_to_the_others_with_its_date(visitor: Visitor, seller: Seller) -> None:
    """Notes that were added elsewhere in the meantime are kept."""
    deal = seller.creates(notes="First")
    visitor.opens(product_path(deal["product_id"]))
    seller.http.patch(f"/products/deal/{deal['id']}", json={"notes": "First\nSecond"})
    visitor.follows(visitor.submits(f"/desk/deals/{deal['id']}/notes", note=" Third\r\nline "))
    today = datetime.now(UTC)
    assert seller.lists()[0]["notes"] == f"First\nSecond\n{today.day} {today:%b %Y}: Third\nline"
    assert "The note was added." in visitor.page


@pytest.mark.parametrize(("note", "mistake"), [("  ", "Enter a note first."), ("x" * 4990, "at most 5,000 characters")])
def test_a_note_that_cannot_be_added_is_kept(visitor: Visitor, seller: Seller, note: str, mistake: str) -> None:
    """The form of its deal stays open."""
    deal = seller.creates(notes="First")
    visitor.opens(product_path(deal["product_id"]))
    answer = visitor.submits(f"/desk/deals/{deal['id']}/notes", note=note)
    assert answer.status_code == 422
    assert mistake in answer.text
    assert f">{note}</textarea>" in answer.text
    assert '<details class="add-note" open>' in answer.text
    assert seller.lists()[0]["notes"] == "First"


def test_deals_are_deleted_and_restored_on_the_page(visitor: Visitor, seller: Seller) -> None:
    """The page says when a product is no longer counted. The restored deal is counted again."""
    deal = seller.creates(supplier="Acme")
    here = product_path(deal["product_id"])
    visitor.opens(here)
    visitor.follows(visitor.submits(f"/desk/deals/{deal['id']}/delete", back=here))
    assert "not counted" in visitor.page
    assert seller.stats()["all"] == 0
    button = re.search(r'<button name="deal_ids" value="([^"]+)"', visitor.page)
    assert button
    visitor.follows(visitor.submits("/desk/deals", action="restore", deal_ids=[button[1]], back=here))
    assert seller.stats()["all"] == 1
    assert "not counted" not in visitor.page


def test_the_pages_of_other_sellers_do_not_exist(visitor: Visitor, other_seller: Seller) -> None:
    """Reading and changing a product or deal of somebody else answers as for an unknown one: 404."""
    deal = other_seller.creates(title="Secret")
    for product_id, deal_id in ((deal["product_id"], deal["id"]), (str(uuid4()), str(uuid4()))):
        visitor.opens("/desk/products/new")
        path = product_path(product_id)
        answers = [
            visitor.submits(path, title="Stolen", etag="x"),
            visitor.submits(f"/desk/deals/{deal_id}", supplier="Stolen", etag="x"),
            visitor.submits(f"/desk/deals/{deal_id}/notes", note="Stolen"),
            visitor.opens(path),
            visitor.opens(f"/desk/deals/{deal_id}"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 5
        assert not any("Secret" in answer.text for answer in answers)
    assert reads(other_seller, deal["product_id"])["title"] == "Secret"
