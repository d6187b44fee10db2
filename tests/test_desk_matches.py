"""The pages of the remembered answers and of pasted lines, as a browser without JavaScript uses them."""

import re

import pytest

from tests.barcodes import upc
from tests.desk_pages import CANDIDATES, OTHER_UPC, UPC, creates_with_candidates, matches_of, reads, words
from tests.sellers import Seller
from tests.visitors import Visitor

MATCHES = "/desk/matches"
ASINS = "/desk/asins"


def _remembers(seller: Seller, code: str, asin: str) -> str:
    """Create a product, give it the ASIN, remember that, and return its id."""
    product_id = str(seller.creates(title=f"Lamp {code}", upc=code)["product_id"])
    answer = seller.http.post(f"/products/{product_id}/asin", json={"asin": asin, "remember": "always"})
    assert answer.status_code == 200, answer.text
    return product_id


def _lines(page: str) -> str:
    found = re.search(r'<textarea id="lines"[^>]*>([^<]*)</textarea>', page)
    assert found
    return found[1]


def test_the_page_lists_what_is_remembered(visitor: Visitor, seller: Seller) -> None:
    """Newest first: UPC as on the package, answer, ASIN and title of the product."""
    product_id = creates_with_candidates(seller, upc=OTHER_UPC, title="Mug")
    seller.http.post(f"/products/{product_id}/asin", json={"none": True, "remember": "never"})
    _remembers(seller, UPC, "B0000000Z9")
    visitor.opens(MATCHES)
    shown = words(visitor.page)
    assert f"{UPC} Always B0000000Z9 Lamp {UPC}" in shown
    assert f"{OTHER_UPC} Never {CANDIDATES[0]} Mug" in shown
    assert shown.index("Always") < shown.index("Never")


def test_an_answer_is_forgotten(visitor: Visitor, seller: Seller) -> None:
    """The product keeps its ASIN. Forgetting it again says so."""
    product_id = _remembers(seller, UPC, "B0000000Z9")
    form = {"gtin": UPC.zfill(14), "asin": "B0000000Z9"}
    visitor.opens(MATCHES)
    visitor.follows(visitor.submits(MATCHES, **form))
    assert f"Forgotten: B0000000Z9 for {UPC}." in visitor.page
    assert "Nothing is remembered yet." in visitor.page
    assert (matches_of(seller), reads(seller, product_id)["asin"]) == ([], "B0000000Z9")
    visitor.opens("/desk/products/new")
    visitor.follows(visitor.submits(MATCHES, **form))
    assert "already forgotten" in visitor.page


def test_answers_are_searched(visitor: Visitor, seller: Seller) -> None:
    """By a part of the UPC or ASIN. The search is kept when an answer is forgotten."""
    _remembers(seller, UPC, "B0000000Z9")
    _remembers(seller, OTHER_UPC, "B0000000Y1")
    for search, found, missing in ((OTHER_UPC[1:8], "B0000000Y1", "B0000000Z9"), ("z9", "B0000000Z9", "B0000000Y1")):
        visitor.opens(f"{MATCHES}?search={search}")
        assert found in visitor.page
        assert missing not in visitor.page
    gone = visitor.submits(MATCHES, gtin=UPC.zfill(14), asin="B0000000Z9", search="z9")
    assert gone.headers["Location"] == f"{MATCHES}?search=z9"
    assert "No remembered answer contains “z9”." in visitor.follows(gone).text
    answer = visitor.opens(f"{MATCHES}?search={'9' * 101}")
    assert answer.status_code == 422
    assert "B0000000Y1" in answer.text


def test_the_list_has_pages(visitor: Visitor, seller: Seller) -> None:
    """The next page starts where the first one ends, and every answer is on one of them."""
    codes = [upc(number, length=12) for number in range(51)]
    rows = [{"upc": code, "asin": f"B{number:09}"} for number, code in enumerate(codes)]
    seller.imports("title,upc\n" + "".join(f"Lamp {code},{code}\n" for code in codes))
    answer = seller.http.post("/products/bulk-asin", json={"rows": rows, "remember": "always"})
    assert answer.status_code == 200, answer.text
    first = visitor.opens(MATCHES).text
    found = re.search(r'rel="next" href="([^"]+)"', first)
    assert found
    second = visitor.opens(found[1].replace("&amp;", "&")).text
    listed = [re.findall(r"<code>(B\d{9})</code>", page) for page in (first, second)]
    assert [len(page) for page in listed] == [50, 1]
    assert {asin for page in listed for asin in page} == {row["asin"] for row in rows}
    assert visitor.follows(visitor.opens(f"{MATCHES}?cursor=junk")).status_code == 200


