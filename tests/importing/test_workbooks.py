"""From the bytes of an Excel workbook to validated rows: cells, sheets and headers."""

import io
from contextlib import closing

import pytest

from app.products.importing import DEALS, Choices, UnreadableFileError, open_sheet
from app.products.importing.cells import NO_ASIN_YET, SHEET_ERROR
from tests.importing.sheets import accepted_rows, checked, valid_rows
from tests.importing.workbooks import Page, Raw, page, workbook

_HEADER = ["ASIN", "UPC", "Title", "Cost", "MOQ", "Favorite", "Notes"]


def _lines(content: bytes, choices: Choices) -> list[int]:
    """Return the line of each row that can be imported."""
    with closing(open_sheet(io.BytesIO(content), DEALS, choices)) as sheet:
        for _ in sheet.check():
            pass
        return [row["line"] for row in accepted_rows(sheet)]


def test_cells_of_every_type_are_read() -> None:
    """Numbers, shared and inline texts, truth values, dates, and results of formulas."""
    cells = [
        Raw("s", "0"), 12345678905.0, "Café <crème>", Raw("n", "12.340000000000002", formula="A1*2"), 6, Raw("b", "1"),
        Raw("n", "45000", style=1),
    ]  # fmt: skip
    assert valid_rows(workbook(page([_HEADER, cells]), shared=["B000000001"])) == [
        {"line": 2, "asin": "B000000001", "upc": "012345678905", "title": "Café <crème>", "buy_cost": "12.34", "moq": 6,
         "favorite": True, "notes": "2023-03-15"},
    ]  # fmt: skip


def test_a_cell_with_an_error_is_read_as_empty_and_noted() -> None:
    """The note says where. An error instead of an ASIN means that there is none yet."""
    cells = [Raw("e", "#N/A", formula="VLOOKUP(B2,A:A,1)"), None, "Lamp", Raw("e", "#DIV/0!"), 1, None, None]
    with closing(checked(workbook(page([_HEADER, cells])))) as sheet:
        assert [(note.line, note.column, note.note) for note in sheet.notes()] == [
            (2, "ASIN", NO_ASIN_YET),
            (2, "Cost", SHEET_ERROR),
        ]
        assert accepted_rows(sheet) == [{"line": 2, "title": "Lamp", "moq": 1}]
    with closing(checked("Title,Cost\nLamp,#REF!\n")) as sheet:
        assert [(note.column, note.note) for note in sheet.notes()] == [("Cost", SHEET_ERROR)]


def test_lines_are_the_numbers_of_rows_also_with_blank_rows_and_columns() -> None:
    """The table may start anywhere, below a title and beside empty columns."""
    rows: dict[int, list[object]] = {
        2: [None, "Price list of Acme"],
        5: [None, None, "Item", "Unit price"],
        6: [None, None, "Lamp", 2.5],
        9: [None, None, "Chair", "x"],
    }
    with closing(checked(workbook(Page("Prices", rows)))) as sheet:
        assert accepted_rows(sheet) == [{"line": 6, "title": "Lamp", "buy_cost": "2.5"}]
        assert [(mistake.line, mistake.column) for mistake in sheet.mistakes()] == [(9, "Unit price")]
        assert (sheet.table.encoding, sheet.table.sheet) == ("xlsx", "Prices")


def test_the_first_sheet_with_a_usable_header_is_read() -> None:
    """Hidden sheets are never read, and a cover sheet is skipped."""
    content = workbook(
        page([["Title"], ["Hidden"]], "Old", "hidden"),
        page([["Welcome to our prices"], ["Call us"]], "Cover"),
        page([["Title"], ["Lamp"]], "Lamps"),
        page([["Title"], ["Chair"]], "Chairs & more"),
    )
    with closing(checked(content)) as sheet:
        assert (sheet.table.sheets, sheet.table.sheet) == (("Cover", "Lamps", "Chairs & more"), "Lamps")
        assert accepted_rows(sheet) == [{"line": 2, "title": "Lamp"}]
    chosen = Choices(sheet="Chairs & more")
    with closing(open_sheet(io.BytesIO(content), DEALS, chosen)) as sheet:
        assert list(sheet.check()) == []
        assert accepted_rows(sheet) == [{"line": 2, "title": "Chair"}]
    with pytest.raises(UnreadableFileError, match=r"no visible sheet “Old”. It has “Cover”, “Lamps”, “Chairs & more”"):
        open_sheet(io.BytesIO(content), DEALS, Choices(sheet="Old"))


def test_the_row_of_the_header_can_be_chosen() -> None:
    """In a workbook and in a CSV file. Without a choice it is the first usable row, below any title."""
    rows = [["Supplier list"], ["Supplier", "Acme"], ["Title", "Notes"], ["Name", "Comment"], ["Lamp", "x"]]
    text = "\n".join(",".join(row) for row in rows).encode()
    for content in (workbook(page(rows)), text):
        assert _lines(content, Choices()) == [4, 5]
        assert _lines(content, Choices(header_row=4)) == [5]
        with pytest.raises(UnreadableFileError, match="Row 7 is not"):
            _lines(content, Choices(header_row=7))


def test_the_field_of_a_column_can_be_chosen() -> None:
    """Also that of a column whose name says nothing, and that a column is ignored."""
    content = b"Bezeichnung,Cost,Price\nLamp,1,2\n"
    with closing(open_sheet(io.BytesIO(content), DEALS, Choices(fields={0: "title", 1: ""}))) as sheet:
        assert (sheet.columns.recognized, sheet.columns.ignored) == (
            {"title": "Bezeichnung", "buy_cost": "Price"},
            ["Cost"],
        )


def test_an_item_number_is_not_a_title() -> None:
    """`Item #` is the number of an article at its supplier, while `UPC #` is a UPC."""
    row = {"line": 2, "title": "Lamp", "upc": "012345678905"}
    assert valid_rows("Item #,Item,UPC #\nA-17,Lamp,012345678905\n") == [row]
    with pytest.raises(UnreadableFileError, match="Title, ASIN or UPC"):
        checked("Item #,Cost\nA-17,1\n")


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    """In the words of the desk."""
    with closing(checked("Title,Stage\nLamp,Lost\n,New\n")) as sheet:
        assert [mistake.reason for mistake in sheet.mistakes()] == [
            "Unknown stage. Use New, Researching, Contacted, Ordered, Received or Rejected",
            "No title, ASIN or UPC",
        ]
