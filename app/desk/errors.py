"""Error pages: for the desk, and for unknown addresses opened in a browser. The API returns problem documents."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from flask import g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app import audit
from app.auth import BACKGROUND
from app.database import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.desk import sessions
from app.desk.blueprint import desk, protect
from app.desk.held import sealed, sent_form
from app.desk.notices import Notice, flash
from app.problems import MIMETYPE, Kind, Problem, from_http, refused, unavailable
from app.products.errors import InvalidCursorError, ProductsError
from app.products.problems import problem_for

_HEADLINES: Final = {
    403: "This form is out of date",
    404: "Page not found",
    405: "This page cannot be opened like this",
    413: "This file is too large",
    429: "Too many attempts",
    500: "Something went wrong on our side",
    503: "The desk cannot reach its data right now",
}
_TEMPORARY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
"""The errors after which the same page may work a moment later."""
_ENDED: Final = "Your session has ended."
_DETAILS: Final = {
    403: "Nothing was changed. Go back, reload the page and send it again.",
    404: "Nothing is here. It may have been removed, or the address has a typing mistake.",
    405: "Nothing was changed. Use the links and buttons of the desk.",
    500: "Please try again in a moment. If it happens again, tell whoever runs this site.",
}
_KEPT: Final = {
    403: "Nothing was saved. Please check what you entered, and send it again.",
    500: "It may not have been saved. Please try again in a moment.",
}
"""What the page says instead if it keeps the fields of the form."""


@desk.errorhandler(Problem)
def _problem(problem: Problem, hint: str = "") -> ResponseReturnValue:
    if BACKGROUND in request.headers:  # the session stays as it is, for the form that the user may be filling in
        return problem.response()
    headline, detail = _words(problem)
    if "HX-Request" in request.headers:
        return _notice_about(problem, headline, detail)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in(problem)
    temporary = problem.status in _TEMPORARY
    again = request.full_path.removesuffix("?") if temporary and request.method == "GET" else ""
    held = sent_form() if temporary or problem.kind is Kind.CSRF_TOKEN_INVALID else None
    if held:
        detail, hint = _KEPT.get(problem.status, detail), "What you entered is kept on this page."
    page = render_template(
        "error.html", status=problem.status, headline=headline, detail=detail, hint=hint, again=again, held=held
    )
    return page, problem.status, problem.headers


def _words(problem: Problem) -> tuple[str, str]:
    """Return the headline of the page, and the sentence below it."""
    if problem.kind is Kind.OPERATORS_ONLY:
        return problem.kind.title, "Your account cannot see this page. Everything else works as usual."
    return _HEADLINES.get(problem.status, "That did not work"), _DETAILS.get(problem.status, problem.detail)


def _notice_about(problem: Problem, headline: str, detail: str | None) -> ResponseReturnValue:
    """Answer a request of htmx: the rest of the page stays as it is, with what the user has typed."""
    ended = problem.status == HTTPStatus.UNAUTHORIZED
    text = f"{_ENDED} Nothing was saved." if ended else f"{headline}. {detail or ''}".rstrip()
    sign_in_at = url_for("desk.sign_in", next=_shown_page()) if ended else ""
    part = render_template("partials/notices.html", notice=Notice(text, "problem"), sign_in_at=sign_in_at)
    return part, problem.status, {**problem.headers, "HX-Reswap": "none", "Vary": "HX-Request"}


def _shown_page() -> str | None:
    """Return the path of the page that sent a request of htmx."""
    return _own_path(request.headers.get("HX-Current-URL", ""))


def _own_path(address: str) -> str | None:
    """Return the path and query of an address of this host; None for any other text."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return urlunsplit(("", "", parts.path, parts.query, "")) if parts.netloc == request.host else None


@desk.app_errorhandler(NotFound)
@desk.app_errorhandler(MethodNotAllowed)
def _no_view(error: HTTPException) -> ResponseReturnValue:
    """Answer a request without a matching view: with a page for browsers, else with a problem document."""
    problem = from_http(error)
    response = protect(make_response(_problem(problem))) if _wants_page() else problem.response()
    response.vary.add("Accept")
    return response


def _wants_page() -> bool:
    """Return whether to answer with a page: for a view of the desk, for htmx, or if the Accept header prefers HTML.

    `*/*`, which programs send, does not prefer HTML.
    """
    if request.blueprint is not None:
        return request.blueprint == desk.name
    if "HX-Request" in request.headers:
        return True
    accepted = request.accept_mimetypes
    return accepted["text/html"] > max(accepted["application/json"], accepted[MIMETYPE])


@desk.errorhandler(DatabaseUnavailableError)
def _unavailable(error: DatabaseUnavailableError) -> ResponseReturnValue:
    """Answer 503. A reload of this page sends a form again with all its input, so the page says that."""
    unconfirmed = "If it was not saved, reload" if isinstance(error, OutcomeUnknownError) else "Reload"
    again = f"{unconfirmed} this page to send the form again with what you have entered."
    return _problem(unavailable(error), again if request.method == "POST" else "")


@desk.errorhandler(DatabaseRefusalError)
def _refused(error: DatabaseRefusalError) -> ResponseReturnValue:
    return _problem(refused(error))


@desk.errorhandler(InvalidCursorError)
def _old_page_link(error: InvalidCursorError) -> ResponseReturnValue:
    """Offer the first page of the same list, with the same filters."""
    if "HX-Request" in request.headers:
        return _problem(problem_for(error))
    kept: dict[str, Any] = {name: text for name, text in request.args.items() if name != error.parameter}
    first = url_for(str(request.endpoint), **(request.view_args or {}), **kept)
    page = render_template(
        "error.html",
        headline="This page link is no longer valid",
        detail="",
        hint="",
        again=first,
        again_label="Go to the first page",
    )
    return page, HTTPStatus.UNPROCESSABLE_ENTITY


@desk.errorhandler(ProductsError)
def _products_error(error: ProductsError) -> ResponseReturnValue:
    return _problem(problem_for(error))


@desk.errorhandler(CSRFError)
def _forged(_error: CSRFError) -> ResponseReturnValue:
    audit.record("csrf", "refused")
    return _problem(Problem(Kind.CSRF_TOKEN_INVALID))


@desk.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> ResponseReturnValue:
    return _problem(from_http(error))


def _to_sign_in(problem: Problem) -> ResponseReturnValue:
    """Redirect to the sign-in page. After sign-in the user returns to the requested page, or to that of the form.

    A form that can be kept gets the sign-in page at once, which passes its fields on.
    """
    held, email, was_open = sent_form(), session.get("email", ""), sessions.is_open()
    if was_open:
        audit.record("session", "refused")
        session.clear()
        g.pop("owner_mark", None)
    if held:
        page = render_template("sign_in.html", email=email, mistake="", held=sealed(held))
        return page, problem.status, problem.headers
    is_form = request.method == "POST"
    requested = _own_path(request.referrer or "") if is_form else request.full_path.removesuffix("?")
    if was_open or (is_form and requested):
        flash(Notice(f"{_ENDED}{' Nothing was saved.' if is_form else ''} Please sign in again.", "problem"))
    return redirect(url_for("desk.sign_in", next=requested), HTTPStatus.SEE_OTHER)
