"""Write the rows of a workbook as lines of JSON. Runs as a process of its own, which never imports the application.

Usage: `python -I extraction.py rows-of-a-sheet characters-of-a-row bytes-of-memory < workbook > rows`. The process
limits itself before it reads the first byte, so that a hostile workbook ends it and nothing else. Without memory, it
aborts. It writes `[row, [cell, …]]` for each row with text, one after the other for all visible sheets; the cells are
null if the row has too many characters. The last line is `{"sheets": [[name, position of its first byte, number of
rows]]}`, or `{"fault": what is wrong}`.
"""

import json
import os
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import IO, Any, Final
from xml.etree import ElementTree as ET

_CPU_SECONDS: Final = 30
_WRITTEN_BYTES: Final = 256 << 20
_UNPACKED_BYTES: Final = 512 << 20
_MOST_PARTS: Final = 2000
_MOST_SHEETS: Final = 50
_LONGEST_NAME: Final = 255
_LIMITS: Final = {
    resource.RLIMIT_CPU: _CPU_SECONDS,
    resource.RLIMIT_FSIZE: _WRITTEN_BYTES,
    resource.RLIMIT_CORE: 0,
}
_BLOCK: Final = 1 << 20
_ERROR: Final = re.compile(rb"""<(?:\w+:)?c\b(?=[^>]*\bt=["']e["'])[^>]*\br=["']([A-Z]{1,3})([0-9]{1,7})["'][^>]*>"""
                           rb"(?:<(?:\w+:)?f\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>))?<(?:\w+:)?v>([^<]{1,20})<")  # fmt: skip
_LONGEST_CELL: Final = 1 << 14  # bytes of a formula with an error; blocks overlap by this many

Rows = Iterator[tuple[int, list[str]]]


class FaultError(Exception):
    """The workbook cannot be used. The message says why, as a sentence for the user."""


def main() -> None:
    """Read standard input, and write rows to standard output. Exits with 0 if the last line could be written."""
    os.nice(10)
    most_rows, most_characters, memory = map(int, sys.argv[1:])
    for limit, most in (_LIMITS | {resource.RLIMIT_AS: memory}).items():
        with suppress(ValueError, OSError):  # a system may not know a limit, or may have a lower one
            resource.setrlimit(limit, (most, most))
    os.lseek(0, 0, os.SEEK_SET)
    with open(1, "w", encoding="utf-8", errors="replace", newline="\n", closefd=False) as out:
        try:
            found = [_written(name, rows, out, most_rows, most_characters) for name, rows in _sheets(sys.stdin.buffer)]
            end = {"sheets": found} if found else {"fault": "The workbook has no visible sheet."}
        except FaultError as error:
            end = {"fault": str(error)}
        except MemoryError:
            os.abort()  # as the reader of workbooks does when it gets no more memory
        out.write(json.dumps(end) + "\n")


def _written(name: str, rows: Rows, out: IO[str], most_rows: int, most_characters: int) -> tuple[str, int, int]:
    """Write the rows of a sheet, at most one more than `most_rows`. Returns its entry of the last line."""
    out.flush()
    start, count = os.lseek(1, 0, os.SEEK_CUR), 0
    for number, cells in rows:
        short = sum(map(len, cells)) <= most_characters
        out.write(json.dumps([number, cells if short else None], ensure_ascii=False) + "\n")
        count += 1
        if count > most_rows:
            break
    return name, start, count


def _sheets(file: IO[bytes]) -> Iterator[tuple[str, Rows]]:
    """Yield the name and the rows of each visible sheet."""
    with _archive(file) as archive:
        parts = _parts(archive)
        from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415 - after the limits and checks

        file.seek(0)
        book = CalamineWorkbook.from_filelike(file)
        for index, sheet in enumerate(book.sheets_metadata[:_MOST_SHEETS]):
            visible = sheet.visible == SheetVisibleEnum.Visible and len(sheet.name) <= _LONGEST_NAME
            if visible and sheet.name in parts:
                table = book.get_sheet_by_index(index)
                first = table.start[1] if table.start else 0
                yield sheet.name, _rows(table.iter_rows(), first, _errors(archive, parts[sheet.name]))


def _archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Return the archive, after a check of what it would be unpacked to. Raises FaultError."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise FaultError("The workbook is damaged. Open it, save it again as .xlsx and try again.") from None
    entries = archive.infolist()
    if "xl/workbook.xml" not in archive.NameToInfo:
        raise FaultError("This is not an Excel workbook (.xlsx). Save the list as .xlsx or CSV and try again.")
    if len(entries) > _MOST_PARTS or sum(entry.file_size for entry in entries) > _UNPACKED_BYTES:
        raise FaultError("The workbook is too large. Save the sheet as CSV and try again.")
    return archive


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the name in the archive of each sheet of rows."""
    targets = {
        link.get("Id"): link.get("Target", "")
        for link in ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314 - see the limits
        if link.get("Type", "").endswith("/worksheet")
    }
    found = {}
    for sheet in ET.fromstring(archive.read("xl/workbook.xml")).iter():  # noqa: S314 - see the limits
        target = next(
            (targets[value] for name, value in sheet.items() if name.endswith("}id") and value in targets), ""
        )
        if target:
            found[sheet.get("name", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return found


def _errors(archive: zipfile.ZipFile, part: str) -> dict[tuple[int, int], str]:
    """Return the texts of the cells with an error such as #N/A, by row and column. The reader returns them as empty."""
    found = {}
    rest = b""
    with archive.open(part) as xml:
        while block := xml.read(_BLOCK):
            block = rest + block
            for cell in _ERROR.finditer(block):
                found[int(cell[2]), _column(cell[1])] = cell[3].decode("ascii", "replace")
            rest = block[-_LONGEST_CELL:]
    return found


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _rows(rows: Iterator[list[Any]], first: int, errors: dict[tuple[int, int], str]) -> Rows:
    """Yield the number and the texts of each row with text. The cells before the column `first` are missing."""
    wrong: dict[int, list[tuple[int, str]]] = {}
    for (number, column), text in errors.items():
        wrong.setdefault(number, []).append((column, text))
    for number, values in enumerate(rows, 1):
        cells = [*[""] * first, *map(_text, values)]
        for column, text in wrong.get(number, ()):
            cells += [""] * (column + 1 - len(cells))
            cells[column] = text
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            yield number, cells


def _text(value: object) -> str:
    """Return a cell as text. Excel shows 15 digits of a number, so the noise behind them is left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


if __name__ == "__main__":
    main()
