"""What the tests read from the pages of the desk, and what they send with its forms."""

import html
import re
from typing import Any, Final

import httpx

from tests.sellers import Seller
from tests.visitors import Visitor

UPC: Final = "012345678905"
OTHER_UPC: Final = "036000291452"
CANDIDATES: Final = ("B0000000A1", "B0000000A2", "B0000000A3")


def value(page: str, name: str) -> str:
    """Return the value of the first input with this name."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"the page has no input {name}"
    return html.unescape(found[1])


def words(page: str) -> str:
    """Return the text of the page: without tags, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def product_path(product_id: str) -> str:
    """Return the path of the page of a product."""
    return f"/desk/products/{product_id}"


def reads(seller: Seller, product_id: str) -> dict[str, Any]:
    """Return the product as the API shows it."""
    answer = seller.http.get(f"/products/{product_id}")
    assert answer.status_code == 200, answer.text
    product: dict[str, Any] = answer.json()
    return product


def creates_with_candidates(seller: Seller, *asins: str, **fields: object) -> str:
    """Create a product with these candidates and return its id."""
    product_id = str(seller.creates(**fields)["product_id"])
    listed = [{"asin": asin, "title": f"Listing {asin}", "source": "Keepa"} for asin in asins or CANDIDATES]
    answer = seller.http.put(f"/products/{product_id}/candidates", json={"candidates": listed})
    assert answer.status_code == 200, answer.text
    return product_id


def saves_product(visitor: Visitor, product_id: str, **changes: str) -> httpx.Response:
    """Open the page of a product and send its form with these changes. An empty value sends no checkbox."""
    visitor.opens(product_path(product_id))
    names = ("etag", "title", "brand", "asin", "upc")
    shown = {name: value(visitor.page, name) for name in names}
    return visitor.submits(product_path(product_id), **(shown | changes))


def saves_deal(visitor: Visitor, deal_id: str, **changes: str) -> httpx.Response:
    """Open the page of a deal and send its form with these changes."""
    path = f"/desk/deals/{deal_id}"
    visitor.opens(path)
    shown = {name: value(visitor.page, name) for name in ("etag", "supplier", "buy_cost", "moq")}
    selected = re.search(r'<option value="(\w+)" selected>', visitor.page)
    notes = re.search(r"<textarea id=\"notes\"[^>]*>([^<]*)</textarea>", visitor.page)
    assert selected
    assert notes
    return visitor.submits(path, **(shown | {"stage": selected[1], "notes": html.unescape(notes[1])} | changes))


def answers(visitor: Visitor, path: str, **fields: str) -> httpx.Response:
    """Send the form of a queue that the last page shows. `path` is the address of the queue."""
    shown = {name: value(visitor.page, name) for name in ("product_id", "etag", "next")}
    return visitor.submits(path, **(shown | fields))


def shown_title(page: str) -> str:
    """Return the title of the product that a queue shows; empty if it shows none."""
    found = re.search(r'<h2 id="subject-title"><a [^>]*>([^<]*)</a>', page)
    return html.unescape(found[1]) if found else ""


def undo_path(page: str) -> str:
    """Return the address of the Undo button in the notice."""
    found = re.search(r'action="([^"]+/undo)"', page)
    assert found, "the page offers no undo"
    return found[1]


def matches_of(seller: Seller) -> list[tuple[str, str]]:
    """Return the remembered answers of a seller: ASIN and verdict, sorted."""
    answer = seller.http.get("/matches")
    assert answer.status_code == 200, answer.text
    return sorted((match["asin"], match["verdict"]) for match in answer.json()["items"])


def decides(visitor: Visitor, product_id: str, **fields: str) -> httpx.Response:
    """Open the page of a product and send the form of its candidates with these fields."""
    visitor.opens(product_path(product_id))
    return visitor.submits(f"{product_path(product_id)}/asin", etag=value(visitor.page, "etag"), **fields)


def merges(visitor: Visitor, source: str, into: str) -> httpx.Response:
    """Find the product `into` on the page of `source`, and merge."""
    path = f"{product_path(source)}/merge"
    assert visitor.opens(f"{path}?into={into}").status_code == 200
    form = {name: value(visitor.page, name) for name in ("etag", "into", "back")}
    return visitor.submits(path, **form)


def works(visitor: Visitor, status: str, **fields: str) -> httpx.Response:
    """Open the queue of a status and send its form with these fields."""
    path = f"/desk/queue/{status}"
    visitor.opens(path)
    return answers(visitor, path, **fields)


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden inputs of the content of the page, without the CSRF token."""
    content = page.split("<main", 1)[1]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', content)
    return {name: html.unescape(given) for name, given in found if name != "csrf_token"}


def without_versions(seller: Seller) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Return the numbers and the deals of a seller without what every change renews: the tag and the time."""
    numbers, deals = seller.sees()
    return numbers, [{name: deal[name] for name in deal.keys() - {"etag", "updated_at"}} for deal in deals]
