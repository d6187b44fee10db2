"""The list as a file: import and export."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from flask import Response, stream_with_context
from flask.typing import ResponseReturnValue

from app.auth import login_required
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.limits import IMPORTS, limited
from app.payloads import query
from app.problems import from_database
from app.products import repository
from app.products.exporting import export_response
from app.products.importing import Checked, Import, Mistake, Totals
from app.products.receiving import MAX_FILE_BYTES, received
from app.products.schemas import ExportQuery, ImportQuery
from app.products.views import products
from app.uploads import takes_files


@products.post("/import")
@takes_files(at_most=MAX_FILE_BYTES)
@login_required
@limited(IMPORTS, at_once=2)
def import_products() -> ResponseReturnValue:
    """Take a CSV file in and stream what becomes of it, one JSON document per line."""
    dry_run = query(ImportQuery).dry_run
    running = Import(received(), repository.authority(), dry_run=dry_run)
    response = Response(stream_with_context(_lines(running)), mimetype="application/x-ndjson")
    response.call_on_close(running.sheet.close)
    return response


@products.get("/export")
@login_required
def export_products() -> ResponseReturnValue:
    """Show all deals that the filters select as a CSV file."""
    return export_response(query(ExportQuery))


def _lines(running: Import) -> Iterator[str]:
    """Run an import; yield its progress as NDJSON and its end as the last line."""
    sheet, columns = running.sheet, running.sheet.columns
    with running.logged():
        yield _line(columns=columns.found, ignored=columns.ignored, encoding=sheet.encoding, of=sheet.total)
        try:
            for event in running.events():
                yield from _told(event)
        except (DatabaseUnavailableError, DatabaseRefusalError) as error:
            yield _line(error=from_database(error).document(), **running.document(), **_omitted(running))
        else:
            yield _line(done=True, **running.document(), **_omitted(running), dry_run=running.dry_run)


def _told(event: Checked | Mistake | Totals) -> Iterator[str]:
    """Yield the line of one event: a mistake, or how far the import is.

    The latter in two writes: a client that is gone answers the first with a reset, on which the second fails. So the
    import ends here, and not after another slice or batch.
    """
    if isinstance(event, Mistake):
        yield _line(line=event.line, column=event.column, reason=event.reason)
    else:
        members = {"checked": event.rows} if isinstance(event, Checked) else asdict(event)
        yield _line(**members).rstrip()
        yield "\n"


def _omitted(running: Import) -> dict[str, int]:
    """Say how many mistakes were not listed, where there are such."""
    return {"mistakes_omitted": running.unlisted} if running.unlisted else {}


def _line(**members: object) -> str:
    return json.dumps(members, ensure_ascii=False) + "\n"
