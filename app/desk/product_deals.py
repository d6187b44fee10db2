"""The page of one deal, and the form that adds a note to a deal."""

from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.forms import conditional_repository, deal_changes, shown_deal
from app.desk.notices import Notice, flash
from app.desk.product import product_page
from app.desk.refusals import REFUSED, Refusal, of_mistakes, refusal_for
from app.desk.sessions import signed_in
from app.desk.wording import day
from app.limits import WRITES, limited
from app.products.conditions import Conditions
from app.products.context import caller_repository
from app.products.repository import Document
from app.products.schemas import DealFields
from app.products.stats import changing_stats


@desk.get("/desk/deals/<uuid:deal_id>")
@signed_in
def deal(deal_id: UUID) -> ResponseReturnValue:
    """Show the form of a deal."""
    return _deal_page(deal_id)


@desk.post("/desk/deals/<uuid:deal_id>")
@signed_in
@limited(WRITES)
def save_deal(deal_id: UUID) -> ResponseReturnValue:
    """Change fields of a deal, or show the form again with each mistake next to its field."""
    found = caller_repository().get_deal(deal_id)
    try:
        changes = deal_changes(found)
        with changing_stats(current_user.user_id):
            conditional_repository().update_deal(deal_id, changes)
    except REFUSED as error:
        return _deal_page(deal_id, refusal_for(error))
    flash(Notice("The deal was saved."))
    return _to_product(found)


@desk.post("/desk/deals/<uuid:deal_id>/notes")
@signed_in
@limited(WRITES)
def add_note(deal_id: UUID) -> ResponseReturnValue:
    """Add a line with today's date to the notes of a deal. A note that was added meanwhile is kept."""
    found = caller_repository().get_deal(deal_id)
    refusal = _note_refusal(found, request.form.get("note", "").strip())
    if refusal:
        return product_page(UUID(found["product_id"]), refusal, form=str(deal_id))
    flash(Notice("The note was added."))
    return _to_product(found)


def _note_refusal(found: Document, note: str) -> Refusal | None:
    """Add the note. Returns why that was refused, or None."""
    if not note:
        return of_mistakes({"note": "Enter a note first."})
    dated = f"{day(datetime.now(UTC).isoformat())}: {note}".replace("\r\n", "\n")
    unchanged = Conditions(if_match=(found["etag"],))
    try:
        changes = DealFields.model_validate_strings({"notes": f"{found['notes']}\n{dated}".lstrip()})
        with changing_stats(current_user.user_id):
            replace(caller_repository(), conditions=unchanged).update_deal(UUID(found["id"]), changes)
    except ValidationError:
        return of_mistakes({"note": "The notes of a deal have at most 5,000 characters together."})
    except REFUSED as error:
        return refusal_for(error)
    return None


def _deal_page(deal_id: UUID, refusal: Refusal | None = None) -> ResponseReturnValue:
    found = caller_repository().get_deal(deal_id)
    page = render_template(
        "deal.html",
        deal=found,
        given=request.form if refusal else shown_deal(found),
        refusal=refusal,
        mistakes=refusal.mistakes if refusal else {},
    )
    return page, refusal.status if refusal else HTTPStatus.OK


def _to_product(found: Document) -> ResponseReturnValue:
    return redirect(url_for("desk.product", product_id=found["product_id"]), HTTPStatus.SEE_OTHER)
