"""The page that merges a product into another one: find it, compare both, then merge."""

from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk, local_path
from app.desk.forms import conditional_repository, id_in
from app.desk.notices import Notice, flash
from app.desk.refusals import REFUSED, Refusal, refusal_for
from app.desk.sessions import signed_in
from app.limits import WRITES, limited
from app.products.context import caller_repository
from app.products.errors import NotFoundError
from app.products.matching.repository import Matching
from app.products.repository import Document
from app.products.schemas import ListQuery
from app.products.stats import changing_stats


@desk.get("/desk/products/<uuid:product_id>/merge")
@signed_in
def merge(product_id: UUID) -> ResponseReturnValue:
    """Show both products side by side, or say that the other one was not found."""
    return _page(product_id, request.args.get("into", ""))


@desk.post("/desk/products/<uuid:product_id>/merge")
@signed_in
@limited(WRITES)
def merge_into(product_id: UUID) -> ResponseReturnValue:
    """Merge the product into the other one."""
    into = request.form.get("into", "")
    try:
        with changing_stats(current_user.user_id):
            kept = Matching(conditional_repository()).merge(product_id, id_in(into))
    except REFUSED as error:
        return _page(product_id, into, refusal_for(error))
    back = _back(product_id, kept)
    flash(_notice(kept, back))
    return redirect(back, HTTPStatus.SEE_OTHER)


def find_product(text: str) -> Document | None:
    """Return the product with this ASIN, UPC or id, or None. A UPC is also found with other leading zeros.

    For an ASIN or UPC of a product that was merged into another one, the other one is returned.
    """
    wanted = text.strip().upper()
    try:
        return caller_repository().get_product(id_in(wanted))
    except NotFoundError:
        pass
    for active in (True, False):
        for item in _listed(wanted, active=active):
            product = item["product"]
            if wanted == product["asin"] or (product["upc"] and _gtin(wanted) == _gtin(product["upc"])):
                return caller_repository().get_product(UUID(product["merged_into"] or product["id"]))
    return None


def _listed(wanted: str, *, active: bool) -> list[Document]:
    """Return the deals whose product contains the ASIN, or the UPC without leading zeros."""
    try:
        query = ListQuery(search=wanted.lstrip("0") if wanted.isdigit() else wanted, active=active, limit=200)
    except ValidationError:
        return []
    return caller_repository().list_deals(query).items


def _gtin(upc: str) -> str:
    return upc.zfill(14)


def _back(product_id: UUID, kept: Document) -> str:
    """Return the page to show after the merge: never that of the product that has lost its deals."""
    emptied, shown = (url_for("desk.product", product_id=each) for each in (product_id, kept["id"]))
    back = local_path(request.values.get("back") or shown)
    return shown if urlsplit(back).path == emptied else back


def _page(product_id: UUID, into: str, refusal: Refusal | None = None) -> ResponseReturnValue:
    source = caller_repository().get_product(product_id)
    other = find_product(into)
    mistake = _mistake(source, other)
    page = render_template(
        "merge.html",
        source=source,
        other=None if mistake else other,
        into=into,
        mistake=mistake,
        refusal=refusal,
        back=local_path(request.values.get("back") or url_for("desk.product", product_id=product_id)),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.OK
    return page, refusal.status if refusal else status


def _mistake(source: Document, other: Document | None) -> str:
    if other is None:
        return "You have no product with this ASIN or UPC."
    return "This is the same product. Enter the ASIN or UPC of the other one." if other["id"] == source["id"] else ""


def _notice(kept: Document, back: str) -> Notice:
    latest = next(iter(kept["history"]), None)
    undo = latest and url_for("desk.undo_decision", product_id=kept["id"], decision_id=latest["id"])
    return Notice(f"Merged into “{kept['title']}”, which now has the deals of both.", undo_at=undo or "", back=back)
