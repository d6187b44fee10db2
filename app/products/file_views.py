"""The API's routes for import and export."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from flask import Response, stream_with_context
from flask.typing import ResponseReturnValue

from app.auth import login_required
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.limits import IMPORTS, limited
from app.openapi import Answer, operation
from app.problems import from_database
from app.products.answers import ImportLine
from app.products.context import caller_repository
from app.products.files import MAX_FILE_BYTES, MEDIA_TYPES, export_response, uploaded_sheet
from app.products.importing import Checked, Import, Mistake, Note, Totals
from app.products.schemas import ExportQuery, ImportQuery
from app.products.views import products
from app.uploads import takes_files


@products.post("/import")
@takes_files(at_most=MAX_FILE_BYTES)
@login_required
@limited(IMPORTS, at_once=2)
@operation(
    "Files",
    answers={200: Answer("The progress. The last line says how it ended.", ImportLine, "application/x-ndjson")},
    files=MEDIA_TYPES,
)
def import_products(query: ImportQuery) -> ResponseReturnValue:
    """Import a CSV file and stream the progress, one JSON document per line."""
    running = Import(uploaded_sheet(), caller_repository(), dry_run=query.dry_run)
    response = Response(stream_with_context(_lines(running)), mimetype="application/x-ndjson")
    response.call_on_close(running.sheet.close)
    return response


@products.get("/export")
@login_required
@operation(
    "Files",
    answers={200: Answer("The file, in UTF-8.", media_type="text/csv", headers=["Content-Disposition"])},
)
def export_products(query: ExportQuery) -> ResponseReturnValue:
    """Return all deals that the filters select as a CSV file."""
    return export_response(query)


def _lines(running: Import) -> Iterator[str]:
    """Run an import and yield its progress as NDJSON. The last line says how it ended."""
    sheet, columns = running.sheet, running.sheet.columns
    with running.logged():
        yield _line(columns=columns.recognized, ignored=columns.ignored, encoding=sheet.encoding, of=sheet.total)
        try:
            for event in running.events():
                yield from _event_lines(event)
        except (DatabaseUnavailableError, DatabaseRefusalError) as error:
            yield _line(error=from_database(error).document(), **running.document(), **_omitted(running))
        else:
            yield _line(done=True, **running.document(), **_omitted(running), dry_run=running.dry_run)


def _event_lines(event: Checked | Mistake | Note | Totals) -> Iterator[str]:
    """Yield one line: a mistake, a note, or the progress of the import.

    The progress is sent in two writes. When the client has disconnected, its system answers the first write with a
    reset, and the second write fails. The import then stops immediately, not only after the next report or batch.
    """
    if isinstance(event, Mistake):
        yield _line(line=event.line, column=event.column, reason=event.reason)
    elif isinstance(event, Note):
        yield _line(line=event.line, column=event.column, note=event.note)
    else:
        members = {"checked": event.rows} if isinstance(event, Checked) else asdict(event)
        yield _line(**members).rstrip()
        yield "\n"


def _omitted(running: Import) -> dict[str, int]:
    """Return the numbers of mistakes and of notes that were not listed, where there are any."""
    omitted = {"mistakes_omitted": running.unlisted, "notes_omitted": running.sheet.unlisted_notes}
    return {name: number for name, number in omitted.items() if number}


def _line(**members: object) -> str:
    return json.dumps(members, ensure_ascii=False) + "\n"
