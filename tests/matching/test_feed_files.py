"""The columns and cells of look-up results as services and tools write them, and cells that are made to cause harm."""

from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.products.importing import CANDIDATES, UnreadableFileError
from app.products.importing.sheet import BATCH
from app.products.matching.feed import gtin_of
from tests.barcodes import upc, with_check_digit
from tests.importing.hostile import CELL_TEXTS, cost_of, ordinary_file, relative_cost
from tests.importing.sheets import accepted_rows, checked, valid_rows

_GTIN = "00036000291452"


def _rows(text: str) -> list[dict[str, Any]]:
    """Return the rows of a look-up result without mistakes, without their lines, in the order of the file."""
    rows = valid_rows(text, CANDIDATES)
    return [{name: value for name, value in row.items() if name != "line"} for row in rows]


def _row(**cells: str) -> dict[str, Any]:
    """Return the fields of one row with these cells, besides its UPC and ASIN."""
    names = "".join(f",{name.replace('_', ' ')}" for name in cells)
    values = "".join(',"' + cell.replace('"', '""') + '"' for cell in cells.values())
    (row,) = _rows(f"UPC,ASIN{names}\n036000291452,B000000001{values}\n")
    assert (row.pop("upc"), row.pop("asin")) == (_GTIN, "B000000001")
    return row


def test_columns_are_recognized_by_every_usual_name() -> None:
    """Case, spaces and punctuation are ignored. Other columns are listed as ignored."""
    for field, names in CANDIDATES.layout.names.items():
        for name in names:
            header = [f" {name.upper().replace(' ', '_')} ", "Colour", *({"ASIN", "EAN"} - {field.upper()})]
            with closing(checked(",".join(header) + "\n,,,\n", CANDIDATES)) as sheet:
                assert sheet.columns.indexes[field] == 0, name
                assert sheet.columns.ignored == ["Colour"]


def test_an_export_of_keepa_is_read() -> None:
    """It has several columns for the brand and the codes: the best one counts, and the others are ignored."""
    text = (
        "Locale,Image,Title,Sales Rank: Current,Manufacturer,Brand,Categories: Root,Product Codes: UPC,ASIN,"
        "Imported by Code,Product Codes: EAN,Package: Quantity,Number of Items\n"
        'com,"https://m.media-amazon.com/images/I/1.jpg;https://m.media-amazon.com/images/I/2.jpg",Lamp,"1,204",'
        'Lux Ltd,Lux,Home & Kitchen,"036000291452, 012345678905",B000000001,036000291452,"0036000291452",2,3\n'
    )
    assert _rows(text) == [{
        "title": "Lamp", "brand": "Lux", "image_url": "https://m.media-amazon.com/images/I/1.jpg",
        "category": "Home & Kitchen", "package_quantity": 2, "sales_rank": 1204, "upc": _GTIN, "asin": "B000000001",
    }]  # fmt: skip
    with closing(checked(text, CANDIDATES)) as sheet:
        assert sheet.columns.recognized["upc"] == "Imported by Code"
        assert sheet.columns.ignored == ["Locale", "Manufacturer", "Product Codes: UPC", "Number of Items"]


def test_a_report_of_amazon_is_read() -> None:
    """Its `product-id` is an ASIN or a code, depending on the type. A code finds the product, and an ASIN does not."""
    text = "item-name\tasin1\tproduct-id\timage-url\nLamp\tB000000001\t036000291452\t\nBell\tB000000002\tB000000002\t\n"
    assert _rows(text) == [
        {"title": "Lamp", "asin": "B000000001", "upc": _GTIN}, {"title": "Bell", "asin": "B000000002"},
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"ASIN,Title\nx,y\n", b"UPC,Title\n1,y\n", b"Title\ny\n"])
def test_a_file_needs_an_asin_and_a_product(content: bytes) -> None:
    """It is refused as a whole, with the columns that it needs."""
    with pytest.raises(UnreadableFileError, match="among them must be ASIN and one of UPC, EAN and Product ID"):
        checked(content, CANDIDATES)


