"""A damaged or hostile workbook is refused with a sentence, in bounded time and memory."""

import io
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from app.products.importing import DEALS, UnreadableFileError, open_sheet
from app.products.importing.workbooks import SECONDS, open_workbook, reader_memory
from tests.importing.workbooks import Page, archive, page, workbook

_MOST_MEMORY: Final = 400 << 20  # of this process, in addition
_GOOD: Final = workbook(page([["Title"], ["Lamp"]]))


def _replaced(part: str, content: str) -> bytes:
    """Return a good workbook with another content of one part."""
    with zipfile.ZipFile(io.BytesIO(_GOOD)) as good:
        parts = {name: good.read(name).decode() for name in good.namelist()}
    return archive(parts | {part: content})


def _bomb() -> bytes:
    """Return half a megabyte that is unpacked to more than 512 MB."""
    file = io.BytesIO(_GOOD)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as written, written.open("xl/media/image1.png", "w") as part:
        for _ in range(520):
            part.write(bytes(1 << 20))
    return file.getvalue()


def _entities() -> bytes:
    """Return a sheet whose text expands to a billion characters."""
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    declared = f'<!DOCTYPE x [<!ENTITY a0 "lol">{lines}]>'
    return _replaced("xl/workbook.xml", f"{declared}<workbook>&a9;</workbook>")


_REFUSED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "half a file": (lambda: _GOOD[: len(_GOOD) // 2], "damaged"),
    "another archive": (lambda: archive({"word/document.xml": "<a/>"}), "not an Excel workbook"),
    "an old workbook or one with a password": (lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "password"),
    "an archive bomb": (_bomb, "too large"),
    "many parts": (lambda: archive({"xl/workbook.xml": "<a/>"} | {f"x{n}": "" for n in range(3000)}), "too large"),
    "entities": (_entities, "cannot be read"),
    "a sheet of all cells": (
        lambda: _replaced(
            "xl/worksheets/sheet1.xml",
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
            "</sheetData></worksheet>",
        ),
        "cannot be read",
    ),
    "no sheet part": (lambda: _replaced("xl/_rels/workbook.xml.rels", "<a/>"), "cannot be read"),
    "no XML": (lambda: _replaced("xl/workbook.xml", "<<<"), "cannot be read"),
    "only a hidden sheet": (lambda: workbook(page([["Title"]], state="veryHidden")), "no visible sheet"),
    "an empty sheet": (lambda: workbook(page([])), "no rows"),
    "other columns": (lambda: workbook(page([["Colour"], ["red"]])), "Title, ASIN or UPC"),
    "too many rows": (lambda: workbook(page([["Title"], *[["x"]] * 200_001])), "more than 200,000 rows"),
}


@pytest.mark.parametrize("shape", _REFUSED)
def test_a_hostile_workbook_is_refused_with_the_reason(shape: str) -> None:
    """The process that reads it ends within its limits, and this one grows little."""
    made, words = _REFUSED[shape]
    content = made()
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(UnreadableFileError, match=words):
        open_sheet(io.BytesIO(content), DEALS)
    assert time.monotonic() - started < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < _MOST_MEMORY >> 10


def test_rows_with_too_much_text_are_rejected_alone() -> None:
    """The others are read."""
    wide = Page("Wide", {1: ["Title", *["x"] * 20], 2: ["y" * 30_000] * 4, 3: ["Lamp"]})
    sheet = open_sheet(io.BytesIO(workbook(wide)), DEALS)
    assert list(sheet.check()) == []
    assert [(mistake.line, "100,000" in mistake.reason) for mistake in sheet.mistakes()] == [(2, True)]
    assert (sheet.total, sheet.rejected) == (2, 1)
    sheet.close()


def test_a_workbook_that_needs_too_much_memory_is_refused_with_the_limit() -> None:
    """With more memory, the same workbook is read."""
    header = ["Title", *(f"Column {place}" for place in range(11))]
    rows = [[f"{place} of row {number}" for place in range(12)] for number in range(40_000)]
    content = io.BytesIO(workbook(page([header, *rows])))
    with pytest.raises(UnreadableFileError, match=r"cannot be read with 64 MB of memory\. Save the sheet as CSV"):
        open_workbook(content, DEALS.layout, 200_000, memory=64 << 20)
    table = open_workbook(content, DEALS.layout, 200_000, memory=256 << 20)
    assert sum(1 for _ in table.rows()) == 40_001
    table.close()


def test_the_memory_for_a_workbook_is_half_of_the_containers(tmp_path: Path) -> None:
    """At most 1 GB. A container without a limit has the memory of the machine."""
    limit = tmp_path / "memory.max"
    machine = reader_memory([])
    for written, expected in {f"{512 << 20}\n": 256 << 20, f"{1 << 50}\n": machine, "max\n": machine}.items():
        limit.write_text(written)
        assert reader_memory([limit, tmp_path / "missing"]) == expected
    assert machine <= 1 << 30
