"""The list as CSV, page by page. A spreadsheet opens it safely, and importing it again changes nothing."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.products.formulas import escape_formula
from app.products.importing.deals import NAMES
from app.products.repository import Repository
from app.products.schemas import ExportQuery

_BOM: Final = "\ufeff"  # without it Excel decodes UTF-8 with the machine's own code page


def csv_pages(repository: Repository, query: ExportQuery) -> Iterator[str]:
    """Yield the deals that `query` selects as CSV, one page at a time. The first page starts with the header.

    Raises:
        DatabaseUnavailableError: a page could not be read.

    """
    page = repository.list_deals(query)
    yield _BOM + to_csv([[names[0] for names in NAMES.values()]]) + to_csv(map(_row, page.items))
    while page.next_cursor:
        page = repository.list_deals(query.model_copy(update={"cursor": page.next_cursor}))
        yield to_csv(map(_row, page.items))


def to_csv(rows: Iterable[Iterable[str]]) -> str:
    """Return the rows as CSV. No cell is a formula."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([escape_formula(cell) for cell in row] for row in rows)
    return written.getvalue()


def _row(deal: dict[str, Any]) -> list[str]:
    """Return the cells of a deal in the order of `NAMES`."""
    product = deal["product"]
    fields = {
        **deal,
        **product,
        "asin": product["asin"] if product["asin_status"] == "asin_found" else None,  # a placeholder is not an ASIN
        "product_id": product["id"],
    }
    return [_cell(fields[name]) for name in NAMES]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
