"""A table: the rows of a text file, or of one sheet of a workbook. Finds the row with the names of the columns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from app.products.errors import UnreadableFileError
from app.products.importing.columns import Columns, Layout
from app.products.importing.reading import RawRow

HEADER_ROWS: Final = 20
"""The header is one of this many rows. Lists often have a title, an address or a date above it."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file that are not blank.

    Attributes:
        encoding: the encoding of a text file, or `xlsx`.
        rows: returns an iterator of the rows, from the first one. Only the last iterator may be used.
        close: frees what the table holds.
        sheets: the names of the visible sheets of a workbook.
        sheet: the name of the sheet that contains the rows.

    """

    encoding: str
    rows: Callable[[], Iterator[RawRow]]
    close: Callable[[], None]
    sheets: tuple[str, ...] = ()
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """How the user wants a file to be read. What is not chosen is recognized.

    Attributes:
        sheet: the name of the sheet of a workbook.
        header_row: the line of the header, or 0.
        fields: the field of each column, by the place of the column from 0; empty to ignore it. Columns that are not
            named are recognized by their names.

    """

    sheet: str = ""
    header_row: int = 0
    fields: Mapping[int, str] = field(default_factory=dict)


def first_rows(rows: Iterator[RawRow]) -> list[RawRow]:
    """Return the rows among which the header is."""
    return list(islice(rows, HEADER_ROWS))


def has_header(rows: Iterator[RawRow], layout: Layout) -> bool:
    """Return whether one of the first rows names the columns that are needed."""
    return any(layout.is_usable(row.cells) for row in first_rows(rows))


def header_of(first: list[RawRow], layout: Layout, choices: Choices) -> tuple[int, RawRow, Columns]:
    """Return the place of the header among the first rows, from 0, the header itself, and its columns.

    Without a choice, it is the first row with the needed columns, else the first one with a recognized column.

    Raises:
        UnreadableFileError: there is no such row, or its columns cannot be used.

    """
    place = header_place(first, layout, choices)
    if first[place].fault:
        raise UnreadableFileError(f"The first row cannot be read: {first[place].fault}.")
    return place, first[place], layout.parse(first[place].cells, choices.fields)


def header_place(first: list[RawRow], layout: Layout, choices: Choices) -> int:
    """Return the place of the header among the first rows, from 0. Raises UnreadableFileError."""
    if not first:
        raise UnreadableFileError("The file has no rows.")
    if choices.header_row:
        chosen = (place for place, row in enumerate(first) if row.line == choices.header_row)
        if (found := next(chosen, None)) is None:
            wanted = f"The header must be one of the first {HEADER_ROWS} rows with text"
            raise UnreadableFileError(f"{wanted}. Row {choices.header_row} is not.")
        return found
    usable = (place for place, row in enumerate(first) if layout.is_usable(row.cells))
    recognized = (place for place, row in enumerate(first) if layout.count_recognized(row.cells))
    found = next(usable, None)
    return next(recognized, 0) if found is None else found
