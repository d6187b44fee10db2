"""The queues: the products without an ASIN, one after the other, each with its candidates."""

from http import HTTPStatus
from typing import Final, Literal

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk import wording
from app.desk.blueprint import desk
from app.desk.deciding import decided_product, decision_notice
from app.desk.forms import id_in
from app.desk.notices import Notice, flash
from app.desk.refusals import Refusal
from app.desk.sessions import signed_in
from app.limits import WRITES, limited
from app.products.context import caller_matching, caller_repository
from app.products.errors import InvalidCursorError, NotFoundError
from app.products.repository import Document
from app.products.stats import asin_status_stats

Status = Literal["needs_selection", "needs_asin", "manual_entry"]

_TASKS: Final = {
    "needs_selection": "Which listing is it?",
    "needs_asin": "Which ASIN does this UPC have?",
    "manual_entry": "Find its ASIN or its UPC",
}


@desk.get("/desk/queue/<any(needs_selection, needs_asin, manual_entry):status>")
@signed_in
def queue(status: Status) -> ResponseReturnValue:
    """Show the next product of the queue, or where to go on if there is none."""
    try:
        queued = caller_matching().next_in_queue(status, request.args.get("after") or None)
    except InvalidCursorError:
        return redirect(_address(status, None))
    return _page(status, queued.product, queued.next_cursor)


@desk.post("/desk/queue/<any(needs_selection, needs_asin, manual_entry):status>")
@signed_in
@limited(WRITES)
def decide_in_queue(status: Status) -> ResponseReturnValue:
    """Apply the answer and go on with the next product. A refused answer shows the product as it is now."""
    try:
        product_id = id_in(request.form.get("product_id", ""))
        decided = decided_product(product_id)
        if isinstance(decided, Refusal):
            found = caller_repository().get_product(product_id)
            return _page(status, found, request.form.get("next"), decided)
    except NotFoundError:
        flash(Notice("This product no longer exists. Nothing was saved.", "problem"))
        return redirect(_here(status), HTTPStatus.SEE_OTHER)
    flash(decision_notice(decided, back=_here(status)))
    following = _address(status, request.form.get("next")) if _waits(decided, status) else _here(status)
    return redirect(following, HTTPStatus.SEE_OTHER)


def _page(
    status: Status, product: Document | None, next_cursor: str | None, refusal: Refusal | None = None
) -> ResponseReturnValue:
    page = render_template(
        "queue.html",
        numbers=asin_status_stats.lookup(current_user.user_id).value.document(),
        statuses=(wording.ALL, *wording.STATUSES),
        status=status,
        task=_TASKS[status],
        tasks=tuple(_TASKS),
        product=product,
        waiting=product is not None and _waits(product, status),
        next_cursor=next_cursor,
        skip=_address(status, next_cursor),
        here=_here(status),
        remember=_remembers(),
        refusal=refusal,
        mistakes=refusal.mistakes if refusal else {},
    )
    return page, refusal.status if refusal else HTTPStatus.OK


def _waits(product: Document, status: Status) -> bool:
    """Return whether the product is in the queue: it has the status and an active deal."""
    return bool(product["asin_status"] == status and any(deal["active"] for deal in product["deals"]))


def _remembers() -> bool:
    """Return whether the box "Remember" is ticked. It stays as the user left it."""
    if "asked" in request.form:
        return "remember" in request.form
    return request.args.get("remember") != "no"


def _here(status: Status) -> str:
    """Return the address of the queue at the place of this request."""
    return _address(status, request.args.get("after"))


def _address(status: Status, after: str | None) -> str:
    """Return the address of the queue after this cursor, or of its start."""
    return url_for("desk.queue", status=status, after=after or None, remember=None if _remembers() else "no")
