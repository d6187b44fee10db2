"""Import and export: the page where a file is chosen, and the export."""

from http import HTTPStatus

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.desk.blueprint import desk
from app.desk.sessions import signed_in
from app.limits import IMPORTS, limited
from app.payloads import query
from app.problems import Problem
from app.products.context import caller_repository
from app.products.files import MAX_FILE_BYTES, MEDIA_TYPES, export_response
from app.products.importing import KeptFiles
from app.products.schemas import ExportQuery
from app.uploads import FIELD, takes_files, uploaded


@desk.get("/desk/import")
@signed_in
def import_form() -> ResponseReturnValue:
    """Show the form for a file."""
    return render_template("import.html")


@desk.post("/desk/import")
@takes_files(at_most=MAX_FILE_BYTES)
@signed_in
@limited(IMPORTS, at_once=2)
def upload_file() -> ResponseReturnValue:
    """Keep the file for the next steps, and go on to the choice of columns."""
    try:
        file = uploaded(MEDIA_TYPES, at_most=MAX_FILE_BYTES)
    except Problem as problem:
        detail = "Choose a file first." if problem.errors else problem.detail
        return render_template("import.html", mistake=detail), problem.status
    with file:
        file_id = KeptFiles(caller_repository()).keep(file, request.files[FIELD].filename or "")
    return redirect(url_for("desk.choose_columns", file_id=file_id), HTTPStatus.SEE_OTHER)


@desk.get("/desk/export")
@signed_in
def export_deals() -> ResponseReturnValue:
    """Return all deals selected by the filters of the list as a CSV file."""
    return export_response(query(ExportQuery))
