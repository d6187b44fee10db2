"""Answers in the queues of the desk that are refused: mistakes, conflicts, and products of other sellers."""

import re
from uuid import uuid4

import pytest

from tests.desk_pages import (
    CANDIDATES,
    UPC,
    answers,
    creates_with_candidates,
    matches_of,
    product_path,
    reads,
    shown_title,
    undo_path,
    value,
    words,
)
from tests.sellers import Seller
from tests.visitors import Visitor

SELECTION = "/desk/queue/needs_selection"
MANUAL = "/desk/queue/manual_entry"


def test_a_mistake_shows_the_same_product_with_what_was_typed(visitor: Visitor, seller: Seller) -> None:
    """Status 422, and the box stays as it was left."""
    product_id = creates_with_candidates(seller, title="Lamp", upc=UPC)
    visitor.opens(SELECTION)
    answer = answers(visitor, SELECTION, answer="asin", asin="B0<oops>", asked="yes")
    assert answer.status_code == 422
    assert shown_title(answer.text) == "Lamp"
    assert value(answer.text, "asin") == "B0<oops>"
    assert 'aria-describedby="asin-mistake"' in answer.text
    assert 'name="remember" value="yes" checked' not in answer.text
    assert reads(seller, product_id)["asin"] is None
    assert answers(visitor, SELECTION, answer="asin", asin="B0000000Z9").status_code == 303


def test_the_second_of_two_tabs_sees_what_was_decided(visitor: Visitor, seller: Seller) -> None:
    """Status 409. The first decision stays, and the page goes on."""
    product_id = creates_with_candidates(seller, title="Lamp", upc=UPC)
    second = visitor.opens(SELECTION).text
    visitor.follows(answers(visitor, SELECTION, choose=CANDIDATES[0]))
    visitor.page = second
    answer = answers(visitor, SELECTION, choose=CANDIDATES[1])
    assert answer.status_code == 409
    assert "in the meantime, perhaps in another tab" in answer.text
    assert f"It now has the ASIN {CANDIDATES[0]}" in words(answer.text)
    assert "Next product" in answer.text
    assert reads(seller, product_id)["asin"] == CANDIDATES[0]


def test_a_change_elsewhere_is_shown_before_the_answer_counts(visitor: Visitor, seller: Seller) -> None:
    """The product still waits, so the page shows it as it is now, and the next answer is accepted."""
    product_id = creates_with_candidates(seller, title="Lamp", upc=UPC)
    visitor.opens(SELECTION)
    seller.http.patch(f"/products/{product_id}", json={"title": "Lamp for two"})
    answer = answers(visitor, SELECTION, choose=CANDIDATES[1], asin="typed")
    assert answer.status_code == 409
    assert shown_title(answer.text) == "Lamp for two"
    assert value(answer.text, "asin") == "typed"
    assert answers(visitor, SELECTION, choose=CANDIDATES[1]).status_code == 303


def test_an_asin_of_another_product_is_named_and_the_merge_returns_to_the_queue(
    visitor: Visitor, seller: Seller
) -> None:
    """Status 409 with the title of the other product. Its merge comes back to the queue, with an undo."""
    seller.creates(title="Has it", asin="B0000000Z9", supplier="Acme")
    seller.creates(title="Twin", supplier="Beta")
    visitor.opens(MANUAL)
    answer = answers(visitor, MANUAL, answer="asin", asin="B0000000Z9")
    assert answer.status_code == 409
    assert "Your product “Has it” already has this ASIN." in answer.text
    found = re.search(r'href="(/desk/products/[^"]+/merge[^"]+)"', answer.text)
    assert found
    visitor.opens(found[1].replace("&amp;", "&"))
    path = found[1].partition("?")[0]
    form = {name: value(visitor.page, name) for name in ("etag", "into", "back")}
    visitor.follows(visitor.submits(path, **form))
    assert "Merged into “Has it”, which now has the deals of both." in visitor.page
    assert visitor.numbers["manual_entry"] == 0
    visitor.follows(visitor.submits(undo_path(visitor.page), back=value(visitor.page, "back")))
    assert shown_title(visitor.page) == "Twin"
    assert "Undone. “Has it” and the product merged into it are two products again." in visitor.page


def test_a_product_that_is_gone_leads_to_the_next_one(visitor: Visitor, seller: Seller) -> None:
    """Deleted for good in another tab. The same answer is given for a product of another seller."""
    seller.creates(title="Older")
    gone = seller.creates(title="Gone")
    visitor.opens(MANUAL)
    seller.deletes(gone["id"], hard=True)
    visitor.follows(answers(visitor, MANUAL, answer="asin", asin="B0000000Z9"))
    assert "This product no longer exists. Nothing was saved." in visitor.page
    assert shown_title(visitor.page) == "Older"


@pytest.mark.parametrize("change", ["delete", "merge"])
def test_a_product_that_left_the_queue_gets_no_answer(visitor: Visitor, seller: Seller, change: str) -> None:
    """Its last deal was deleted in another tab, or it was merged. Status 409, and a link to the next product."""
    kept = seller.creates(title="Kept", asin="B0000000Z9", supplier="Acme")
    gone = seller.creates(title="Gone", supplier="Beta")
    visitor.opens(MANUAL)
    if change == "delete":
        seller.deletes(gone["id"])
    else:
        seller.http.post(f"/products/{gone['product_id']}/merge", json={"into": kept["product_id"]})
    answer = answers(visitor, MANUAL, answer="asin", asin="B0000000Y1")
    assert answer.status_code == 409
    assert shown_title(answer.text) == ""
    assert ("It has no active deal now." if change == "delete" else "It was merged into") in answer.text
    assert (product_path(kept["product_id"]) in answer.text) == (change == "merge")
    assert "Next product" in answer.text
    assert reads(seller, gone["product_id"])["asin"] is None


@pytest.mark.parametrize("named", ["other seller", "unknown", "junk"])
def test_products_of_other_sellers_cannot_be_decided(
    visitor: Visitor, seller: Seller, other_seller: Seller, named: str
) -> None:
    """They do not exist here: the page of one is not found, and the queue goes on."""
    seller.creates()
    theirs = creates_with_candidates(other_seller, title="Secret", upc=UPC)
    product_id = {"other seller": theirs, "unknown": str(uuid4()), "junk": "x"}[named]
    etag = reads(other_seller, theirs)["etag"]
    visitor.opens(MANUAL)
    answer = answers(visitor, SELECTION, product_id=product_id, etag=etag, choose=CANDIDATES[0], remember="yes")
    assert answer.status_code == 303
    assert "no longer exists" in visitor.follows(answer).text
    assert "Secret" not in visitor.page
    if named != "junk":
        direct = visitor.submits(f"{product_path(product_id)}/asin", etag=etag, choose=CANDIDATES[0])
        assert direct.status_code == 404
    assert reads(other_seller, theirs)["asin"] is None
    assert matches_of(seller) == []


def test_the_form_needs_its_token(visitor: Visitor, seller: Seller) -> None:
    """Without the CSRF token nothing is decided."""
    product_id = creates_with_candidates(seller, upc=UPC)
    visitor.opens(SELECTION)
    answer = answers(visitor, SELECTION, choose=CANDIDATES[0], csrf_token="forged")
    assert answer.status_code == 403
    assert reads(seller, product_id)["asin"] is None
