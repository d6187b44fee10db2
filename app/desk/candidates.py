"""The page that uploads the result of a look-up: a file of candidates."""

from http import HTTPStatus
from typing import Final

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.outcomes import Outcome, outcome_of
from app.desk.sessions import signed_in
from app.limits import IMPORTS, limited
from app.problems import Problem
from app.products.context import caller_matching
from app.products.files import MAX_FILE_BYTES, uploaded_sheet
from app.products.importing import CANDIDATES, CandidateImport
from app.products.stats import asin_status_stats
from app.uploads import takes_files

_TOTALS: Final = {
    "stored": ("New", "added or updated"),
    "unchanged": ("Unchanged", "nothing new"),
    "never": ("Never", "remembered as wrong"),
    "empty": ("Not found", "no ASIN in the row"),
    "unknown": ("Unknown", "no product of yours"),
    "rejected": ("Need fixing", "listed below"),
}
"""The label and the explanation of each number."""


@desk.get("/desk/candidates")
@signed_in
def candidates_form() -> ResponseReturnValue:
    """Show the empty form."""
    return _page()


@desk.post("/desk/candidates")
@takes_files(at_most=MAX_FILE_BYTES)
@signed_in
@limited(IMPORTS, at_once=2)
def upload_candidates() -> ResponseReturnValue:
    """Store the candidates of the file and show the result. An unreadable file changes nothing."""
    try:
        sheet = uploaded_sheet(CANDIDATES)
    except Problem as problem:
        detail = "Choose a file first." if problem.errors else problem.detail
        return _page(mistake=detail or ""), problem.status
    try:
        outcome = outcome_of(CandidateImport(sheet, caller_matching(), accept_single="accept_single" in request.form))
    finally:
        sheet.close()
    return _page(outcome=outcome), outcome.trouble.status if outcome.trouble else HTTPStatus.OK


def _page(*, mistake: str = "", outcome: Outcome | None = None) -> str:
    return render_template(
        "candidates.html",
        mistake=mistake,
        outcome=outcome,
        totals=_TOTALS,
        waiting=_waiting() if outcome and not outcome.trouble else 0,
        accept_single="accept_single" in request.form,
    )


def _waiting() -> int:
    """Return the number of products that need a selection."""
    return asin_status_stats.lookup(current_user.user_id).value.document()["needs_selection"]
