"""Check a whole file before anything is written: each row becomes the fields it gives, or what is wrong with it."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import IO, Final
from uuid import UUID

from pydantic import ValidationError

from app.problems import field_errors
from app.products.importing import cells, encoding, reading
from app.products.importing.columns import Columns
from app.products.importing.encoding import TooManyRowsError
from app.products.importing.reading import RawRow
from app.products.importing.sheet import CheckedRow, Sheet
from app.products.schemas import DealFields, ProductFields

MAX_ROWS: Final = 200_000

_SHORT: Final = 64  # characters; longer cells are not worth remembering
_IDENTIFYING: Final = ("asin", "upc", "title", "product_id")


class ImportedRow(ProductFields, DealFields):
    """The fields that a row gives, under the rules of the API; an empty cell gives none."""

    product_id: UUID | None = None


def check(file: IO[bytes]) -> Sheet:
    """Return the checked rows of a seekable CSV file of at most `MAX_ROWS` rows.

    Raises:
        UnreadableFileError: it cannot be read, or its header is of no use.
        TooManyRowsError: it is longer than that.

    """
    text = encoding.open_text(file)
    delimiter = reading.delimiter_of(text)
    rows = reading.raw_rows(text, delimiter)
    sheet = Sheet(reading.header_of(rows), encoding=text.encoding)
    try:
        sheet.add(_checked(rows, sheet.columns))
    except BaseException:
        sheet.close()
        raise
    finally:
        text.detach()  # the file stays open: it is the caller's
    return sheet


def _checked(rows: Iterable[RawRow], columns: Columns) -> Iterator[CheckedRow]:
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise TooManyRowsError(f"The file has more than {MAX_ROWS:,} rows; split it.")
        yield CheckedRow(row.line, {}, (("", row.fault),)) if row.fault else check_row(row, columns)


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
    if len(row.cells) > len(columns.names) and any(cell.strip() for cell in row.cells[len(columns.names) :]):
        faults.append(("", "It has more cells than the header; is a text with the delimiter not in quotation marks?"))
    if not faults and given.keys().isdisjoint(_IDENTIFYING):
        faults.append(("", "It names no product: it has no title, ASIN or UPC"))
    return _validated(row.line, given, faults)


def _value(field: str, cell: str) -> object:
    """Return what a cell means; None when it is empty. Raises ValueError."""
    if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
        raise ValueError("It holds bytes that are not text in the encoding of this file")
    bare = cells.bare(cell)
    return cells.READERS[field](bare) if bare else None


_remembered_value = lru_cache(maxsize=4096)(_value)  # suppliers, brands, stages and prices come again and again


def _validated(line: int, given: dict[str, object], faults: list[tuple[str, str]]) -> CheckedRow:
    try:
        fields = ImportedRow.model_validate(given).given()
    except ValidationError as error:
        faults += [(found.pointer.removeprefix("/"), found.detail) for found in field_errors(error)]
    return CheckedRow(line, {}, tuple(faults)) if faults else CheckedRow(line, fields)
