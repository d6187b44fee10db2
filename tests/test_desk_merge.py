"""Decisions, their history, and merges on the page of a product."""

import re

import pytest

from tests.desk_pages import (
    CANDIDATES,
    OTHER_UPC,
    UPC,
    creates_with_candidates,
    decides,
    matches_of,
    merges,
    product_path,
    reads,
    saves_product,
    undo_path,
    value,
    words,
)
from tests.sellers import Seller
from tests.visitors import Visitor


def _decides(visitor: Visitor, product_id: str, **fields: str) -> None:
    answer = decides(visitor, product_id, **fields)
    assert answer.headers["Location"] == product_path(product_id)
    visitor.follows(answer)


def test_a_candidate_is_chosen_and_the_choice_undone(visitor: Visitor, seller: Seller) -> None:
    """The history shows both. Its undo restores the candidates and forgets what was remembered."""
    product_id = creates_with_candidates(seller, title="Lamp", upc=UPC)
    _decides(visitor, product_id, choose=CANDIDATES[1], remember="yes")
    assert f"“Lamp” now has the ASIN {CANDIDATES[1]}. The answer is remembered for its UPC." in visitor.page
    assert f"ASIN {CANDIDATES[1]} chosen, remembered" in words(visitor.page)
    assert f"always {CANDIDATES[1]}" in words(visitor.page)
    assert seller.stats()["asin_found"] == 1
    undo = undo_path(visitor.page.partition('id="history-title"')[2])
    visitor.follows(visitor.submits(undo, back=product_path(product_id)))
    assert "Undone. “Lamp” is back in Needs selection." in visitor.page
    assert ", undone" in words(visitor.page)
    assert (reads(seller, product_id)["asin"], matches_of(seller)) == (None, [])
    assert seller.stats()["needs_selection"] == 1


def test_dismissed_candidates_can_still_be_chosen(visitor: Visitor, seller: Seller) -> None:
    """They stay on the page, apart from the others."""
    product_id = creates_with_candidates(seller, upc=UPC)
    _decides(visitor, product_id, answer="none")
    assert "3 dismissed" in visitor.page
    assert f'value="{CANDIDATES[0]}" aria-label="Choose {CANDIDATES[0]} after all"' in visitor.page
    _decides(visitor, product_id, choose=CANDIDATES[0])
    assert reads(seller, product_id)["asin"] == CANDIDATES[0]


def test_an_undo_that_is_no_longer_possible_shows_the_product(visitor: Visitor, seller: Seller) -> None:
    """Status 409: the product was changed after the decision, and is left as it is."""
    product_id = creates_with_candidates(seller, title="Lamp", upc=UPC)
    _decides(visitor, product_id, choose=CANDIDATES[0])
    undo = undo_path(visitor.page)
    seller.http.patch(f"/products/{product_id}", json={"asin": "B0000000Z9"})
    answer = visitor.submits(undo, back="/")
    assert answer.status_code == 409
    assert "Not undone." in answer.text
    assert reads(seller, product_id)["asin"] == "B0000000Z9"


def test_a_stale_decision_shows_the_product_as_it_is(visitor: Visitor, seller: Seller) -> None:
    """Status 409, and nothing is changed."""
    product_id = creates_with_candidates(seller, upc=UPC)
    visitor.opens(product_path(product_id))
    etag = value(visitor.page, "etag")
    seller.http.patch(f"/products/{product_id}", json={"title": "Changed elsewhere"})
    answer = visitor.submits(f"{product_path(product_id)}/asin", etag=etag, choose=CANDIDATES[0])
    assert answer.status_code == 409
    assert "changed in the meantime" in answer.text
    assert "Changed elsewhere" in answer.text
    assert reads(seller, product_id)["asin"] is None