@pytest.mark.parametrize(
    ("cell", "gtin"),
    [
        ("036000291452", _GTIN), ("0036000291452", _GTIN), ("36000291452", _GTIN), (_GTIN, _GTIN),
        ("0" * 9 + _GTIN, _GTIN),
        ("0 36000-29145 2", _GTIN), ("36000291452.0", _GTIN), ("'036000291452", _GTIN), ('="036000291452"', _GTIN),
        ("036000291452, 0036000291452", _GTIN), ("036000291452;", _GTIN), ("96385074", "00000096385074"),
        ("036000291453", "00036000291453"),
        ("036000291452, 012345678905", ""), ("036000291452|012345678905", ""), ("036000291452 012345678905", ""),
        ("B000000001", ""), ("n/a", ""), ("1" * 15, ""), ("-", ""), ("\uff13\uff16", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_code_is_one_number_of_up_to_fourteen_digits(cell: str, gtin: str) -> None:
    """Several codes, or anything else, are no code: the row is of no product. A wrong check digit does not matter."""
    (row,) = _rows(f'UPC,ASIN\n"{cell.replace(chr(34), chr(34) * 2)}",B000000001\n')
    assert row == {"asin": "B000000001"} | ({"upc": gtin} if gtin else {})


def test_the_first_cell_with_exactly_one_code_names_the_product() -> None:
    """The id of a product comes before all codes."""
    product = "00000000-0000-4000-8000-00000000000A"
    text = "EAN,UPC,Product ID,ASIN\n"
    text += f"2,1,,a\n2,,,b\n2,3 | 4,,c\n,,5,d\n2,1,{product},e\n,3 | 4,,f\n"
    found = [(row.get("upc"), row.get("product_id")) for row in _rows(_with_asins(text))]
    assert found == [("1".zfill(14), None), ("2".zfill(14), None), ("2".zfill(14), None), ("5".zfill(14), None),
                     (None, product.lower()), (None, None)]  # fmt: skip


def _with_asins(text: str) -> str:
    """Replace the letter in the last cell of each row by an ASIN."""
    head, *lines = text.splitlines()
    return "\n".join([head, *(f"{line[:-1]}B00000000{number}" for number, line in enumerate(lines))])


def test_a_shortened_number_is_rejected_with_the_reason() -> None:
    """The file can be mended. Other texts that are no code are only unknown."""
    with closing(checked("UPC,ASIN\n8.12346E+11,B000000001\n", CANDIDATES)) as sheet:
        (mistake,) = sheet.mistakes()
    assert (mistake.line, mistake.column, "shortened" in mistake.reason) == (2, "UPC", True)


@pytest.mark.parametrize("cell", ["", "-", "N/A", "#N/A", "Not found", "none", "NULL", "PENDING_1", "Unknown 2", "0"])
def test_a_cell_may_say_that_no_asin_was_found(cell: str) -> None:
    """Such a row is empty and not a mistake."""
    assert _rows(f"UPC,ASIN\n036000291452,{cell}\n") == [{"upc": _GTIN}]


@pytest.mark.parametrize(
    ("cell", "number"),
    [("7", 7), ("1,204", 1204), ("1.204", 1204), ("#1,204 in Home & Kitchen", 1204), ("# 15", 15), ("15.0", 15),
     ("1\xa0204", 1204), ("1204 (Top 5%)", 1204), ("-1", None), ("0", None), ("-", None), ("N/A", None),
     ("Top 100", None), ("1" * 30, None), ("2000000000", None), ("1e5", None)],
)  # fmt: skip
def test_a_sales_rank_is_the_number_at_the_start_of_its_cell(cell: str, number: int | None) -> None:
    """A cell without a usable number leaves the rank unknown."""
    assert _row(Sales_rank=cell) == ({"sales_rank": number} if number else {})


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("https://a.example/1.jpg", True), ("https://a.example/1.jpg;https://b.example/2.jpg", True),
        ("http://c.example/x.jpg https://a.example/1.jpg", True),
        ("https://a.example/1.jpg, https://b.example/2", True),
        ("51abc.jpg", False), ("http://a.example/1.jpg", False), ("javascript:alert(1)", False), ("https://", False),
        ("https://é.example/1.jpg", False), ("https://" + "a" * 2000, False), ("data:image/png;base64,AA", False),
    ],
)  # fmt: skip
def test_the_image_is_the_first_https_address(cell: str, *, address: bool) -> None:
    """Other addresses are left out."""
    assert _row(Image=cell) == ({"image_url": "https://a.example/1.jpg"} if address else {})


def test_long_descriptions_are_cut() -> None:
    """A description is only shown, so its length is no reason to reject a row."""
    row = _row(Title="t" * 499 + " tt", Brand="b" * 300, Category="c" * 300, Source="s" * 300)
    assert {name: len(value) for name, value in row.items()} == {
        "title": 499,
        "brand": 200,
        "category": 200,
        "source": 100,
    }


@settings(max_examples=200)
@given(st.lists(st.tuples(*[CELL_TEXTS | st.binary(max_size=9).map(str)] * 6), max_size=4))
def test_any_cells_are_stored_or_rejected_and_every_row_is_counted(cells: list[tuple[str, ...]]) -> None:
    """There is no other error. The fields that are left fit the database."""
    head = "Title,Brand,Image,Sales rank,EAN,Category,ASIN,UPC\n"
    lines = [",".join(['"' + cell.replace('"', '""') + '"' for cell in row]) for row in cells]
    with closing(checked(head + "".join(f"{line},B000000001,036000291452\n" for line in lines), CANDIDATES)) as sheet:
        wrong = {mistake.line for mistake in sheet.mistakes()}
        found = accepted_rows(sheet)
        assert (len(found) + len(wrong), len(wrong)) == (sheet.total, sheet.rejected)
    for row in found:
        assert (row["upc"], row["asin"]) == (_GTIN, "B000000001")
        assert all(text == text.strip() and "\0" not in text for text in row.values() if isinstance(text, str))
        assert row.get("image_url", "https://").startswith("https://")
        assert 1 <= row.get("sales_rank", 1) <= 10**9


_HOSTILE = {
    "addresses": b"https://" * 1200 + "é".encode(),
    "commas and spaces": b",  " * 3000,
    "commas before addresses": b",http:" * 1600,
    "grouped digits": b"1" + b",000" * 2400 + b"x",
    "digits": b"1" * 9000 + b"x",
    "spaces after a hash": b"#" + b" " * 9000 + b"x",
    "zeros": b"1." + b"0" * 9000 + b"x",
    "codes": b"12345678;" * 1100,
    "dots": b"12345678" + b".0" * 4500,
}


@pytest.mark.parametrize("shape", _HOSTILE)
def test_the_cost_of_hostile_cells_is_bounded(shape: str) -> None:
    """A file of such cells costs at most a few times as much as an ordinary list of the same size."""
    cell = b'"' + _HOSTILE[shape] + b'"'
    row = b",".join([cell] * 5) + b",B000000001\n"
    content = b"UPC,Image,Sales rank,Package quantity,EAN,ASIN\n" + row * 40
    usual = min((cost_of(ordinary_file(1 << 18)) for _ in range(3)), key=lambda cost: cost.seconds)
    assert min(relative_cost(cost_of(content, CANDIDATES), usual) for _ in range(3)) <= 3


@given(st.lists(st.integers(1, 3), max_size=30), st.integers(0, 3))
@settings(deadline=None, max_examples=15)
def test_rows_of_one_product_share_a_batch(numbers: list[int], distance: int) -> None:
    """At any distance, by its id or by its code, so that `accept_single` sees all candidates of the product."""
    cells = {1: "00000000-0000-4000-8000-000000000001,", 2: f",{upc(2)}", 3: f",0{upc(3)}"}
    filler = "".join(f",9{number:07},B000000001\n" for number in range(distance * BATCH // 2))
    lines = (f"{cells[number]},B{place:09}\n" for place, number in enumerate(numbers))
    batches: dict[str, set[int]] = {}
    with closing(checked("Product ID,UPC,ASIN\n" + filler.join(lines), CANDIDATES)) as sheet:
        for place, batch in enumerate(sheet.batches()):
            for row in batch:
                batches.setdefault(row.get("product_id") or row["upc"], set()).add(place)
    assert {len(places) for places in batches.values()} <= {1}


@given(st.integers(0, 10**11 - 1), st.text("0", max_size=5))
def test_every_spelling_of_a_number_is_the_same_code(number: int, zeros: str) -> None:
    """With any leading zeros, grouped, or written twice."""
    code = with_check_digit(f"{number:011}")
    gtin = code.zfill(14)
    written = zeros + code
    assert {gtin_of(text) for text in (written, f"{written[:3]} {written[3:]}", f"{code}/{written}")} == {gtin}
