"""The parts of the list that its scripts request: all of it after a filter or an action, a row after a changed cell."""

import re
from typing import Final

import httpx
import pytest

from tests.sellers import Seller
from tests.visitors import Visitor

_LIST: Final = {"HX-Request": "true", "HX-Target": "results"}


def _saves(visitor: Visitor, deal_id: str, field: str, text: str, **form: str) -> httpx.Response:
    """Send the change of a cell as the script does, with the entity tag and the value of the open page."""
    sent = {"csrf_token": visitor.csrf_token, field: text, "etag": _etag(visitor, deal_id), "was": "", **form}
    return visitor.http.post(f"/desk/deals/{deal_id}/cells/{field}", data=sent, headers={"HX-Request": "true"})


def _etag(visitor: Visitor, deal_id: str) -> str:
    found = re.search(rf'data-deal="{deal_id}" data-etag="(\w+)"', visitor.page)
    return found[1] if found else ""


def _acts(visitor: Visitor, path: str, target: str, **form: str) -> httpx.Response:
    sent = {"csrf_token": visitor.csrf_token, "back": "/deals?sort=title", **form}
    return visitor.http.post(path, data=sent, headers={"HX-Request": "true", "HX-Target": target})


def test_a_script_gets_only_the_list_and_the_tiles(visitor: Visitor, seller: Seller) -> None:
    """A cache between may not give this part to a browser that wants the page. Restored history gets the page."""
    seller.creates(title="Lamp", asin="B000000001")
    part = visitor.http.get("/deals?search=lamp", headers=_LIST)
    assert "<html" not in part.text
    assert "HX-Request" in part.headers["Vary"]
    assert 'id="tiles" hx-swap-oob="innerHTML"' in part.text
    assert ">Lamp</a>" in part.text
    assert "<html" in visitor.http.get("/deals", headers=_LIST | {"HX-History-Restore-Request": "true"}).text
    assert visitor.http.get("/deals?search=x", headers=_LIST).status_code == 200, (
        "an unfinished search is no mistake yet"
    )


def test_the_range_of_a_page_is_shown_with_the_total(visitor: Visitor, seller: Seller) -> None:
    """A search has a total, too. A wrong number in the address is ignored."""
    seller.imports("Title\n" + "".join(f"Walnut {number:03}\n" for number in range(120)))
    page = visitor.opens("/deals?sort=title").text
    assert "1\N{EN DASH}50 of 120" in page
    following = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "51\N{EN DASH}100 of 120" in visitor.opens(following).text
    assert "1\N{EN DASH}50 of 120" in visitor.opens(following.replace("start=51", "start=x")).text
    assert "1\N{EN DASH}50 of 120" in visitor.opens("/deals?search=walnut&sort=title").text
    assert "1 deal<" in visitor.opens("/deals?search=walnut+007").text
    assert "No deals" in visitor.opens("/deals?stage=sold&search=nothing").text


def test_an_action_is_answered_with_the_list_and_its_undo(visitor: Visitor, seller: Seller) -> None:
    """The answer makes the tiles request their numbers, and names the deals that can no longer be selected."""
    ids = [seller.creates(title=title)["id"] for title in ("Alpha", "Beta")]
    visitor.opens("/deals?sort=title")
    answer = _acts(visitor, f"/desk/deals/{ids[0]}/delete", "results")
    assert answer.status_code == 200
    assert "stats:changed" in answer.headers["HX-Trigger"]
    assert f'data-gone="{ids[0]}"' in answer.text
    assert "1 deal deleted." in answer.text
    assert ">Alpha</a>" not in answer.text
    undo = re.search(r'action="(/desk/batches/[^"]+/undo)"', answer.text)
    assert undo
    undone = _acts(visitor, undo[1], "results")
    assert ">Alpha</a>" in undone.text
    assert "Undone." in undone.text
    assert "Undone." not in visitor.opens("/deals").text, "the notice was shown already"


def test_a_selection_is_marked_and_unmarked_as_favorite(visitor: Visitor, seller: Seller) -> None:
    """With the same bar."""
    ids = [seller.creates(title=title)["id"] for title in ("Alpha", "Beta")]
    for action, count in (("favorite", 2), ("unfavorite", 0)):
        visitor.opens("/deals")
        assert f'name="action" value="{action}"' in visitor.page
        visitor.submits("/desk/deals", action=action, deal_ids=ids)
        assert len(seller.lists(favorite="true")) == count


def test_the_list_of_a_status_leads_to_its_queue(visitor: Visitor, seller: Seller) -> None:
    """If products are waiting there. The tiles are only filters here."""
    seller.creates()
    queue = 'href="/desk/queue/manual_entry"'
    assert visitor.opens("/deals?asin_status=manual_entry").text.count(queue) == 1
    for other in ("/deals", "/deals?asin_status=needs_asin", "/deals?asin_status=asin_found"):
        assert queue not in visitor.opens(other).text
        assert "Work the queue" not in visitor.page


