"""The steps of an import after the upload: choose the columns, run, and see the report."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from itertools import chain
from typing import Any, Final
from uuid import UUID

from flask import Response, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from app.api import NDJSON
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.desk.blueprint import desk
from app.desk.import_reports import Recorder, changes_of, choices_of
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.limits import IMPORTS, limited
from app.problems import from_database
from app.products.context import caller_repository
from app.products.errors import NotFoundError, UnreadableFileError
from app.products.files import MAX_FILE_BYTES
from app.products.importing import (
    DEALS,
    Checked,
    Choices,
    Import,
    KeptFile,
    KeptFiles,
    Totals,
    open_sheet,
    preview_of,
    rejected_rows,
)
from app.products.importing.deals import NAMES

_MOST_COLUMNS: Final = 1000
_GONE: Final = "That file is no longer kept. Choose it again."


@desk.get("/desk/import/<uuid:file_id>")
@signed_in
def choose_columns(file_id: UUID) -> ResponseReturnValue:
    """Show the first rows of the file, and the field of each column to correct."""
    return _columns_page(file_id, Choices(request.args.get("sheet", "")[:255], _row(request.args)))


@desk.post("/desk/import/<uuid:file_id>")
@signed_in
@limited(IMPORTS, at_once=2)
def run_import(file_id: UUID) -> ResponseReturnValue:
    """Import the kept file, or only try. Programs of the page get the progress as lines of JSON."""
    choices = _choices()
    files = KeptFiles(caller_repository())
    try:
        kept = files.find(file_id)
        sheet = open_sheet(files.open(kept, at_most=MAX_FILE_BYTES), DEALS, choices)
    except NotFoundError:
        return _gone()
    except UnreadableFileError as error:
        return _columns_page(file_id, choices, str(error))
    if header := request.form.get("header", ""):
        files.remember(header, [choices.fields[index] for index in sorted(choices.fields)])
    running = Import(sheet, files.repository, dry_run="dry_run" in request.form)
    if not running.dry_run:
        running.batch_id = _stopped_batch(files, kept)
    files.report(file_id, None)
    lines = _lines(files, kept, Recorder(running, choices))
    if request.accept_mimetypes.best_match(["text/html", NDJSON]) == NDJSON:
        response = Response(stream_with_context(lines), mimetype=NDJSON)
        response.call_on_close(sheet.close)
        return response
    try:
        *_, last = lines
    finally:
        sheet.close()
    ended = json.loads(last)
    return _report_page(kept, ended["report"]), ended["status"]


@desk.get("/desk/import/<uuid:file_id>/report")
@signed_in
def import_report(file_id: UUID) -> ResponseReturnValue:
    """Show the report about the latest run with the file."""
    try:
        kept = KeptFiles(caller_repository()).find(file_id)
    except NotFoundError:
        return _gone()
    if kept.report is None:
        return redirect(url_for("desk.choose_columns", file_id=file_id), HTTPStatus.SEE_OTHER)
    return _report_page(kept, kept.report)


@desk.get("/desk/import/<uuid:file_id>/rejected")
@signed_in
@limited(IMPORTS, at_once=2)
def rejected_file(file_id: UUID) -> ResponseReturnValue:
    """Return the rejected rows of the latest run as a CSV file, with a column that says why."""
    files = KeptFiles(caller_repository())
    try:
        kept = files.find(file_id)
        report = kept.report or {}
        file = files.open(kept, at_most=MAX_FILE_BYTES)
    except NotFoundError:
        return _gone()
    refused = {int(line): str(why) for line, why in report.get("refused", {}).items()}
    rows = rejected_rows(file, choices_of(report) if report else Choices(), refused)
    rows = chain([next(rows)], rows)  # a file that cannot be read raises its error before the response starts
    response = Response(stream_with_context(_csv(rows)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="rejected-rows.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _stopped_batch(files: KeptFiles, kept: KeptFile) -> UUID | None:
    """Return the batch of an import of this file that stopped before its end, so that one undo takes back all rows."""
    report = kept.report or {"state": ""}
    if report["state"] not in {"stopped", "failed"} or not report["batch_id"]:
        return None
    batch_id = UUID(report["batch_id"])
    with suppress(NotFoundError):
        return None if files.repository.get_batch(batch_id)["undone"] else batch_id
    return None


def _report_page(kept: KeptFile, report: dict[str, Any]) -> str:
    """Return the page of a report. What the import has changed is read from its batch, while it can be undone."""
    batch: dict[str, Any] = {}
    if report["batch_id"]:
        with suppress(NotFoundError, DatabaseUnavailableError):
            batch = caller_repository().get_batch(UUID(report["batch_id"]))
    changes = [(deal, changes_of(deal)) for deal in batch.get("deals", ())]
    return render_template("import_report.html", kept=kept, report=report, batch=batch, changes=changes)


def _columns_page(file_id: UUID, choices: Choices, mistake: str = "") -> ResponseReturnValue:
    files = KeptFiles(caller_repository())
    try:
        kept = files.find(file_id)
        preview = preview_of(files.open(kept, at_most=MAX_FILE_BYTES), choices, files.remembered)
    except NotFoundError:
        return _gone()
    except UnreadableFileError as error:
        detail = f"{error} Nothing was changed."
        return render_template("import.html", mistake=detail), HTTPStatus.UNPROCESSABLE_ENTITY
    fields = choices.fields or dict(enumerate(preview.fields))
    page = render_template(
        "import_columns.html", kept=kept, preview=preview, fields=fields, mistake=mistake,
        names={field: names[0] for field, names in NAMES.items()},
    )  # fmt: skip
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK


def _gone() -> ResponseReturnValue:
    flash(Notice(_GONE, "problem"))
    return redirect(url_for("desk.import_form"), HTTPStatus.SEE_OTHER)


def _choices() -> Choices:
    """Return what the form says. A field that does not exist is no field."""
    fields = {
        index: field if field in NAMES else ""
        for index in range(_MOST_COLUMNS)
        if (field := request.form.get(f"column-{index}")) is not None
    }
    return Choices(request.form.get("sheet", "")[:255], _row(request.form), fields)


def _row(given: Any) -> int:  # noqa: ANN401 - the query or the form
    written = str(given.get("header_row", ""))
    return int(written) if written.isascii() and written.isdigit() and len(written) < 8 else 0


def _lines(files: KeptFiles, kept: KeptFile, recorder: Recorder) -> Iterator[str]:
    """Run an import and yield its progress. The last line has the report, which is also kept, and the status."""
    status = HTTPStatus.OK
    try:
        with recorder.running.logged():
            for event in recorder.running.events():
                recorder.add(event)
                yield from _progress(event, recorder.running.sheet.total)
        recorder.state = "finished"
    except (DatabaseUnavailableError, DatabaseRefusalError) as error:
        problem = from_database(error)
        recorder.state, recorder.detail, status = "failed", problem.detail, HTTPStatus(problem.status)
    finally:  # also when the browser has disconnected
        report = recorder.report()
        with suppress(DatabaseUnavailableError, DatabaseRefusalError):
            files.report(kept.id, report)
    yield json.dumps({"report": report, "status": status}) + "\n"


def _progress(event: object, total: int) -> Iterator[str]:
    """Yield a line, in two writes: the second one fails if the browser has disconnected."""
    if isinstance(event, Checked | Totals):
        yield json.dumps({"checked" if isinstance(event, Checked) else "rows": event.rows, "of": total})
        yield "\n"


def _csv(rows: Iterator[list[str]]) -> Iterator[str]:
    """Yield rows as CSV in UTF-8 with a byte order mark."""
    yield "\ufeff"
    for row in rows:
        written = io.StringIO()
        csv.writer(written, lineterminator="\r\n").writerow(row)
        yield written.getvalue()
