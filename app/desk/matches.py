"""The page of the remembered answers: which ASIN an identifier always gets, and which it never gets."""

from http import HTTPStatus

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.desk.wording import upc
from app.limits import WRITES, limited
from app.products.context import caller_matching
from app.products.errors import InvalidCursorError, NotFoundError
from app.products.matching.schemas import MatchQuery
from app.products.stats import changing_stats


@desk.get("/desk/matches")
@signed_in
def matches() -> ResponseReturnValue:
    """Show one page of the remembered answers, newest first."""
    search, cursor = request.args.get("search", "").strip(), request.args.get("cursor")
    mistake = ""
    try:
        query = MatchQuery(search=search or None, cursor=cursor or None)
    except ValidationError:
        query, mistake = MatchQuery(), "A search has at most 100 characters. This is the list without your search."
    try:
        page = caller_matching().list_matches(query)
    except InvalidCursorError:
        return redirect(url_for("desk.matches", search=search or None))
    shown = render_template("matches.html", page=page, search=search, cursor=cursor, mistake=mistake)
    return shown, HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK


@desk.post("/desk/matches")
@signed_in
@limited(WRITES)
def forget_match() -> ResponseReturnValue:
    """Forget one answer. The ASINs of products stay as they are."""
    gtin, asin = request.form.get("gtin", ""), request.form.get("asin", "")
    try:
        with changing_stats(current_user.user_id):
            caller_matching().forget_match(gtin, asin)
        flash(Notice(f"Forgotten: {asin} for {upc(gtin)}. Products keep their ASINs."))
    except NotFoundError:
        flash(Notice("This answer was already forgotten.", "problem"))
    search = request.form.get("search")
    return redirect(url_for("desk.matches", search=search or None), HTTPStatus.SEE_OTHER)
