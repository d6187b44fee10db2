"""Decide the ASIN of a product, on its page and in the queues, and take a decision back."""

import re
from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk.blueprint import desk, local_path
from app.desk.forms import conditional_repository
from app.desk.notices import Notice, flash
from app.desk.product import product_page
from app.desk.refusals import REFUSED, Refusal, refusal_for
from app.desk.sessions import signed_in
from app.desk.wording import LABELS
from app.limits import WRITES, limited
from app.products.context import caller_matching
from app.products.errors import ConflictError, UndoTooLateError
from app.products.matching.repository import Matching
from app.products.matching.schemas import AsinDecision
from app.products.repository import Document
from app.products.schemas import ProductFields
from app.products.stats import changing_stats

_LISTING: Final = re.compile(r"https?://\S+/(?:dp|gp/product)/([A-Za-z0-9]{10})(?![A-Za-z0-9])\S*", re.ASCII)


@desk.post("/desk/products/<uuid:product_id>/asin")
@signed_in
@limited(WRITES)
def decide(product_id: UUID) -> ResponseReturnValue:
    """Give the product the chosen ASIN, or dismiss its candidates."""
    decided = decided_product(product_id)
    if isinstance(decided, Refusal):
        return product_page(product_id, decided, form="asin")
    back = url_for("desk.product", product_id=product_id)
    flash(decision_notice(decided, back=back))
    return redirect(back, HTTPStatus.SEE_OTHER)


@desk.post("/desk/products/<uuid:product_id>/decisions/<uuid:decision_id>/undo")
@signed_in
@limited(WRITES)
def undo_decision(product_id: UUID, decision_id: UUID) -> ResponseReturnValue:
    """Take a decision back, and return to the page on which it was made."""
    try:
        with changing_stats(current_user.user_id):
            restored = caller_matching().undo(decision_id)
    except (ConflictError, UndoTooLateError) as error:
        return product_page(product_id, Refusal(f"Not undone. {error}", HTTPStatus.CONFLICT))
    flash(Notice(_undone(restored, str(decision_id))))
    return redirect(local_path(request.form.get("back")), HTTPStatus.SEE_OTHER)


def _undone(restored: Document, decision_id: str) -> str:
    """Return the message about an undo. After the undo of a merge, `restored` is the product that was kept."""
    kind = next((decision["kind"] for decision in restored["history"] if decision["id"] == decision_id), "")
    if kind == "merge":
        return f"Undone. “{restored['title']}” and the product merged into it are two products again."
    return f"Undone. “{restored['title']}” is back in {LABELS[restored['asin_status']]}."


def decided_product(product_id: UUID) -> Document | Refusal:
    """Apply the answer in the form. Returns the product as it is now, or why the answer was refused."""
    try:
        if _answers_with_upc():
            changes = ProductFields.model_validate_strings({"upc": request.form.get("upc", "")})
            with changing_stats(current_user.user_id):
                return conditional_repository().update_product(product_id, changes)
        decision = _given_decision()
        with changing_stats(current_user.user_id):
            return Matching(conditional_repository()).decide(product_id, decision)
    except REFUSED as error:
        return refusal_for(error)


def decision_notice(product: Document, *, back: str) -> Notice:
    """Return the message about a decision, with its undo. `back` is the page to return to after the undo."""
    title, latest = product["title"], next(iter(product["history"]), None)
    if _answers_with_upc():
        return Notice(f"“{title}” now has the UPC {product['upc']}. Status: {LABELS[product['asin_status']]}.")
    remembered = " The answer is remembered for its UPC." if "remember" in request.form else ""
    if product["asin_status"] == "asin_found":
        text = f"“{title}” now has the ASIN {product['asin']}.{remembered}"
    else:
        text = f"None of the candidates is “{title}”. Status: {LABELS[product['asin_status']]}.{remembered}"
    if latest is None or not latest["can_undo"]:
        return Notice(text)
    undo = url_for("desk.undo_decision", product_id=product["id"], decision_id=latest["id"])
    return Notice(text, undo_at=undo, back=back)


def _answers_with_upc() -> bool:
    """Return whether the answer is a UPC. The Enter key in any input presses the button of the ASIN."""
    form = request.form
    typed = form.get("answer") == "asin" and not form.get("asin", "").strip() and bool(form.get("upc", "").strip())
    return typed or form.get("answer") == "upc"


def _given_decision() -> AsinDecision:
    """Return the decision in the form: a candidate's button, an ASIN that was entered, or none of the candidates."""
    remembered = "remember" in request.form
    if request.form.get("answer") == "none":
        return AsinDecision.model_validate({"none": True, "remember": "never" if remembered else None})
    asin = _asin_in(request.form.get("choose") or request.form.get("asin", ""))
    return AsinDecision.model_validate({"asin": asin, "remember": "always" if remembered else None})


def _asin_in(text: str) -> str:
    """Return the ASIN in the address of a listing at Amazon. Any other text is returned unchanged."""
    found = _LISTING.fullmatch(text.strip())
    return found[1] if found else text
