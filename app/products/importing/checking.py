"""Check a whole file before anything is written. Each row becomes fields, or a list of mistakes."""

import io
import re
from functools import lru_cache
from itertools import islice
from typing import IO, Final
from uuid import UUID

from pydantic import ValidationError

from app.products.errors import TooManyRowsError
from app.products.importing import cells, encoding, reading
from app.products.importing.columns import Columns
from app.products.importing.pacing import one_at_a_time
from app.products.importing.reading import RawRow
from app.products.importing.sheet import CheckedRow, Remark, Sheet
from app.products.schemas import DealFields, ProductFields

MAX_ROWS: Final = 200_000

_CACHED_LENGTH: Final = 64  # characters; longer cells rarely repeat, so their values are not cached
_MAX_CELL_LENGTH: Final = 10_000  # characters with surrounding white space; the longest valid text has 5,000
_UNDECODED: Final = re.compile("[\ud800-\udfff]")
_IDENTIFYING: Final = ("asin", "upc", "title", "product_id")


class ImportedRow(ProductFields, DealFields):
    """The fields of a row, validated by the rules of the API. An empty cell sets no field."""

    product_id: UUID | None = None


def open_sheet(file: IO[bytes]) -> Sheet:
    """Return the sheet of a seekable CSV file. Its rows are counted and not yet checked.

    Closing the sheet closes the file.

    Raises:
        UnreadableFileError: the file cannot be read, or its header cannot be used.
        TooManyRowsError: the file has more than `MAX_ROWS` rows.

    """
    with one_at_a_time():
        text = encoding.open_text(file)
        try:
            return _sheet(text)
        except BaseException:
            text.detach()  # keeps the file open: the caller closes it
            raise


def _sheet(text: io.TextIOWrapper) -> Sheet:
    delimiter = reading.delimiter_of(text)
    rows = reading.raw_rows(text, delimiter)
    columns = reading.header_of(rows)
    total = sum(1 for _ in islice(rows, MAX_ROWS + 1))
    if total > MAX_ROWS:
        raise TooManyRowsError(f"The file has more than {MAX_ROWS:,} rows; split it.")
    rows = islice(reading.raw_rows(text, delimiter), 1, None)
    return Sheet(columns, (_checked(row, columns) for row in rows), source=text, total=total)


def _checked(row: RawRow, columns: Columns) -> CheckedRow:
    return CheckedRow(row.line, {}, (("", row.fault),)) if row.fault else check_row(row, columns)


def check_row(row: RawRow, columns: Columns) -> CheckedRow:
    """Return the fields of a row and the notes on them, or the mistakes in it."""
    given: dict[str, object] = {}
    faults: list[Remark] = []
    notes: list[Remark] = []
    for field, index in columns.indexes.items():
        cell = row.cells[index] if index < len(row.cells) else ""
        try:
            value = _value(field, cell) if len(cell) > _CACHED_LENGTH else _cached_value(field, cell)
        except ValueError as error:
            faults.append((field, str(error)))
        else:
            if value is not None:
                given[field] = value
            elif cell and cells.plain(cell):
                notes.append((field, cells.NO_ASIN_YET))
    if len(row.cells) > len(columns.names) and "".join(row.cells[len(columns.names) :]).strip():
        faults.append(("", "The row has more cells than the header; a text with the delimiter needs quotation marks"))
    if not faults and given.keys().isdisjoint(_IDENTIFYING):
        faults.append(("", "The row has no title, ASIN or UPC"))
    return _validated(row.line, given, faults, notes)


def _value(field: str, cell: str) -> object:
    """Return the value of a cell, None when it is empty. Raises ValueError."""
    if len(cell) > _MAX_CELL_LENGTH:
        raise ValueError(f"The cell has more than {_MAX_CELL_LENGTH:,} characters")
    if not cell.isascii() and _UNDECODED.search(cell):
        raise ValueError("The cell contains bytes that are not text in the encoding of this file")
    content = cells.plain(cell)
    return cells.PARSERS[field](content) if content else None


_cached_value = lru_cache(maxsize=4096)(_value)  # suppliers, brands, stages and prices repeat often


def _validated(line: int, given: dict[str, object], faults: list[Remark], notes: list[Remark]) -> CheckedRow:
    try:
        row = ImportedRow.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults += [(str(mistake["loc"][0]), mistake["msg"]) for mistake in found]
    if faults:
        return CheckedRow(line, {}, tuple(faults))
    notes += [(repair["field"], f"{repair['reason']}. Stored as {repair['stored']}") for repair in row.repaired()]
    return CheckedRow(line, row.given(), notes=tuple(notes))
