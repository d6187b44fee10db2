"""The trash: the deleted deals, which can be restored for 30 days or deleted for good."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.desk.wording import counted, left_alone
from app.limits import WRITES, limited
from app.products.conditions import Conditions
from app.products.context import caller_repository
from app.products.errors import NotFoundError, PreconditionFailedError
from app.products.repository import Document
from app.products.results import Total
from app.products.schemas import ListQuery
from app.products.stats import changing_stats

_PAGE_SIZE: Final = 50
_KEPT_DAYS: Final = 30


@desk.get("/trash")
@signed_in
def trash() -> ResponseReturnValue:
    """Show the deleted deals, the last deleted ones first."""
    repository = caller_repository()
    cursor = request.args.get("cursor")
    page = repository.list_trash(cursor, limit=_PAGE_SIZE)
    whole = not cursor and not page.next_cursor
    total = Total(len(page.items), is_exact=True) if whole else repository.count_deals(ListQuery(active=False))
    return render_template("trash.html", page=page, cursor=cursor, total=total, kept_days=_KEPT_DAYS)


@desk.post("/trash/delete")
@signed_in
@limited(WRITES)
def purge_deals() -> ResponseReturnValue:
    """Ask for confirmation, and then permanently remove the selected deals. Deals that were restored are kept."""
    chosen = [deal for text in request.form.getlist("deal_ids")[:_PAGE_SIZE] if (deal := _deleted_deal(text))]
    if not chosen:
        flash(Notice("Select at least one deal first. Nothing was changed.", "problem"))
    elif "confirmed" not in request.form:
        return render_template("trash_confirm.html", deals=chosen)
    else:
        flash(_purged([_purge(deal) for deal in chosen]))
    return redirect(url_for("desk.trash"), HTTPStatus.SEE_OTHER)


def _purge(deal: Document) -> bool:
    """Remove the deal for good. Returns False if it was restored or removed since it was read."""
    repository = replace(caller_repository(), conditions=Conditions(if_match=(deal["etag"],)))
    try:
        with changing_stats(current_user.user_id):
            repository.delete_deal(UUID(deal["id"]), hard=True)
    except (NotFoundError, PreconditionFailedError):
        return False
    audit.record("deal.purge", "ok", user=current_user.user_id, deal=deal["id"])
    return True


def _purged(removed: list[bool]) -> Notice:
    text = f"{counted(removed.count(True), 'deal')} deleted for good."
    if all(removed):
        return Notice(text)
    return Notice(f"{text} {left_alone(removed.count(False))}", "problem")


def _deleted_deal(text: str) -> Document | None:
    """Return the deal with this id if it is in the trash."""
    try:
        deal = caller_repository().get_deal(UUID(text))
    except (ValueError, NotFoundError):
        return None
    return None if deal["active"] else deal
