"""The file that a request uploads, and the file that an export downloads, for the API and the desk."""

import errno
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from flask import Response, stream_with_context

from app import audit
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.products.context import caller_repository
from app.products.errors import UnreadableFileError
from app.products.exporting import csv_pages
from app.products.importing import DEALS, RECOGNIZED, Choices, Sheet, SheetKind, open_sheet
from app.products.problems import problem_for
from app.products.schemas import ExportQuery
from app.uploads import uploaded

logger = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 50 << 20

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

MEDIA_TYPES: Final = ("text/csv", "application/csv", "text/tab-separated-values", XLSX)


def uploaded_sheet(kind: SheetKind = DEALS, choices: Choices = RECOGNIZED, *, instead: str = "") -> Sheet:
    """Return the uploaded file as a sheet whose rows are counted and not yet checked. The caller closes it.

    `instead` is a media type that the caller accepts in place of a file.

    Raises:
        Problem: 413 when the file is too large, 415, 400, or 422 when it cannot be used; nothing was changed.
        DatabaseUnavailableError: the database is down, so nothing could be written anyway.

    """
    file = uploaded([*MEDIA_TYPES, instead] if instead else MEDIA_TYPES, at_most=MAX_FILE_BYTES)
    try:
        caller_repository().require_database()
        return open_sheet(file, kind, choices)
    except BaseException as error:
        file.close()
        if isinstance(error, UnreadableFileError):
            raise problem_for(error) from None
        raise


def export_response(query: ExportQuery) -> Response:
    """Return the CSV as a download. Raises what `csv_pages` raises for the first page."""
    repository = caller_repository()
    pages = csv_pages(repository, query)
    first = next(pages)  # before the response starts, so that a database error still becomes a problem document
    response = Response(stream_with_context(_complete(first, pages)), content_type="text/csv; charset=utf-8")
    name = f"asin-desk-{datetime.now(UTC):%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    audit.record("export", "ok", user=repository.user_id)
    return response


def _complete(first: str, following: Iterator[str]) -> Iterator[str]:
    """Yield all pages. A database error aborts the transfer, so that half a list does not look complete."""
    yield first
    try:
        yield from following
    except (DatabaseUnavailableError, DatabaseRefusalError) as error:
        logger.warning("an export was aborted: %s", type(error).__name__)
        # The server treats an OSError as a lost connection: it closes without the chunk that ends a complete response.
        raise ConnectionResetError(errno.ECONNRESET, "the export was aborted") from None
