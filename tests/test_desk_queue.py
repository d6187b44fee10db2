"""The queues of the desk, as a browser without JavaScript uses them."""

import re

import pytest

from tests.desk_pages import (
    CANDIDATES,
    OTHER_UPC,
    UPC,
    answers,
    creates_with_candidates,
    matches_of,
    reads,
    shown_title,
    undo_path,
    value,
    words,
)
from tests.sellers import Seller
from tests.visitors import Visitor

SELECTION = "/desk/queue/needs_selection"
NEEDS_ASIN = "/desk/queue/needs_asin"
MANUAL = "/desk/queue/manual_entry"


def _skip(page: str) -> str:
    found = re.search(r'href="([^"]+)" accesskey="s"', page)
    assert found
    return found[1].replace("&amp;", "&")


def test_the_queue_shows_the_product_and_what_is_known_about_its_candidates(visitor: Visitor, seller: Seller) -> None:
    """Picture placeholder, title, brand, pack, rank, source and a link. The page loads nothing from elsewhere."""
    product_id = str(seller.creates(title="Lamp", brand="North", upc=UPC, supplier="Acme", buy_cost="3")["product_id"])
    known = {"title": "Lamp <2>", "brand": "N&L", "package_quantity": 12, "sales_rank": 1234, "category": "Home"}
    listed = [{"asin": "B0000000A1", **known, "source": "Keepa", "image_url": "https://images.example/1.jpg"}]
    listed.append({"asin": "B0000000A2"})
    seller.http.put(f"/products/{product_id}/candidates", json={"candidates": listed})
    assert visitor.opens(SELECTION).status_code == 200
    shown = words(visitor.page)
    assert shown_title(visitor.page) == "Lamp"
    for text in ("Acme $3.00", "Lamp <2>", "N&L", "Pack of 12", "Rank 1,234 in Home", "From Keepa", "Rank unknown"):
        assert text in shown
    assert '"https://www.amazon.com/dp/B0000000A1" target="_blank" rel="noreferrer noopener"' in visitor.page
    assert visitor.page.count('class="picture"') == 2
    assert not re.findall(r'(?:src|srcset|action|data)="https?:', visitor.page)
    assert "images.example" not in visitor.page


def test_the_numbers_on_the_page_are_the_memoized_ones(visitor: Visitor, seller: Seller) -> None:
    """They are a hit of the cache, and they change with each answer."""
    creates_with_candidates(seller, upc=UPC)
    visitor.opens("/")
    before = seller.cache_status()["app"]
    visitor.opens(SELECTION)
    assert visitor.numbers == seller.stats()
    assert visitor.numbers["needs_selection"] == 1
    visitor.follows(answers(visitor, SELECTION, choose=CANDIDATES[0]))
    assert (visitor.numbers["needs_selection"], visitor.numbers["asin_found"]) == (0, 1)
    assert seller.cache_status()["app"]["misses"] == before["misses"]


def test_after_each_choice_the_next_product_is_there(visitor: Visitor, seller: Seller) -> None:
    """The order is that of the list, newest first. The last answer leads to a page that says so."""
    ids = [creates_with_candidates(seller, f"B00000{n}0A1", f"B00000{n}0A2", title=f"Lamp {n}") for n in (1, 2, 3)]
    visitor.opens(SELECTION)
    for number in (3, 2, 1):
        assert shown_title(visitor.page) == f"Lamp {number}"
        visitor.follows(answers(visitor, SELECTION, choose=f"B00000{number}0A2"))
        assert f"“Lamp {number}” now has the ASIN B00000{number}0A2." in visitor.page
    assert "Nothing is waiting here" in visitor.page
    assert [reads(seller, product_id)["asin"] for product_id in ids] == ["B0000010A2", "B0000020A2", "B0000030A2"]


def test_undo_takes_the_last_answer_back_and_shows_its_product_again(visitor: Visitor, seller: Seller) -> None:
    """Also after a skip: the page is the one on which the answer was given."""
    for number in (1, 2, 3):
        creates_with_candidates(seller, f"B00000{number}0A1", f"B00000{number}0A2", title=f"Lamp {number}", upc=None)
    visitor.opens(SELECTION)
    skip = _skip(visitor.page)
    visitor.opens(skip)
    assert shown_title(visitor.page) == "Lamp 2"
    visitor.follows(answers(visitor, skip, choose="B0000020A1"))
    assert shown_title(visitor.page) == "Lamp 1"
    assert visitor.numbers["needs_selection"] == 2
    visitor.follows(visitor.submits(undo_path(visitor.page), back=value(visitor.page, "back")))
    assert "Undone. “Lamp 2” is back in Needs selection." in visitor.page
    assert shown_title(visitor.page) == "Lamp 2"
    assert visitor.numbers["needs_selection"] == 3


@pytest.mark.parametrize(
    "typed", ["b0000000z9", " B0000000Z9 ", "https://www.amazon.com/Some-Lamp/dp/B0000000Z9/ref=sr_1_1?keywords=lamp"]
)
def test_any_asin_can_be_entered(visitor: Visitor, seller: Seller, typed: str) -> None:
    """It need not be a candidate, and the address of a listing is understood."""
    product_id = creates_with_candidates(seller, upc=UPC)
    visitor.opens(SELECTION)
    visitor.follows(answers(visitor, SELECTION, answer="asin", asin=typed))
    assert reads(seller, product_id)["asin"] == "B0000000Z9"


