"""The cells of the list, which are changed in place. Each change is answered with the row."""

from dataclasses import replace
from http import HTTPStatus
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk import swaps
from app.desk.blueprint import desk
from app.desk.forms import one_change, shown_deal, shown_product
from app.desk.refusals import REFUSED, refusal_for
from app.desk.sessions import signed_in
from app.limits import WRITES, limited
from app.products.conditions import Conditions
from app.products.context import caller_repository
from app.products.errors import DeletedError, PreconditionFailedError
from app.products.repository import Repository
from app.products.schemas import DealFields, ProductFields
from app.products.stats import changing_stats


@desk.post("/desk/deals/<uuid:deal_id>/cells/<any(supplier, buy_cost, moq, stage, notes):field>")
@signed_in
@limited(WRITES)
def change_cell(deal_id: UUID, field: str) -> ResponseReturnValue:
    """Change one field of a deal. A change of the same field by somebody else is never overwritten."""
    try:
        _change_deal(deal_id, field, one_change(DealFields, field, request.form.get(field, "")))
    except REFUSED as error:
        return _row(deal_id, field, error)
    return _row(deal_id)


@desk.post("/desk/deals/<uuid:deal_id>/cells/asin")
@signed_in
@limited(WRITES)
def change_asin(deal_id: UUID) -> ResponseReturnValue:
    """Change the ASIN of the deal's product."""
    try:
        _change_asin(deal_id, one_change(ProductFields, "asin", request.form.get("asin", "")))
    except REFUSED as error:
        return _row(deal_id, "asin", error)
    return _row(deal_id)


def _change_deal(deal_id: UUID, field: str, change: DealFields) -> None:
    """Change the deal if it is as the page shows it, or if other fields of it were changed meanwhile."""
    try:
        _update_deal(deal_id, change, etag=request.form.get("etag", ""))
    except PreconditionFailedError:
        found = caller_repository().get_deal(deal_id)
        if not found["active"]:
            raise DeletedError from None
        current = shown_deal(found)[field]
        if one_change(DealFields, field, current) == change:
            return  # it was saved, but the answer was lost
        if current != _known():
            raise
        _update_deal(deal_id, change, etag=found["etag"])


def _update_deal(deal_id: UUID, change: DealFields, *, etag: str) -> None:
    with changing_stats(current_user.user_id):
        _unchanged(etag).update_deal(deal_id, change)


def _change_asin(deal_id: UUID, change: ProductFields) -> None:
    """Change the ASIN if it is the one that the page shows. The entity tag of the list is not that of the product."""
    product_id = UUID(caller_repository().get_deal(deal_id)["product_id"])
    found = caller_repository().get_product(product_id)
    current = shown_product(found)["asin"]
    if current == (change.asin or ""):
        return
    if current != _known():
        raise PreconditionFailedError("The ASIN was changed.", found["etag"])
    with changing_stats(current_user.user_id):
        _unchanged(found["etag"]).update_product(product_id, change)


def _known() -> str:
    """Return the value that the page showed before the user changed it."""
    return request.form.get("was", "").replace("\r\n", "\n")


def _unchanged(etag: str) -> Repository:
    return replace(caller_repository(), conditions=Conditions(if_match=(etag,)))


def _row(deal_id: UUID, field: str = "", error: Exception | None = None) -> ResponseReturnValue:
    """Return the row as it is now. After an error, the cell says why its new value was not saved."""
    refusal = refusal_for(error) if error else None
    conflict = isinstance(error, PreconditionFailedError)
    shown = render_template(
        "deal_row.html",
        deal=caller_repository().get_deal(deal_id),
        field=field,
        refusal=refusal,
        conflict=conflict,
        typed=request.form.get(field, ""),
    )
    status = HTTPStatus.PRECONDITION_FAILED if conflict else refusal.status if refusal else HTTPStatus.OK
    return swaps.varying((shown, status), *(() if refusal else (swaps.STATS_CHANGED,)))
