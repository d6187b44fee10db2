"""The list as CSV, page by page: what a spreadsheet opens safely, and an import takes back without a change."""

import csv
import errno
import io
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from flask import Response, stream_with_context

from app import audit
from app.auth import current_user
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.products import repository
from app.products.formulas import disarm
from app.products.importing.columns import NAMES
from app.products.schemas import ExportQuery

logger = logging.getLogger(__name__)

_BOM: Final = "\ufeff"  # without it Excel takes UTF-8 for the code page of the machine


def export_response(query: ExportQuery) -> Response:
    """Return the CSV as a download. Raises what `csv_pages` raises for the first page."""
    pages = csv_pages(query)
    first = next(pages)  # trouble with the database is still an answer of its own here
    response = Response(stream_with_context(_unbroken(first, pages)), content_type="text/csv; charset=utf-8")
    name = f"asin-desk-{datetime.now(UTC):%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    audit.record("export", "ok", user=current_user.user_id)
    return response


def _unbroken(first: str, following: Iterator[str]) -> Iterator[str]:
    """Yield all pages. Trouble in the middle breaks the transfer: half a list must not pass for the whole."""
    yield first
    try:
        yield from following
    except (DatabaseUnavailableError, DatabaseRefusalError) as error:
        logger.warning("an export broke off: %s", type(error).__name__)
        # As an OSError the server takes it for a lost connection: it closes without the mark that ends a whole answer.
        raise ConnectionResetError(errno.ECONNRESET, "the export broke off") from None


def csv_pages(query: ExportQuery) -> Iterator[str]:
    """Yield the deals that `query` asks for as CSV: first the header with the first page, then a page at a time.

    Raises:
        DatabaseUnavailableError: a page could not be read.

    """
    page = repository.list_deals(query)
    yield _BOM + to_csv([[names[0] for names in NAMES.values()]]) + to_csv(map(_row, page.items))
    while page.next_cursor:
        page = repository.list_deals(query.model_copy(update={"cursor": page.next_cursor}))
        yield to_csv(map(_row, page.items))


def to_csv(rows: Iterable[Iterable[str]]) -> str:
    """Return rows as CSV in which no cell is a formula."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([disarm(cell) for cell in row] for row in rows)
    return written.getvalue()


def _row(deal: dict[str, Any]) -> list[str]:
    """Return a deal in the order of `NAMES`."""
    product = deal["product"]
    fields = {
        **deal,
        **product,
        "asin": product["asin"] if product["asin_status"] == "asin_found" else None,  # a placeholder is none
        "product_id": product["id"],
    }
    return [_cell(fields[name]) for name in NAMES]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