def test_none_of_these_dismisses_the_candidates(visitor: Visitor, seller: Seller) -> None:
    """The product leaves the queue. In the other queue it is not shown again at once."""
    creates_with_candidates(seller, title="Lamp", upc=UPC)
    seller.creates(title="Older", upc=OTHER_UPC)
    visitor.opens(SELECTION)
    visitor.follows(answers(visitor, SELECTION, answer="none"))
    assert "None of the candidates is “Lamp”. Status: Needs ASIN." in visitor.page
    assert visitor.numbers["needs_selection"] == 0
    undo_path(visitor.page)


def test_none_of_these_goes_on_also_if_the_product_stays_in_the_queue(visitor: Visitor, seller: Seller) -> None:
    """A product with one candidate is in the queue of those without an ASIN, with and without the candidate."""
    seller.creates(title="Older", upc=OTHER_UPC)
    creates_with_candidates(seller, "B0000000A1", title="One candidate", upc=UPC)
    visitor.opens(NEEDS_ASIN)
    assert shown_title(visitor.page) == "One candidate"
    visitor.follows(answers(visitor, NEEDS_ASIN, answer="none"))
    assert shown_title(visitor.page) == "Older"
    assert visitor.numbers["needs_asin"] == 2


def test_skipped_products_wait_at_the_end(visitor: Visitor, seller: Seller) -> None:
    """The end of the queue says how many are still waiting and starts again."""
    for number in (1, 2):
        seller.creates(title=f"Lamp {number}")
    for title in ("Lamp 2", "Lamp 1"):
        visitor.opens(MANUAL if title == "Lamp 2" else _skip(visitor.page))
        assert shown_title(visitor.page) == title
    visitor.opens(_skip(visitor.page))
    assert "2 skipped products are still waiting." in words(visitor.page)
    assert f'href="{MANUAL}">Start again</a>' in visitor.page


def test_an_empty_queue_leads_to_the_next_work(visitor: Visitor, seller: Seller) -> None:
    """It links the queues that are not empty, and the desk."""
    seller.creates(upc=UPC)
    visitor.opens(SELECTION)
    assert "Nothing is waiting here" in visitor.page
    assert "Needs ASIN: 1" in words(visitor.page)
    assert "Manual entry: 0" not in words(visitor.page)
    assert f'href="{NEEDS_ASIN}"' in visitor.page


def test_the_desk_links_each_queue_that_is_not_empty(visitor: Visitor, seller: Seller) -> None:
    """The tile itself leads to the list."""
    seller.creates(upc=UPC)
    visitor.opens("/")
    assert f'href="{NEEDS_ASIN}" data-when="needs_asin">' in visitor.page
    assert f'href="{MANUAL}" data-when="manual_entry" hidden>' in visitor.page
    assert 'href="/deals?asin_status=needs_asin"' in visitor.page


def test_answers_are_remembered_only_if_the_box_is_ticked(visitor: Visitor, seller: Seller) -> None:
    """An ASIN becomes an always, none of these a never for each candidate. The box stays as it was left."""
    for upc, pair in ((UPC, "12"), (OTHER_UPC, "34"), ("042100005264", "56")):
        creates_with_candidates(seller, *(f"B0000000A{digit}" for digit in pair), upc=upc)
    visitor.opens(SELECTION)
    assert re.search(r'name="remember" value="yes" checked', visitor.page)
    visitor.follows(answers(visitor, SELECTION, choose="B0000000A5", remember="yes", asked="yes"))
    assert matches_of(seller) == [("B0000000A5", "always")]
    visitor.follows(answers(visitor, SELECTION, answer="none", remember="yes", asked="yes"))
    assert matches_of(seller) == [("B0000000A3", "never"), ("B0000000A4", "never"), ("B0000000A5", "always")]
    left = visitor.follows(answers(visitor, SELECTION, choose="B0000000A1", asked="yes"))
    assert len(matches_of(seller)) == 3
    assert left.url.params["remember"] == "no"


def test_a_upc_can_be_entered_instead(visitor: Visitor, seller: Seller) -> None:
    """By its button, and by Enter, which presses the button of the ASIN."""
    for number, (button, upc) in enumerate((("upc", UPC), ("asin", OTHER_UPC))):
        product_id = str(seller.creates(title=f"Lamp {number}")["product_id"])
        visitor.opens(MANUAL)
        visitor.follows(answers(visitor, MANUAL, answer=button, asin="", upc=upc))
        assert f"“Lamp {number}” now has the UPC {upc}. Status: Needs ASIN." in visitor.page
        assert reads(seller, product_id)["upc"] == upc
    seller.creates(title="Lamp 9")
    visitor.opens(MANUAL)
    answer = answers(visitor, MANUAL, answer="upc", upc="12x")
    assert answer.status_code == 422
    assert value(answer.text, "upc") == "12x"


def test_a_cursor_that_is_no_longer_valid_starts_the_queue(visitor: Visitor, seller: Seller) -> None:
    """The address is replaced by one that works."""
    seller.creates(title="Lamp")
    answer = visitor.opens(f"{MANUAL}?after=junk")
    assert visitor.follows(answer).status_code == 200
    assert shown_title(visitor.page) == "Lamp"


def test_there_is_no_queue_of_products_with_an_asin(visitor: Visitor) -> None:
    """Only the three open statuses have one."""
    assert visitor.opens("/desk/queue/asin_found").status_code == 404