def test_a_star_is_answered_with_its_row(visitor: Visitor, seller: Seller) -> None:
    """If somebody else has deleted the deal, the list says so instead."""
    deal_id = seller.creates(title="Lamp")["id"]
    visitor.opens("/deals")
    row = _acts(visitor, f"/desk/deals/{deal_id}/favorite", f"deal-{deal_id}").text.strip()
    assert row.startswith(f'<tr id="deal-{deal_id}"')
    assert 'aria-pressed="true"' in row
    seller.deletes(deal_id)
    refused = _acts(visitor, f"/desk/deals/{deal_id}/unfavorite", f"deal-{deal_id}")
    assert refused.headers["HX-Retarget"] == "#results"
    assert "This deal has been deleted, perhaps in another tab." in refused.text


def test_a_cell_is_saved_and_answered_with_its_row(visitor: Visitor, seller: Seller) -> None:
    """Also an ASIN, which changes the status, and an empty cell, which clears the value."""
    deal_id = seller.creates(title="Lamp", buy_cost="3")["id"]
    visitor.opens("/deals")
    saved = _saves(visitor, deal_id, "asin", "b000000001")
    assert saved.status_code == 200
    assert "stats:changed" in saved.headers["HX-Trigger"]
    assert "ASIN found" in saved.text
    visitor.opens("/deals")
    assert _saves(visitor, deal_id, "buy_cost", "", was="3.00").status_code == 200
    visitor.opens("/deals")
    assert _saves(visitor, deal_id, "asin", "", was="B000000001").status_code == 200
    deal = seller.lists()[0]
    assert (deal["buy_cost"], deal["product"]["asin"], seller.stats()["manual_entry"]) == (None, None, 1)


def test_a_change_of_the_same_field_meanwhile_is_a_conflict(visitor: Visitor, seller: Seller) -> None:
    """Of another field it is none. The same value is none either: perhaps the first answer was lost."""
    deal_id = seller.creates(title="Lamp", moq=1, buy_cost="1")["id"]
    visitor.opens("/deals")
    seller.http.patch(f"/products/deal/{deal_id}", json={"moq": 5})
    assert _saves(visitor, deal_id, "buy_cost", "2", was="1.00").status_code == 200
    conflict = _saves(visitor, deal_id, "moq", "7", was="1")
    assert conflict.status_code == 412
    assert "Changed meanwhile in another tab; yours was “7”." in conflict.text
    assert 'data-value="5"' in conflict.text
    assert _saves(visitor, deal_id, "moq", "5", was="1").status_code == 200
    assert seller.lists()[0]["moq"] == 5
    assert _saves(visitor, deal_id, "asin", "B000000001", was="B000000009").status_code == 412


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("buy_cost", "12,50", "at most two decimals, such as 12.50"),
        ("moq", "0", "Write a whole number from 1 to 1,000,000."),
        ("stage", "moon", "Choose a value from the list."),
        ("asin", "B0", "An ASIN is exactly 10 letters A to Z or digits"),
        ("supplier", "x" * 201, "A supplier&#39;s name has at most 200 characters."),
        ("notes", "x" * 5001, "Notes have at most 5,000 characters."),
    ],
)
def test_a_refused_cell_says_why(visitor: Visitor, seller: Seller, field: str, text: str, words: str) -> None:
    """Nothing is saved."""
    deal_id = seller.creates(title="Lamp")["id"]
    visitor.opens("/deals")
    before = seller.lists()
    answer = _saves(visitor, deal_id, field, text)
    assert answer.status_code == 422
    assert words in answer.text
    assert seller.lists() == before


def test_a_cell_of_a_foreign_deal_or_without_a_token_is_refused(
    visitor: Visitor, seller: Seller, other_seller: Seller
) -> None:
    """The rest of the page stays: the answer is only a notice."""
    visitor.opens("/deals")
    foreign = other_seller.creates(title="Theirs")["id"]
    seller.creates(title="Mine")
    visitor.opens("/deals")
    answer = _saves(visitor, foreign, "moq", "5")
    assert answer.status_code == 404
    assert answer.headers["HX-Reswap"] == "none"
    assert _saves(visitor, foreign, "moq", "5", csrf_token="").status_code == 403
    assert other_seller.lists()[0]["moq"] is None


def test_a_product_for_the_drawer_has_no_frame(visitor: Visitor, seller: Seller) -> None:
    """A change in the drawer is answered with the drawer, and its notice."""
    deal = seller.creates(title="Lamp")
    path = f"/desk/products/{deal['product_id']}"
    part = visitor.http.get(path, headers={"HX-Request": "true", "HX-Target": "drawer-body"})
    assert "<html" not in part.text
    assert 'value="Lamp"' in part.text
    assert "<html" in visitor.opens(path).text