def test_answers_of_other_sellers_are_not_shown_and_not_forgotten(
    visitor: Visitor, seller: Seller, other_seller: Seller
) -> None:
    """The page says that there is nothing to forget."""
    seller.creates()
    _remembers(other_seller, UPC, "B0000000Z9")
    visitor.opens(MATCHES)
    assert "B0000000Z9" not in visitor.page
    visitor.opens("/desk/products/new")
    visitor.follows(visitor.submits(MATCHES, gtin=UPC.zfill(14), asin="B0000000Z9"))
    assert "already forgotten" in visitor.page
    assert matches_of(other_seller) == [("B0000000Z9", "always")]


@pytest.mark.parametrize("remember", [True, False])
def test_pasted_lines_set_asins(visitor: Visitor, seller: Seller, *, remember: bool) -> None:
    """Any separator, a UPC or the id of a product, with empty lines between them."""
    first = str(seller.creates(upc=UPC)["product_id"])
    second = str(seller.creates(upc="042100005264")["product_id"])
    third = str(seller.creates(upc=OTHER_UPC, asin="B0000000A3")["product_id"])
    visitor.opens(ASINS)
    lines = f"{UPC}\tb0000000a1\r\n\r\n {second}; B0000000A2 \r\n{OTHER_UPC},B0000000A3"
    answer = visitor.submits(ASINS, lines=lines, **({"remember": "yes"} if remember else {}))
    assert answer.status_code == 200
    assert "2 of 3 lines set an ASIN. 1 changed nothing" in words(answer.text)
    assert _lines(answer.text) == ""
    assert [reads(seller, found)["asin"] for found in (first, second, third)] == [
        "B0000000A1",
        "B0000000A2",
        "B0000000A3",
    ]
    known = [(f"B0000000A{place}", "always") for place in (1, 2, 3)]
    assert matches_of(seller) == (known if remember else [])
    assert seller.stats()["asin_found"] == 3


def test_lines_that_cannot_be_used_stay_in_the_form(visitor: Visitor, seller: Seller) -> None:
    """Each has its reason; one with an ASIN of another product offers the merge. The others are set."""
    seller.creates(title="Has it", asin="B0000000Z9")
    twin = str(seller.creates(upc=UPC)["product_id"])
    decided = str(seller.creates(upc="042100005264", asin="B0000000Y1")["product_id"])
    right = str(seller.creates()["product_id"])
    bad = [f"{UPC} B0000000Z9", f"{OTHER_UPC} B0000000A1", "042100005264 B0000000A2", f"{UPC} B0", "<b>x</b>"]
    answer = visitor.submits(ASINS, lines="\n".join([*bad, f"{right} B0000000A9"]))
    shown = words(answer.text)
    assert "1 of 6 lines set an ASIN. 5 need fixing." in shown
    assert "You have no product with this UPC or id." in shown
    assert _lines(answer.text).replace("&lt;", "<").replace("&gt;", ">").splitlines() == bad
    assert f'href="/desk/products/{twin}/merge?into=' in answer.text
    assert answer.text.count("Compare and merge them") == 1  # not for the product that has another ASIN
    assert (reads(seller, right)["asin"], reads(seller, decided)["asin"]) == ("B0000000A9", "B0000000Y1")


@pytest.mark.parametrize(("lines", "mistake"), [(" \n", "at least one line"), ("x y\n" * 1001, "These are 1,001.")])
def test_a_form_with_the_wrong_number_of_lines_is_refused(
    visitor: Visitor, seller: Seller, lines: str, mistake: str
) -> None:
    """The lines are kept, and the limit is named."""
    seller.creates()
    visitor.opens(ASINS)
    answer = visitor.submits(ASINS, lines=lines)
    assert answer.status_code == 422
    assert mistake in answer.text
    assert _lines(answer.text).strip().replace("\r\n", "\n") == lines.strip()


@pytest.mark.parametrize(("path", "field"), [(MATCHES, "gtin"), (ASINS, "lines")])
def test_the_forms_need_their_token(visitor: Visitor, path: str, field: str) -> None:
    """A forged form is refused."""
    visitor.opens(ASINS)
    assert visitor.submits(path, **{field: "x", "csrf_token": "forged"}).status_code == 403
