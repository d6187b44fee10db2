"""The API's routes for import and export."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Response, request, stream_with_context
from flask.typing import ResponseReturnValue

from app import payloads
from app.api import JSON, NDJSON
from app.auth import login_required
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.limits import IMPORTS, limited
from app.openapi import Answer, operation
from app.problems import from_database
from app.products.answers import CandidatesLine, ImportLine
from app.products.context import caller_matching, caller_repository
from app.products.files import MAX_FILE_BYTES, MEDIA_TYPES, export_response, uploaded_sheet
from app.products.importing import (
    CANDIDATES,
    CandidateImport,
    Checked,
    Choices,
    Import,
    Mistake,
    Note,
    RowTotals,
    Run,
    Sheet,
    sheet_of,
)
from app.products.matching.feed import CandidateRows
from app.products.matching.schemas import CandidatesQuery
from app.products.schemas import ExportQuery, FileQuery, ImportQuery
from app.products.views import products
from app.uploads import takes_files


@products.post("/import")
@takes_files(at_most=MAX_FILE_BYTES)
@login_required
@limited(IMPORTS, at_once=2)
@operation(
    "Files",
    answers={200: Answer("The progress. The last line says how it ended.", ImportLine, NDJSON)},
    files=MEDIA_TYPES,
)
def import_products(query: ImportQuery) -> ResponseReturnValue:
    """Import a CSV file or a workbook (`.xlsx`) and stream the progress, one JSON document per line."""
    return _streamed(Import(uploaded_sheet(choices=_choices(query)), caller_repository(), dry_run=query.dry_run))


@products.post("/candidates")
@takes_files(at_most=MAX_FILE_BYTES)
@login_required
@limited(IMPORTS, at_once=2)
@operation(
    "Matching",
    answers={200: Answer("The progress. The last line says how it ended.", CandidatesLine, NDJSON)},
    files=MEDIA_TYPES,
    json=CandidateRows,
)
def import_candidates(query: CandidatesQuery) -> ResponseReturnValue:
    """Add the result of a look-up to the candidates of products, and stream the progress.

    The result is a CSV file, a workbook or a JSON list. The progress has one JSON document per line.
    Repeating the request changes nothing.
    """
    sheet = _sent_rows() if request.is_json else uploaded_sheet(CANDIDATES, _choices(query), instead=JSON)
    return _streamed(CandidateImport(sheet, caller_matching(), accept_single=query.accept_single))


@products.get("/export")
@login_required
@operation(
    "Files",
    answers={200: Answer("The file, in UTF-8.", media_type="text/csv", headers=["Content-Disposition"])},
)
def export_products(query: ExportQuery) -> ResponseReturnValue:
    """Return all deals that the filters select as a CSV file."""
    return export_response(query)


def _choices(query: FileQuery) -> Choices:
    """Return how the caller wants the file to be read."""
    return Choices(query.sheet, query.header_row or 0)


def _sent_rows() -> Sheet:
    """Return the JSON list in the body of the request as a sheet. Raises what `payloads.body` raises."""
    rows = payloads.body(CandidateRows).root
    caller_repository().require_database()
    return sheet_of([row.fields() for row in rows], CANDIDATES)


def _streamed(running: Run[Any]) -> Response:
    """Return the progress of an import as NDJSON. The import runs while the response is sent."""
    response = Response(stream_with_context(_lines(running)), mimetype=NDJSON)
    response.call_on_close(running.sheet.close)
    return response


def _lines(running: Run[Any]) -> Iterator[str]:
    """Run an import and yield its progress as NDJSON. The last line says how it ended."""
    sheet, columns = running.sheet, running.sheet.columns
    with running.logged():
        read = {"encoding": sheet.table.encoding} | ({"sheet": sheet.table.sheet} if sheet.table.sheet else {})
        yield _line(columns=columns.recognized, ignored=columns.ignored, **read, of=sheet.total)
        try:
            for event in running.events():
                yield from _event_lines(event)
        except (DatabaseUnavailableError, DatabaseRefusalError) as error:
            yield _line(
                error=from_database(error).document(), **running.document(), **_omitted(running), **running.outcome
            )
        else:
            yield _line(done=True, **running.document(), **_omitted(running), **running.options, **running.outcome)


def _event_lines(event: Checked | Mistake | Note | RowTotals) -> Iterator[str]:
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


def _omitted(running: Run[Any]) -> dict[str, int]:
    """Return the numbers of mistakes and of notes that were not listed, where there are any."""
    omitted = {"mistakes_omitted": running.unlisted, "notes_omitted": running.sheet.unlisted_notes}
    return {name: number for name, number in omitted.items() if number}


def _line(**members: object) -> str:
    return json.dumps(members, ensure_ascii=False) + "\n"
