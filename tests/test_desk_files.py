"""Import and export at the desk, without a browser: forms, results and refusals."""

import csv
import html
import io
import re

from local.application import AppServer
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor


def _totals(visitor: Visitor) -> dict[str, int]:
    found = re.findall(r'data-total="(\w+)">([\d,]+)<', visitor.page)
    return {name: int(number.replace(",", "")) for name, number in found}


def test_a_file_can_be_tried_and_then_imported(visitor: Visitor, seller: Seller) -> None:
    """The dry run shows the result of the import. Afterwards the numbers are updated."""
    text = "Title,UPC,Colour\nLamp,12345670,red\n<b>Bad</b>,1,\n"
    visitor.opens("/desk/import")
    visitor.uploads("/desk/import", text, dry_run="true")
    assert "Nothing was changed, because this was a dry run" in visitor.page
    assert (_totals(visitor)["created"], _totals(visitor)["rejected"], seller.stats()["all"]) == (1, 1, 0)
    visitor.uploads("/desk/import", text)
    assert _totals(visitor) == {"created": 1, "updated": 0, "unchanged": 0, "repeated": 0, "rejected": 1}
    assert "Line 3, UPC" in visitor.page
    assert "Ignored columns: Colour." in visitor.page
    visitor.opens("/deals")
    assert (visitor.numbers["all"], visitor.titles) == (1, ["Lamp"])


def test_an_unusable_file_is_explained_above_the_form(visitor: Visitor) -> None:
    """No file, a file without known columns, and a file that is too large."""
    visitor.opens("/desk/import")
    assert visitor.uploads("/desk/import", "", field="other").status_code == 422
    assert "Choose a file first." in visitor.page
    assert visitor.uploads("/desk/import", "Colour\n<i>red</i>\n").status_code == 422
    assert "Title, ASIN or UPC" in visitor.page
    assert visitor.uploads("/desk/import", b"Title\n" + b"x" * (50 << 20)).status_code == 413
    assert "larger than 52,428,800 bytes" in visitor.page


def test_a_file_with_many_mistakes_lists_the_first_and_counts_the_rest(visitor: Visitor) -> None:
    """The page has a bounded size, and text of the file is escaped."""
    visitor.opens("/desk/import")
    visitor.uploads("/desk/import", "Title,<script>UPC</script>,UPC\n" + "x,,1\n" * 250)
    assert visitor.page.count("<li><strong>Line") == 200
    assert "And 50 more rows." in visitor.page
    assert "<script>UPC" not in visitor.page


def test_an_upload_needs_the_csrf_token(visitor: Visitor, seller: Seller) -> None:
    """Another site cannot make a browser import a file."""
    visitor.opens("/desk/import")
    visitor.page = ""
    assert visitor.uploads("/desk/import", "Title\nx\n").status_code == 403
    raw = {"Content-Type": "text/csv"}
    assert visitor.http.post("/products/import", content="Title\nx\n", headers=raw).status_code == 403
    assert seller.stats()["all"] == 0
    visitor.opens("/desk/import")
    raw["X-CSRFToken"] = visitor.csrf_token
    assert visitor.http.post("/products/import", content="Title\nx\n", headers=raw).status_code == 200
    assert seller.stats()["all"] == 1


def test_the_export_link_keeps_the_filters(visitor: Visitor, seller: Seller) -> None:
    """The export link has the filters and the order of its page."""
    for title in ("Beta lamp", "Alpha lamp", "Chair"):
        seller.creates(title=title, favorite=title != "Chair")
    visitor.opens("/deals?search=lamp&sort=title&favorite=true")
    (link,) = re.findall(r'href="(/desk/export[^"]*)"', visitor.page)
    exported = visitor.http.get(html.unescape(link))
    assert exported.headers["Content-Disposition"].startswith("attachment; filename=")
    rows = csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline=""))
    assert [row["Title"] for row in rows] == ["Alpha lamp", "Beta lamp"]


def test_import_and_export_require_sign_in(server: AppServer) -> None:
    """Both redirect to the sign-in page."""
    with new_visitor(server.url) as anonymous:
        for path in ("/desk/import", "/desk/export"):
            assert "/sign-in" in anonymous.opens(path).headers["Location"]