def test_the_second_of_two_tabs_is_told_that_its_choice_was_not_saved(visitor: Visitor, seller: Seller) -> None:
    """Also on the page of a product, which shows no candidates once it has an ASIN."""
    product_id = creates_with_candidates(seller, upc=UPC)
    visitor.opens(product_path(product_id))
    etag = value(visitor.page, "etag")
    seller.http.post(f"/products/{product_id}/asin", json={"asin": CANDIDATES[0]})
    answer = visitor.submits(f"{product_path(product_id)}/asin", etag=etag, choose=CANDIDATES[1])
    assert answer.status_code == 409
    assert "changed in the meantime" in answer.text
    assert reads(seller, product_id)["asin"] == CANDIDATES[0]


@pytest.mark.parametrize("into", ["B0000000Z9", "b0000000z9", UPC, UPC.zfill(14), UPC.lstrip("0")])
def test_a_duplicate_is_merged_and_the_merge_undone(visitor: Visitor, seller: Seller, into: str) -> None:
    """The other product is found by its ASIN, or by its UPC with any leading zeros. No deal is lost."""
    kept = str(seller.creates(title="Kept", asin="B0000000Z9", upc=UPC, supplier="Acme", buy_cost="3")["product_id"])
    source = str(seller.creates(title="Twin", supplier="Beta", brand="North", notes="Mine")["product_id"])
    visitor.follows(merges(visitor, source, into))
    assert "Merged into “Kept”, which now has the deals of both." in visitor.page
    suppliers = [deal["supplier"] for deal in reads(seller, kept)["deals"]]
    assert (sorted(suppliers), reads(seller, kept)["brand"]) == (["Acme", "Beta"], "North")
    assert seller.stats()["all"] == 1
    assert f'merged into <a href="{product_path(kept)}">Kept</a>' in visitor.opens(product_path(source)).text
    visitor.opens(product_path(kept))
    assert f'<a href="{product_path(source)}">Twin</a> merged into this product' in visitor.page
    visitor.follows(visitor.submits(undo_path(visitor.page), back=product_path(kept)))
    assert [deal["supplier"] for deal in reads(seller, source)["deals"] if deal["active"]] == ["Beta"]
    assert seller.stats()["all"] == 2


def test_both_products_are_compared_before_the_merge(visitor: Visitor, seller: Seller) -> None:
    """Opening the page changes nothing."""
    seller.creates(title="Kept", asin="B0000000Z9", supplier="Acme", buy_cost="3")
    source = str(seller.creates(title="Twin", supplier="Beta", brand="North")["product_id"])
    before = seller.sees()
    visitor.opens(f"{product_path(source)}/merge?into=B0000000Z9")
    shown = words(visitor.page)
    for text in ("Twin", "North", "Beta", "Kept", "B0000000Z9", "Acme, $3.00", "Merge into “Kept”"):
        assert text in shown
    assert seller.sees() == before


def test_a_product_without_an_active_deal_is_found(visitor: Visitor, seller: Seller) -> None:
    """It is not in the list, but it may be the one to keep."""
    kept = seller.creates(title="Kept", asin="B0000000Z9")
    seller.deletes(kept["id"])
    source = str(seller.creates(title="Twin", supplier="Beta")["product_id"])
    visitor.follows(merges(visitor, source, "B0000000Z9"))
    assert seller.stats()["asin_found"] == 1


def test_the_upc_of_a_merged_product_finds_the_product_that_was_kept(visitor: Visitor, seller: Seller) -> None:
    """The merged product still has its UPC, and a deleted deal, because the other one had both of its own."""
    kept = str(seller.creates(title="Kept", upc=UPC, supplier="Acme")["product_id"])
    merged = str(seller.creates(title="Twin", upc=OTHER_UPC, supplier="Acme")["product_id"])
    third = str(seller.creates(title="Third", supplier="Gamma")["product_id"])
    assert seller.http.post(f"/products/{merged}/merge", json={"into": kept}).status_code == 200
    visitor.opens(f"{product_path(third)}/merge?into={OTHER_UPC}")
    assert value(visitor.page, "into") == kept


