"""Check a whole file before anything is written: each row becomes the fields it gives, or what is wrong with it."""

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
from app.products.importing.pacing import taking_turns
from app.products.importing.reading import RawRow
from app.products.importing.sheet import CheckedRow, Sheet
from app.products.schemas import DealFields, ProductFields

MAX_ROWS: Final = 200_000

_SHORT: Final = 64  # characters; longer cells are not worth remembering
_LONGEST_CELL: Final = 10_000  # characters, space around a text included; the longest text that we take has 5 000
_UNDECODED: Final = re.compile("[\ud800-\udfff]")
_IDENTIFYING: Final = ("asin", "upc", "title", "product_id")


class ImportedRow(ProductFields, DealFields):
    """The fields that a row gives, under the rules of the API; an empty cell gives none."""

    product_id: UUID | None = None


def open_sheet(file: IO[bytes]) -> Sheet:
    """Return the sheet of a seekable CSV file of at most `MAX_ROWS` rows, which are counted and not yet checked.

    The sheet closes the file in the end.

    Raises:
        UnreadableFileError: it cannot be read, or its header is of no use.
        TooManyRowsError: it is longer than that.

    """
    with taking_turns():
        text = encoding.open_text(file)
        try:
            return _sheet(text)
        except BaseException:
            text.detach()  # the file stays open: it is the caller's
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
    """Return what a row gives, or what is wrong with it."""
    given: dict[str, object] = {}
    faults: list[tuple[str, str]] = []
    for field, place in columns.places.items():
        cell = row.cells[place] if place < len(row.cells) else ""
        try:
            value = _value(field, cell) if len(cell) > _SHORT else _remembered_value(field, cell)
        except ValueError as error:
            faults.append((field, str(error)))
        else:
            if value is not None:
                given[field] = value
    if len(row.cells) > len(columns.names) and "".join(row.cells[len(columns.names) :]).strip():
        faults.append(("", "It has more cells than the header; is a text with the delimiter not in quotation marks?"))
    if not faults and given.keys().isdisjoint(_IDENTIFYING):
        faults.append(("", "It names no product: it has no title, ASIN or UPC"))
    return _validated(row.line, given, faults)


def _value(field: str, cell: str) -> object:
    """Return what a cell means; None when it is empty. Raises ValueError."""
    if len(cell) > _LONGEST_CELL:
        raise ValueError(f"It has more than {_LONGEST_CELL:,} characters")
    if not cell.isascii() and _UNDECODED.search(cell):
        raise ValueError("It holds bytes that are not text in the encoding of this file")
    bare = cells.bare(cell)
    return cells.READERS[field](bare) if bare else None


_remembered_value = lru_cache(maxsize=4096)(_value)  # suppliers, brands, stages and prices come again and again


def _validated(line: int, given: dict[str, object], faults: list[tuple[str, str]]) -> CheckedRow:
    try:
        fields = ImportedRow.model_validate(given).given()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults += [(str(mistake["loc"][0]), mistake["msg"]) for mistake in found]
    return CheckedRow(line, {}, tuple(faults)) if faults else CheckedRow(line, fields)
