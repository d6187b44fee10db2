"""The page that uploads the result of a look-up."""

import re

import pytest

from tests.desk_pages import OTHER_UPC, UPC, matches_of, reads, words
from tests.sellers import Seller
from tests.visitors import Visitor

PATH = "/desk/candidates"
FILE = f"UPC,ASIN,Title,Sales rank\n{UPC},B0000000A1,Lamp,12\n{UPC},B0000000A2,Lamps,\n{OTHER_UPC},B0000000A3,,\n"


def _totals(page: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r'data-total="(\w+)">(\d+)<', page)}


def test_a_look_up_result_fills_the_queue(visitor: Visitor, seller: Seller) -> None:
    """The page counts the rows by outcome, and leads to the queue. A repeated upload changes nothing."""
    product_id = str(seller.creates(upc=UPC)["product_id"])
    other = str(seller.creates(upc=OTHER_UPC)["product_id"])
    visitor.opens(PATH)
    answer = visitor.uploads(PATH, f"{FILE}042100005264,B0000000A4,,\n{UPC},,,\n{UPC},B0,,\n")
    assert answer.status_code == 200
    assert _totals(answer.text) == {"stored": 3, "unchanged": 0, "never": 0, "empty": 1, "unknown": 1, "rejected": 1}
    assert "Line 7, ASIN" in answer.text
    assert "Work the queue: 1" in words(answer.text)
    assert [found["asin"] for found in reads(seller, product_id)["candidates"]] == ["B0000000A1", "B0000000A2"]
    assert (reads(seller, other)["asin"], seller.stats()["needs_selection"]) == (None, 1)
    again = visitor.uploads(PATH, FILE)
    assert _totals(again.text)["unchanged"] == 3


def test_a_single_candidate_is_used_only_if_the_box_is_ticked(visitor: Visitor, seller: Seller) -> None:
    """It says how many products got an ASIN, and keeps the box as it was."""
    other = str(seller.creates(upc=OTHER_UPC)["product_id"])
    visitor.opens(PATH)
    answer = visitor.uploads(PATH, FILE, accept_single="true")
    assert "1 product got an ASIN at once." in words(answer.text)
    assert 'name="accept_single" value="true" checked' in answer.text
    assert reads(seller, other)["asin"] == "B0000000A3"
    assert matches_of(seller) == []


@pytest.mark.parametrize(("content", "mistake"), [("", "The file is empty."), ("Title,Brand\nx,y\n", "ASIN")])
def test_a_file_that_cannot_be_used_is_explained(visitor: Visitor, content: str, mistake: str) -> None:
    """The status says it too."""
    visitor.opens(PATH)
    answer = visitor.uploads(PATH, content)
    assert answer.status_code == 422
    alert = re.search(r'role="alert">(.*?)</p>', answer.text, re.DOTALL)
    assert alert
    assert mistake in alert[1]


def test_a_form_without_a_file_asks_for_one(visitor: Visitor) -> None:
    """Nothing is changed."""
    visitor.opens(PATH)
    answer = visitor.submits(PATH)
    assert answer.status_code == 415
    assert 'role="alert"' in answer.text


def test_the_upload_needs_its_token(visitor: Visitor) -> None:
    """A forged form is refused."""
    visitor.opens(PATH)
    assert visitor.uploads(PATH, FILE, csrf_token="forged").status_code == 403
