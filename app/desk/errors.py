"""Errors of the desk as pages people can read; the API's stay problem documents."""

from http import HTTPStatus
from typing import Final

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.desk import sessions
from app.desk.blueprint import desk
from app.desk.notices import Notice, leave
from app.problems import Problem, refused, unavailable

_HEADLINES: Final = {
    403: "This form cannot be accepted",
    404: "There is nothing here",
    503: "The desk cannot reach its data right now",
}
_STALE_FORM: Final = "It was too old, or it did not come from this site. Nothing was changed; please go back and retry."


@desk.errorhandler(Problem)
def _problem(problem: Problem) -> ResponseReturnValue:
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in()
    detail = _STALE_FORM if problem.status == HTTPStatus.FORBIDDEN else problem.detail
    headline = _HEADLINES.get(problem.status, "That did not work")
    page = render_template("error.html", status=problem.status, headline=headline, detail=detail)
    return page, problem.status, problem.headers


@desk.errorhandler(DatabaseUnavailableError)
def _unavailable(error: DatabaseUnavailableError) -> ResponseReturnValue:
    return _problem(unavailable(error))


@desk.errorhandler(DatabaseRefusalError)
def _refused(error: DatabaseRefusalError) -> ResponseReturnValue:
    return _problem(refused(error))


@desk.errorhandler(CSRFError)
def _forged(_error: CSRFError) -> ResponseReturnValue:
    return _problem(Problem(HTTPStatus.FORBIDDEN))


@desk.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> ResponseReturnValue:
    return _problem(Problem(error.code or HTTPStatus.INTERNAL_SERVER_ERROR, error.description))


def _to_sign_in() -> ResponseReturnValue:
    """Ask the visitor to sign in, and remember where they were heading (a form cannot be sent again)."""
    if sessions.is_open():
        session.clear()
        leave(Notice("Your session has ended. Please sign in again.", "problem"))
    heading_for = request.full_path.removesuffix("?") if request.method == "GET" else None
    return redirect(url_for("desk.sign_in", next=heading_for), HTTPStatus.SEE_OTHER)
