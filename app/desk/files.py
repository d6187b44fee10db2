"""Import and export of the list as a file."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.desk.blueprint import desk
from app.desk.sessions import signed_in
from app.limits import IMPORTS, limited
from app.payloads import query
from app.problems import Problem, from_database
from app.products.context import caller_repository
from app.products.files import MAX_FILE_BYTES, export_response, uploaded_sheet
from app.products.importing import Import, Mistake, Note, Run
from app.products.schemas import ExportQuery
from app.uploads import takes_files

_MOST_SHOWN: Final = 200


@dataclass(slots=True)
class Outcome:
    """Result of the import of a file: its first mistakes and notes, and the error that stopped it, if any."""

    running: Run[Any]
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    found_notes: int = 0
    trouble: Problem | None = None

    @property
    def unshown(self) -> int:
        """Number of rejected rows that are not listed in `mistakes`."""
        rejected: int = self.running.totals.rejected
        return rejected - len({mistake.line for mistake in self.mistakes})

    @property
    def unshown_notes(self) -> int:
        """Number of notes that are not listed in `notes`."""
        return self.found_notes + self.running.sheet.unlisted_notes - len(self.notes)


@desk.get("/desk/import")
@signed_in
def import_form() -> ResponseReturnValue:
    """Show the empty form."""
    return render_template("import.html")


@desk.post("/desk/import")
@takes_files(at_most=MAX_FILE_BYTES)
@signed_in
@limited(IMPORTS, at_once=2)
def import_file() -> ResponseReturnValue:
    """Import the file and show the result. An invalid file changes nothing."""
    try:
        sheet = uploaded_sheet()
    except Problem as problem:
        detail = "Choose a file first." if problem.errors else problem.detail
        return render_template("import.html", mistake=detail), problem.status
    try:
        outcome = outcome_of(Import(sheet, caller_repository(), dry_run="dry_run" in request.form))
    finally:
        sheet.close()
    status = outcome.trouble.status if outcome.trouble else HTTPStatus.OK
    return render_template("import.html", outcome=outcome), status


@desk.get("/desk/export")
@signed_in
def export_deals() -> ResponseReturnValue:
    """Return all deals selected by the filters of the list as a CSV file."""
    return export_response(query(ExportQuery))


def outcome_of(running: Run[Any]) -> Outcome:
    """Import a file and return the result."""
    outcome = Outcome(running)
    with running.logged():
        try:
            for event in running.events():
                if isinstance(event, Mistake) and len(outcome.mistakes) < _MOST_SHOWN:
                    outcome.mistakes.append(event)
                elif isinstance(event, Note):
                    outcome.found_notes += 1
                    outcome.notes += [event] if len(outcome.notes) < _MOST_SHOWN else []
        except (DatabaseUnavailableError, DatabaseRefusalError) as error:
            outcome.trouble = from_database(error)
    return outcome
