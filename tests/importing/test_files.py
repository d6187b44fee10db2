"""From the bytes of a file to validated rows: encodings, delimiters, headers, line numbers and mistakes."""

import csv
import io
import tracemalloc
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.products.importing import UnreadableFileError
from app.products.importing.deals import NAMES
from app.products.importing.sheet import BATCH
from tests.barcodes import upc
from tests.importing.hostile import CELL_TEXTS
from tests.importing.sheets import accepted_rows, checked, valid_rows

_SHEET = "Title,Supplier\nCafé crème,Müller\n"


def _mistakes(text: str | bytes) -> list[tuple[int, str]]:
    """Return the line and column of each mistake."""
    with closing(checked(text)) as sheet:
        return [(mistake.line, mistake.column) for mistake in sheet.mistakes()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_file_is_read_in_every_encoding_and_format(encoding: str, delimiter: str, ending: str) -> None:
    """Every encoding with every delimiter and line end."""
    bom = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    written = (bom + _SHEET.replace(",", delimiter).replace("\n", ending)).encode(encoding)
    assert valid_rows(written) == [{"line": 2, "title": "Café crème", "supplier": "Müller"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"), (b"\n\n", "no rows"), (b"PK\x03\x04rest", "damaged"), (b"\xd0\xcf\x11\xe0rest", "Excel"),
        (b"\xff\xfea\0b", "UTF-16"), (b"Colour,Price\nred,1\n", "“Colour”, “Price”"),
        (b"Supplier,Cost\nA,1", "Title, ASIN or UPC"),
        (b"Title,Cost,Unit price\nx,1,2", "“Cost” and “Unit price” mean the same"), (b'"Title\nx,1', "cannot be read"),
    ],
)  # fmt: skip
def test_an_unusable_file_is_refused_with_the_reason(content: bytes, words: str) -> None:
    """It is refused as a whole."""
    with pytest.raises(UnreadableFileError, match=words):
        checked(content)


def test_columns_are_recognized_by_every_usual_name() -> None:
    """Case, spaces and punctuation are ignored. Other columns are listed as ignored."""
    for field, names in NAMES.items():
        for name in names:
            header = [f" {name.upper().replace(' ', '_')} ", "Colour"] + (["Title"] if field != "title" else [])
            with closing(checked(",".join(header) + "\nx,y,z\n")) as sheet:
                assert sheet.columns.indexes[field] == 0, name
                assert sheet.columns.ignored == ["Colour"]


def test_the_delimiter_is_chosen_by_the_header() -> None:
    """It is not the most frequent character. Excel's `sep=` line takes precedence."""
    assert valid_rows("Title;Notes, internal;Cost\nLamp;a, b, c;1,50\n")[0]["buy_cost"] == "1.5"
    assert valid_rows("sep=|\nTitle|Cost\nLamp|2\n") == [{"line": 3, "title": "Lamp", "buy_cost": "2.0"}]


def test_line_numbers_are_those_of_the_file() -> None:
    """The line number of a row is that of its first line."""
    text = 'Title,Notes,Cost\n"A","two\nlines",1\n\n ,,\nB,,x\n"C ""c""",,2\n'
    assert _mistakes(text) == [(6, "Cost")]
    with closing(checked(text)) as sheet:
        assert [row["line"] for row in accepted_rows(sheet)] == [2, 7]


def test_every_mistake_of_a_row_is_reported_and_the_other_rows_are_imported() -> None:
    """Each mistake has the line, the column's name in the file, and a reason."""
    text = (
        "Item Name,UPC,Wholesale Price,MOQ,Stage,Favourite\n"
        "Good,,$1.00,2,Ordered,yes\n"
        "Bad,123,-1,0,Lost,perhaps\n"
        ",,5,,,\n"
        f"{'x' * 501},,1.234,,,\n"
        "Wide,,1,,,,more\n"
        'Quote,"a"b,,,,\n'
        "Nul\0,,,,,\n"
        "Cheap,,1.005,,,\n"
        "Expensive,,1000000.01,,,\n"
    )
    with closing(checked(text)) as sheet:
        mistakes, accepted = list(sheet.mistakes()), accepted_rows(sheet)
    found = [(mistake.line, mistake.column) for mistake in mistakes]
    assert found == [
        (3, "Stage"), (3, "Favourite"), (3, "Wholesale Price"), (3, "MOQ"), (3, "UPC"), (4, ""),
        (5, "Wholesale Price"), (5, "Item Name"), (6, ""), (7, ""), (8, "Item Name"), (9, "Wholesale Price"),
        (10, "Wholesale Price"),
    ]  # fmt: skip
    assert all(mistake.reason for mistake in mistakes)
    assert (sheet.total, sheet.rejected) == (9, 8)
    assert accepted == [{"line": 2, "title": "Good", "buy_cost": "1.0", "moq": 2, "stage": "ordered", "favorite": True}]


def test_invalid_bytes_reject_only_their_own_row() -> None:
    """An invalid byte in UTF-8, a lone surrogate in UTF-16, and an undefined byte in Windows-1252."""
    good = "Title\nCafé\nÉté\n"
    for written in (
        good.encode() + b"caf\xe9\n",
        good.encode("utf-16") + "x\ud800\n".encode("utf-16-le", "surrogatepass"),
        good.encode("cp1252") + b"x\x81\n",
    ):
        with closing(checked(written)) as sheet:
            (mistake,) = sheet.mistakes()
            titles = [row["title"] for row in accepted_rows(sheet)]
        assert (mistake.line, mistake.column) == (4, "Title")
        assert "bytes that are not text" in mistake.reason
        assert titles == ["Café", "Été"]


def test_a_column_with_invalid_bytes_in_its_name_is_listed() -> None:
    """The name must be valid in the answer, which is UTF-8."""
    with closing(checked(b"Title,x\x81\nLamp,1\n")) as sheet:
        assert sheet.columns.ignored == ["x?"]


def test_an_unclosed_quotation_mark_skips_lines_and_is_reported() -> None:
    """In a long file reading continues. The reason names the skipped lines."""
    swallowed = 'Title\nA\n"B\n' + "C\n" * 60_000
    with closing(checked(swallowed)) as sheet:
        (mistake,) = sheet.mistakes()
        assert len(accepted_rows(sheet)) == 1 + 60_000 - 49_999
    assert mistake.line == 3
    assert "lines 3 to 50002 were skipped" in mistake.reason
    assert _mistakes('Title\nA\n"B\nC')[0][0] == 3


def test_a_file_with_one_very_long_line_is_read_in_constant_memory() -> None:
    """The memory for one row is bounded for any file."""
    content = b"Title\n" + b"x," * 5_000_000 + b"\nA\n"
    tracemalloc.start()
    with closing(checked(content)) as sheet:
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (sheet.total, sheet.rejected, peak < 8 << 20) == (2, 1, True)


@given(st.binary(max_size=300) | st.binary(max_size=200).map(b"Title,UPC;Cost\n".__add__))
def test_any_bytes_are_refused_or_read_with_every_row_counted(content: bytes) -> None:
    """There is no other error, and every row is either imported or reported."""
    try:
        sheet = checked(content)
    except UnreadableFileError as error:
        text = str(error)
        sheet = checked("Title\n")
    else:
        text = "".join(sheet.columns.names)
    assert text.encode()
    with closing(sheet):
        wrong = {mistake.line for mistake in sheet.mistakes()}
        accepted = [row["line"] for row in accepted_rows(sheet)]
    assert (len(wrong), len(accepted)) == (sheet.rejected, sheet.total - sheet.rejected)
    assert not wrong & set(accepted)


@given(st.lists(st.tuples(CELL_TEXTS, CELL_TEXTS), max_size=8), st.sampled_from(",;\t"))
def test_texts_are_read_as_written_by_the_csv_module(pairs: list[tuple[str, str]], delimiter: str) -> None:
    """With quotes, delimiters and line ends inside cells. Only surrounding space is removed."""
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows(
        [("Title", "Notes"), *((f"t{title}", f"n{note}") for title, note in pairs)]
    )
    assert [(row["title"], row["notes"]) for row in valid_rows(written.getvalue())] == [
        (f"t{title}".strip(), f"n{note}".strip()) for title, note in pairs
    ]


_identified = st.fixed_dictionaries(
    {
        "asin": st.sampled_from(["", "B000000001", "B000000002", "B000000003"]),
        "upc": st.sampled_from(["", "11111115", "22222220"]),
    }
)


@settings(deadline=None, max_examples=15)
@given(st.lists(_identified, max_size=30), st.integers(0, 3))
def test_rows_of_one_product_share_a_batch(rows: list[dict[str, str]], distance: int) -> None:
    """At any distance: rows with the same ASIN, or with a UPC that an earlier row links to it, share a batch."""
    filler = "".join(f",{upc(number)},f\n" for number in range(distance * BATCH // 2))
    text = "ASIN,UPC,Title\n" + filler.join(f"{row['asin']},{row['upc']},t\n" for row in rows)
    tied = {row["upc"]: row["asin"] for row in reversed(rows) if row["asin"] and row["upc"]}
    batches: dict[str, set[int]] = {}
    lines: list[int] = []
    with closing(checked(text)) as sheet:
        found = list(sheet.batches())
    for number, batch in enumerate(found):
        assert len(batch) <= BATCH + len(rows)
        lines += [row["line"] for row in batch]
        for row in batch:
            asin, barcode = row.get("asin", ""), row.get("upc", "")
            batches.setdefault(tied.get(barcode) or asin or barcode, set()).add(number)
    assert sorted(lines) == list(range(2, 1 + text.count("\n")))
    assert {len(numbers) for numbers in batches.values()} <= {1}
