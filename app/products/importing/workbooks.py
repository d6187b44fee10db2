"""Read Excel workbooks. A process of its own parses them (`extraction`), so that a hostile one harms no worker."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
_SCRIPT: Final = Path(__file__).with_name("extraction.py")
_LAST_LINE: Final = 1 << 17  # bytes, at least those of the last line
_SAVE_AS_CSV: Final = "Save the sheet as CSV and try again."
_TOO_MUCH: Final = f"The workbook cannot be read: it is damaged or too large. {_SAVE_AS_CSV}"
_MOST_MEMORY: Final = 1 << 30  # bytes; 200,000 rows of 12 different texts need 630 MB
_CONTAINER_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),  # https://docs.kernel.org/admin-guide/cgroup-v2.html
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)


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


def reader_memory(limits: Iterable[Path] = _CONTAINER_LIMITS) -> int:
    """Return the bytes of address space for the process: half the memory of the container or machine, at most 1 GB.

    Without this limit, a large workbook would end the web instance, because its container would run out of memory.
    `limits` are the files in which the kernel says the memory of the container, if it has a limit.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in limits:
        with suppress(OSError, ValueError):  # there is no such file, or its content is `max`
            memory = min(memory, int(limit.read_text()))
    return min(memory // 2, _MOST_MEMORY)


def open_workbook(
    file: IO[bytes], layout: Layout, most_rows: int, sheet: str = "", *, memory: int | None = None
) -> Table:
    """Return the table in a sheet of a workbook: the named one, or the first visible one with a recognized header.

    Closing the table does not close `file`. `memory` replaces `reader_memory()`.

    Raises:
        UnreadableFileError: the workbook cannot be read in the limits of the process, or has no such sheet.

    """
    rows = tempfile.TemporaryFile()  # noqa: SIM115 - the table closes it
    try:
        _extract(file, rows, most_rows, memory or reader_memory())
        sheets = _sheets(rows)
        chosen = _chosen(rows, sheets, layout, sheet)
    except BaseException:
        rows.close()
        raise
    names = tuple(sheet.name for sheet in sheets)
    return Table("xlsx", partial(_rows, rows, chosen), rows.close, names, chosen.name)


def _extract(file: IO[bytes], rows: IO[bytes], most_rows: int, memory: int) -> None:
    """Let a process write the rows of a workbook to `rows`. One at a time on this machine, because of its memory."""
    command = [sys.executable, "-I", str(_SCRIPT), str(most_rows), str(MAX_ROW_LENGTH), str(memory)]
    with tempfile.TemporaryFile() as copy, _SCRIPT.open("rb") as turn:
        file.seek(0)
        shutil.copyfileobj(file, copy)
        copy.flush()
        fcntl.flock(turn, fcntl.LOCK_EX)  # until it is closed, also by the end of this worker
        try:
            subprocess.run(  # noqa: S603 - our own script, and no part of the command is a caller's
                command, stdin=copy, stdout=rows, stderr=subprocess.DEVNULL, env={}, timeout=SECONDS, check=True
            )
        except subprocess.SubprocessError as error:
            raise UnreadableFileError(_reason(error, memory)) from None


def _reason(error: subprocess.SubprocessError, memory: int) -> str:
    """Return why the process has failed. It aborts when it gets no more memory."""
    if isinstance(error, subprocess.CalledProcessError) and error.returncode == -signal.SIGABRT:
        return f"The workbook cannot be read with {memory >> 20:,} MB of memory. {_SAVE_AS_CSV}"
    return _TOO_MUCH


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
