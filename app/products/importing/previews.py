"""The first rows of a file with the proposed fields of its columns, and the rejected rows of a file."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

from app.products.formulas import escape_formula
from app.products.importing.checking import open_table, read_rows
from app.products.importing.columns import normalized
from app.products.importing.deals import DEALS
from app.products.importing.pacing import pause_if_due
from app.products.importing.tables import Choices, first_rows, header_place

PROBLEM: Final = "Problem"
"""The name of the column that says why a row was rejected. An import ignores it."""

_SHOWN_ROWS: Final = 5
_SHOWN_CHARACTERS: Final = 80
_SHOWN_COLUMNS: Final = 200


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a file of deals.

    Attributes:
        names: the names of the columns.
        fields: the field of each column; empty if it is ignored.
        rows: the beginning of the first rows below the header.
        header: the digest of the names, with which the choice of fields is remembered.
        header_row: the line of the header.
        header_rows: the line and the text of each row that may be the header.
        sheets: the names of the visible sheets of a workbook.
        sheet: the name of the sheet that contains the rows.

    """

    names: tuple[str, ...]
    fields: tuple[str, ...]
    rows: list[list[str]]
    header: str
    header_row: int
    header_rows: list[tuple[int, str]]
    sheets: tuple[str, ...]
    sheet: str


def preview_of(file: IO[bytes], choices: Choices, remembered: Callable[[str], list[str]]) -> Preview:
    """Return the beginning of a file. `remembered` returns the fields that were chosen for the digest of a header.

    Closes the file. Raises UnreadableFileError.
    """
    table = open_table(file, DEALS, choices)
    try:
        first = first_rows(table.rows())
        place = header_place(first, DEALS.layout, choices)
        names = DEALS.layout.names_of(first[place].cells)
        digest = header_digest(names)
        rows = [row.cells for row in islice(table.rows(), place + 1, place + 1 + _SHOWN_ROWS)]
    finally:
        table.close()
    kept = tuple(remembered(digest))
    guessed = DEALS.layout.guessed(names)
    fields = tuple(kept[index] if index < len(kept) else field for index, field in enumerate(guessed))
    return Preview(
        names, fields, [[cell[:_SHOWN_CHARACTERS] for cell in row[:_SHOWN_COLUMNS]] for row in rows], digest,
        first[place].line, [(row.line, _text(row.cells)) for row in first], table.sheets, table.sheet,
    )  # fmt: skip


def header_digest(names: Sequence[str]) -> str:
    """Return the digest of the names of columns. The column of problems in a file of rejected rows does not count."""
    found = [normalized(name) for name in names]
    if found and found[-1] == normalized(PROBLEM):
        found.pop()
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def rejected_rows(file: IO[bytes], choices: Choices, refused: Mapping[int, str]) -> Iterator[list[str]]:
    """Yield the header of a file, and each row that has a mistake, with the mistakes in one more column at the end.

    `refused` has what the database found wrong, by line. Closes the file. Raises UnreadableFileError.
    """
    table = open_table(file, DEALS, choices)
    with closing(table):
        columns, rows = read_rows(table, DEALS, choices)
        width = len(columns.names) - (normalized((columns.names or ("",))[-1]) == normalized(PROBLEM))
        yield [*map(escape_formula, columns.names[:width]), PROBLEM]
        for raw, row in rows:
            pause_if_due()
            problems = [f"{columns.name(field)}: {why}" if field else why for field, why in row.faults]
            if row.line in refused and not problems:
                problems = [refused[row.line]]
            if problems:
                cells = [*raw.cells, *[""] * (width - len(raw.cells))]
                kept, extra = cells[:width], cells[len(columns.names) :]
                yield [*map(escape_formula, kept), ". ".join(problems), *map(escape_formula, extra)]


def _text(cells: Sequence[str]) -> str:
    return ", ".join(cell.strip() for cell in cells if cell.strip())[:_SHOWN_CHARACTERS]
