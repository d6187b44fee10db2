"""Read Excel workbooks. A process of its own parses them (`extraction`), so that a hostile one harms no worker."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from app.products.errors import UnreadableFileError
from app.products.importing.columns import Layout
from app.products.importing.pacing import pause_if_due
from app.products.importing.reading import MAX_ROW_LENGTH, RawRow
from app.products.importing.tables import Table, has_header

SECONDS: Final = 90
"""The longest time for one workbook. The process may use 30 s of CPU time, behind the requests of the workers."""

_SIGNATURE: Final = b"PK\x03\x04"
_OLD_SIGNATURE: Final = b"\xd0\xcf\x11\xe0"  # xls, and any encrypted workbook
_SCRIPT: Final = str(Path(__file__).with_name("extraction.py"))
_LAST_LINE: Final = 1 << 17  # bytes, at least those of the last line
_TOO_MUCH: Final = "The workbook cannot be read: it is damaged or too large. Save the sheet as CSV and try again."

_extracting: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class _SheetRows:
    """Where the rows of one sheet are."""

    name: str
    start: int
    count: int


def is_workbook(file: IO[bytes]) -> bool:
    """Return whether a seekable file is a workbook. Raises UnreadableFileError for one that cannot be read."""
    file.seek(0)
    start = file.read(4)
    if start == _OLD_SIGNATURE:
        saved = "Save it as .xlsx without a password and try again."
        raise UnreadableFileError(f"This is an old Excel file (.xls), or it has a password. {saved}")
    return start == _SIGNATURE


def open_workbook(file: IO[bytes], layout: Layout, most_rows: int, sheet: str = "") -> Table:
    """Return the table in a sheet of a workbook: the named one, or the first visible one with a recognized header.

    Closing the table does not close `file`.

    Raises:
        UnreadableFileError: the workbook cannot be read in the limits of the process, or has no such sheet.

    """
    rows = tempfile.TemporaryFile()  # noqa: SIM115 - the table closes it
    try:
        _extract(file, rows, most_rows)
        sheets = _sheets(rows)
        chosen = _chosen(rows, sheets, layout, sheet)
    except BaseException:
        rows.close()
        raise
    names = tuple(sheet.name for sheet in sheets)
    return Table("xlsx", partial(_rows, rows, chosen), rows.close, names, chosen.name)


def _extract(file: IO[bytes], rows: IO[bytes], most_rows: int) -> None:
    """Let a process write the rows of a workbook to `rows`. One at a time, because of its memory."""
    command = [sys.executable, "-I", _SCRIPT, str(most_rows), str(MAX_ROW_LENGTH)]
    with tempfile.TemporaryFile() as copy, _extracting:
        file.seek(0)
        shutil.copyfileobj(file, copy)
        copy.flush()
        try:
            subprocess.run(  # noqa: S603 - our own script, and no part of the command is a caller's
                command, stdin=copy, stdout=rows, stderr=subprocess.DEVNULL, env={}, timeout=SECONDS, check=True
            )
        except subprocess.SubprocessError:
            raise UnreadableFileError(_TOO_MUCH) from None


def _sheets(rows: IO[bytes]) -> list[_SheetRows]:
    """Return the sheets that the last line lists. Raises UnreadableFileError if it says what is wrong."""
    rows.seek(-min(_LAST_LINE, rows.seek(0, 2)), 2)
    last: dict[str, Any] = json.loads(rows.read().splitlines()[-1])
    if "fault" in last:
        raise UnreadableFileError(last["fault"])
    return [_SheetRows(*entry) for entry in last["sheets"]]


def _chosen(rows: IO[bytes], sheets: list[_SheetRows], layout: Layout, name: str) -> _SheetRows:
    """Return the named sheet, else the first one with a usable header, else the first one with rows."""
    if name:
        named = next((sheet for sheet in sheets if sheet.name == name), None)
        if named is None:
            names = ", ".join(f"“{sheet.name[:60]}”" for sheet in sheets[:20])
            raise UnreadableFileError(f"The workbook has no visible sheet “{name[:60]}”. It has {names}.")
        return named
    usable = (sheet for sheet in sheets if has_header(_rows(rows, sheet), layout))
    return next(usable, None) or next((sheet for sheet in sheets if sheet.count), sheets[0])


def _rows(rows: IO[bytes], sheet: _SheetRows) -> Iterator[RawRow]:
    """Yield the rows of a sheet. The line of a row is its number in the sheet."""
    rows.seek(sheet.start)
    for _ in range(sheet.count):
        pause_if_due()
        number, cells = json.loads(rows.readline())
        if cells is None:
            yield RawRow(number, [], f"The row has more than {MAX_ROW_LENGTH:,} characters")
        else:
            yield RawRow(number, cells)