@pytest.mark.parametrize("into", ["B0000000X1", "B0", "0", "lamp", "own", "their"])
def test_a_product_that_is_not_found_is_asked_for_again(
    visitor: Visitor, seller: Seller, other_seller: Seller, into: str
) -> None:
    """Unknown, part of an ASIN, the product itself, and the product of another seller: 422, and the input is kept."""
    other_seller.creates(title="Secret", asin="B0000000Y1")
    seller.creates(title="Lamp", asin="B0000000Z9")
    source = str(seller.creates(asin="B0000000Z8")["product_id"])
    typed = {"own": "B0000000Z8", "their": "B0000000Y1"}.get(into, into)
    answer = visitor.opens(f"{product_path(source)}/merge?into={typed}")
    assert answer.status_code == 422
    assert value(answer.text, "into") == typed
    assert "Secret" not in answer.text


def test_after_a_merge_the_kept_product_is_shown(visitor: Visitor, seller: Seller) -> None:
    """Not the product from whose page the merge began: it has no deals any more."""
    source = seller.creates(title="Source", upc=UPC)["product_id"]
    into = seller.creates(title="Target", asin="B0000000T1")["product_id"]
    path = f"{product_path(source)}/merge"
    visitor.opens(f"{path}?into={into}&back={product_path(source)}")
    form = {name: value(visitor.page, name) for name in ("etag", "into", "back")}
    answer = visitor.submits(path, **form)
    assert answer.headers["Location"] == product_path(into)


def test_products_with_different_asins_are_not_merged(visitor: Visitor, seller: Seller) -> None:
    """The comparison is shown again with the reason and status 409."""
    kept = str(seller.creates(title="Kept", asin="B0000000Z9")["product_id"])
    source = str(seller.creates(title="Twin", asin="B0000000Z8")["product_id"])
    answer = merges(visitor, source, kept)
    assert answer.status_code == 409
    assert re.search(r'role="alert">.*ASIN', answer.text)
    assert reads(seller, source)["merged_into"] is None


def test_a_product_of_another_seller_is_never_merged(visitor: Visitor, seller: Seller, other_seller: Seller) -> None:
    """Neither into it nor from it: 404."""
    theirs = other_seller.creates(title="Secret", supplier="Acme")["product_id"]
    own = str(seller.creates(title="Lamp", supplier="Beta")["product_id"])
    visitor.opens("/desk/products/new")
    for source, into in ((own, theirs), (theirs, own), (own, "junk")):
        etag = reads(other_seller if source == theirs else seller, source)["etag"]
        answer = visitor.submits(f"{product_path(source)}/merge", etag=etag, into=into)
        assert answer.status_code == 404
    assert reads(other_seller, theirs)["merged_into"] is None


def test_the_address_to_return_to_is_on_this_site(visitor: Visitor, seller: Seller) -> None:
    """Another host is ignored, after an undo and on the page of a merge."""
    product_id = creates_with_candidates(seller, upc=UPC)
    _decides(visitor, product_id, choose=CANDIDATES[0])
    answer = visitor.submits(undo_path(visitor.page), back="https://evil.example/")
    assert answer.headers["Location"] == "/"
    page = visitor.opens(f"{product_path(product_id)}/merge?into=B0&back=//evil.example/").text
    assert "evil.example" not in page


def test_a_saved_asin_of_a_merged_product_is_no_surprise(visitor: Visitor, seller: Seller) -> None:
    """The form of a product that has no deals left says where they are, and can still be saved."""
    seller.creates(title="Kept", asin="B0000000Z9", supplier="Acme")
    source = str(seller.creates(title="Twin", supplier="Beta")["product_id"])
    visitor.follows(merges(visitor, source, "B0000000Z9"))
    assert saves_product(visitor, source, brand="North").status_code == 303
