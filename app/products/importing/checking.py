"""Check a whole file before anything is written. Each row becomes fields, or a list of mistakes."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice, tee
from typing import IO, Final

from pydantic import ValidationError

from app.products.errors import TooManyRowsError
from app.products.importing import cells, encoding, reading, workbooks
from app.products.importing.columns import Columns
from app.products.importing.deals import DEALS
from app.products.importing.kinds import Fields, Remark, SheetKind
from app.products.importing.pacing import one_at_a_time
from app.products.importing.reading import RawRow
from app.products.importing.sheet import CheckedRow, Sheet
from app.products.importing.tables import HEADER_ROWS, Choices, Table, first_rows, header_of

MAX_ROWS: Final = 200_000
RECOGNIZED: Final = Choices()
"""Everything is recognized, and nothing is chosen."""

_CACHED_LENGTH: Final = 64  # characters; longer cells rarely repeat, so their values are not cached
_MAX_CELL_LENGTH: Final = 10_000  # characters with surrounding white space; the longest valid text has 5,000
_UNDECODED: Final = re.compile("[\ud800-\udfff]")
_TOO_WIDE: Final = "The row has more cells than the header; a text with the delimiter needs quotation marks"

Parser = Callable[[str], object]


def open_sheet(file: IO[bytes], kind: SheetKind = DEALS, choices: Choices = RECOGNIZED) -> Sheet:
    """Return the sheet of a seekable file of a kind, CSV or a workbook. Its rows are counted and not yet checked.

    Closing the sheet closes the file.

    Raises:
        UnreadableFileError: the file cannot be read, or its header cannot be used.
        TooManyRowsError: the file has more than `MAX_ROWS` rows.

    """
    table = open_table(file, kind, choices)
    try:
        with one_at_a_time():
            return _sheet(table, kind, choices)
    except BaseException:
        table.close()
        raise


def open_table(file: IO[bytes], kind: SheetKind, choices: Choices) -> Table:
    """Return the table of a seekable file. Closing it closes the file. Raises UnreadableFileError."""
    if workbooks.is_workbook(file):
        table = workbooks.open_workbook(file, kind.layout, MAX_ROWS + HEADER_ROWS, choices.sheet)
        file.close()
        return table
    with one_at_a_time():
        text = encoding.open_text(file)
        delimiter = reading.delimiter_of(text, kind.layout)
    return Table(text.encoding, partial(reading.raw_rows, text, delimiter), text.close)


def _sheet(table: Table, kind: SheetKind, choices: Choices) -> Sheet:
    rows = table.rows()
    first = first_rows(rows)
    place, _header, columns = header_of(first, kind.layout, choices)
    total = len(first) - place - 1 + sum(1 for _ in islice(rows, MAX_ROWS + 1))
    if total > MAX_ROWS:
        raise TooManyRowsError(f"The file has more than {MAX_ROWS:,} rows; split it.")
    rows = islice(table.rows(), place + 1, None)
    return Sheet(columns, _checked(rows, columns, kind), keys=kind.keys, table=table, total=total)


def read_rows(table: Table, kind: SheetKind, choices: Choices) -> tuple[Columns, Iterator[tuple[RawRow, CheckedRow]]]:
    """Return the columns of a table, and each row together with what it was read as. Raises UnreadableFileError."""
    place, _header, columns = header_of(first_rows(table.rows()), kind.layout, choices)
    rows, read = tee(islice(table.rows(), place + 1, None))
    return columns, zip(rows, _checked(read, columns, kind), strict=True)


def sheet_of(rows: Sequence[Fields], kind: SheetKind) -> Sheet:
    """Return a sheet of rows whose fields are already valid. The line of a row is its place in `rows`, from 1."""
    checked = (CheckedRow(line, fields) for line, fields in enumerate(rows, 1))
    columns = Columns((), {}, kind.layout)
    nothing = Table("utf-8", lambda: iter(()), lambda: None)
    return Sheet(columns, checked, keys=kind.keys, table=nothing, total=len(rows))


def _checked(rows: Iterator[RawRow], columns: Columns, kind: SheetKind) -> Iterator[CheckedRow]:
    """Yield the fields of each row and the notes on them, or the mistakes in it."""
    parsers = [(field, index, kind.parsers[field]) for field, index in columns.indexes.items()]
    noted = [(field, columns.indexes[field], note) for field, note in kind.left_out.items() if field in columns.indexes]
    for row in rows:
        if row.fault:
            yield CheckedRow(row.line, {}, (("", row.fault),))
            continue
        given, faults = _parsed(row, parsers)
        notes = [(field, note) for field, index, note in noted if field not in given and _has_text(row, index)]
        if len(row.cells) > len(columns.names) and "".join(row.cells[len(columns.names) :]).strip():
            faults.append(("", _TOO_WIDE))
        if not faults and (fault := kind.fault(given)):
            faults.append(("", fault))
        yield _validated(row.line, given, faults, notes, kind)


def _has_text(row: RawRow, index: int) -> bool:
    return index < len(row.cells) and bool(row.cells[index] and cells.plain(row.cells[index]))


def _parsed(row: RawRow, parsers: Sequence[tuple[str, int, Parser]]) -> tuple[Fields, list[Remark]]:
    """Return the values of the cells that are not empty, and the mistakes in the others."""
    given: Fields = {}
    faults: list[Remark] = []
    for field, index, parser in parsers:
        cell = row.cells[index] if index < len(row.cells) else ""
        try:
            value = _value(parser, cell) if len(cell) > _CACHED_LENGTH else _cached_value(parser, cell)
        except ValueError as error:
            faults.append((field, str(error)))
        else:
            if value is not None:
                given[field] = value
    return given, faults


def _value(parser: Parser, cell: str) -> object:
    """Return the value of a cell, None when it is empty. Raises ValueError."""
    if len(cell) > _MAX_CELL_LENGTH:
        raise ValueError(f"The cell has more than {_MAX_CELL_LENGTH:,} characters")
    if not cell.isascii() and _UNDECODED.search(cell):
        raise ValueError("The cell contains bytes that are not text in the encoding of this file")
    content = cells.plain(cell)
    return parser(content) if content else None


_cached_value = lru_cache(maxsize=4096)(_value)  # suppliers, brands, stages and prices repeat often


def _validated(line: int, given: Fields, faults: list[Remark], notes: list[Remark], kind: SheetKind) -> CheckedRow:
    try:
        fields, repaired = kind.validated(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults += [(str(mistake["loc"][0]), mistake["msg"]) for mistake in found]
    return CheckedRow(line, {}, tuple(faults)) if faults else CheckedRow(line, fields, notes=(*notes, *repaired))
