"""`GET /products/export`: selection, spreadsheet compatibility, and a round trip through the import."""

import csv
import io
import re

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from tests.barcodes import upc
from tests.importing.hostile import CELL_TEXTS
from tests.problems import pointers, problem
from tests.sellers import Seller


def _table(exported: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported.decode("utf-8-sig"), newline="")))


def test_an_export_is_a_dated_file_that_excel_can_read(seller: Seller) -> None:
    """UTF-8 with a byte order mark for Excel, a file name with the date, and no caching."""
    seller.creates(title="Café", asin="B000000001", buy_cost="12.50", favorite=True)
    answer = seller.http.get("/products/export")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="asin-desk-\d{4}-\d\d-\d\d\.csv"', answer.headers["Content-Disposition"])
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.content.startswith("\ufeffASIN,UPC,Title,".encode())
    (row,) = _table(answer.content)
    assert (row["ASIN"], row["Title"], row["Buy cost"], row["Favorite"]) == ("B000000001", "Café", "12.50", "yes")


def test_an_export_has_the_filtered_deals_in_list_order(seller: Seller) -> None:
    """Deleted deals are never exported. Unknown parameters are refused."""
    for title, asin in (("Beta", None), ("Alpha", "B000000001"), ("Gamma", None)):
        seller.creates(title=title, **({"asin": asin} if asin else {}))
    gone = seller.creates(title="Gone")
    seller.deletes(gone["id"])
    assert [row["Title"] for row in _table(seller.exports(sort="title"))] == ["Alpha", "Beta", "Gamma"]
    assert [row["Title"] for row in _table(seller.exports(asin_status="asin_found"))] == ["Alpha"]
    assert [row["Title"] for row in _table(seller.exports(search="amm"))] == ["Gamma"]
    for name in ("limit", "cursor", "colour"):
        assert pointers(seller.http.get("/products/export", params={name: "5"})) == [f"/{name}"]
    problem(httpx.get(f"{seller.http.base_url}/products/export"), 401)


def test_an_export_is_not_limited_to_a_page(seller: Seller) -> None:
    """All deals are exported, each once."""
    seller.imports("Title\n" + "".join(f"T{number}\n" for number in range(2500)))
    rows = _table(seller.exports())
    assert len(rows) == len({row["Product ID"] for row in rows}) == 2500


def test_placeholders_are_exported_as_empty_asins(seller: Seller, stack: Stack) -> None:
    """Placeholders are not ASINs, and an import would refuse them."""
    seller.creates(title="x")
    stack.supabase.sql("update products set asin = 'PENDING_1' where user_id = $1", seller.id)
    exported = seller.exports()
    assert [row["ASIN"] for row in _table(exported)] == [""]
    assert seller.imports(exported)[-1]["unchanged"] == 1


_text = CELL_TEXTS.map(str.strip)
_deals = st.lists(
    st.fixed_dictionaries(
        {"title": _text.map(lambda text: text or "x"), "brand": _text, "supplier": _text, "notes": _text},
        optional={
            "buy_cost": st.decimals(min_value=0, max_value=1_000_000, places=2).map(str),
            "moq": st.integers(1, 1_000_000),
            "favorite": st.booleans(),
            "multiple_asins": st.booleans(),
            "upc": st.integers(0, 10**7 - 1).map(upc),
        },
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(deals=_deals)
def test_importing_an_export_changes_nothing_and_it_contains_no_formula(
    stack: Stack, seller: Seller, deals: list[dict[str, object]]
) -> None:
    """For any cells: quotes, formulas, line ends, spreadsheet prefixes, and products with the same title."""
    stack.supabase.sql("delete from products where user_id = $1", seller.id)
    for deal in deals:
        seller.creates(**deal)
    before = seller.sees()
    exported = seller.exports()
    for row in _table(exported):
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    summary = seller.imports(exported)[-1]
    assert (summary["unchanged"], summary["rows"]) == (len(before[1]), len(before[1]))
    assert seller.sees() == before


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_export_can_be_imported_into_an_empty_account(seller: Seller, other_seller: Seller, delimiter: str) -> None:
    """Also after a spreadsheet saved it with another delimiter. Product ids of another account are ignored."""
    seller.creates(title="A", asin="B000000001", supplier="S", buy_cost="1.10", moq=2, stage="ordered", favorite=True)
    seller.creates(title="=B", upc="12345670", brand="'b", notes="two\nlines; or, three")
    seller.creates(title="C", multiple_asins=True)
    saved = io.StringIO(newline="")
    csv.writer(saved, delimiter=delimiter).writerows(
        csv.reader(io.StringIO(seller.exports().decode("utf-8-sig"), newline=""))
    )
    assert other_seller.imports(saved.getvalue())[-1]["created"] == 3
    assert other_seller.stats() == seller.stats()
    ours, theirs = ({row["Title"]: row for row in _table(someone.exports())} for someone in (seller, other_seller))
    for title, row in ours.items():
        assert {**row, "Product ID": ""} == {**theirs[title], "Product ID": ""}
