"""The API's routes for products and deals. Every change is inside `changing_stats`."""

from http import HTTPStatus
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.api import ANY_OR_JSON, ApiBlueprint, check_request
from app.auth import current_user, identify, login_required
from app.limits import WRITES, limited
from app.openapi import Answer, Link, operation
from app.products.answers import (
    AsinStatusCounts,
    ChangedProduct,
    CreatedDeal,
    DealPage,
    ListedDeal,
    ProductWithDeals,
)
from app.products.batch_answers import BulkResult
from app.products.bulk import BulkAction
from app.products.context import caller_repository, changing_repository
from app.products.documents import document_response
from app.products.listing import list_response
from app.products.repository import Document
from app.products.representation import stats_response
from app.products.schemas import DealFields, DeleteQuery, ListQuery, NewProduct, ProductFields
from app.products.stats import asin_status_stats, changing_stats
from app.telemetry import timed

products = ApiBlueprint("products", __name__, url_prefix="/products")

_DEAL = {"deal_id": "$response.body#/id"}
_PRODUCT = {"product_id": "$response.body#/product_id"}
_OF_A_DEAL = {
    "deal": Link("get_deal", _DEAL),
    "product": Link("get_product", _PRODUCT),
    "change_product": Link("update_product", _PRODUCT),
    "change": Link("update_deal", _DEAL),
    "delete": Link("delete_deal", _DEAL),
}
_OF_A_PRODUCT = {
    "product": Link("get_product", {"product_id": "$response.body#/id"}),
    "change": Link("update_product", {"product_id": "$response.body#/id"}),
}
_UNDO = {"undo": Link("undo_batch", {"batch_id": "$response.body#/batch_id"})}
_KEY = ("Idempotency-Key",)
_CONDITIONS = (*_KEY, "If-Match")
_UNCHANGED = Answer("The client already has it.", media_type="", headers=["ETag"])
_NEXT_PAGE = {"next": Link("list_products", {"cursor": "$response.body#/next_cursor"})}


@products.get("")
@login_required
@operation(
    "Products",
    answers={
        200: Answer("The page.", DealPage, headers=["ETag", "Link", "Preference-Applied"], links=_NEXT_PAGE),
        304: Answer("The client already has it.", media_type="", headers=["ETag", "Link", "Preference-Applied"]),
    },
    headers=("If-None-Match", "Prefer"),
)
def list_products(query: ListQuery) -> ResponseReturnValue:
    """Return one page of deals with their products."""
    return list_response(caller_repository(), query)


@products.post("")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={
        201: Answer("The new deal.", CreatedDeal, headers=["ETag", "Location"], links=_OF_A_DEAL),
        200: Answer(
            "The deal that existed, as it is now.", CreatedDeal, headers=["ETag", "Location"], links=_OF_A_DEAL
        ),
    },
    problems=[409],
    headers=_KEY,
)
def create_product(body: NewProduct) -> ResponseReturnValue:
    """Create a product and its deal, or update the deal if it already exists."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        made = repository.create_product(body)
    location = {"Location": url_for(".get_deal", deal_id=made.deal["id"])}
    return document_response(
        _with_repairs(made.deal, body), HTTPStatus.CREATED if made.created else HTTPStatus.OK, location
    )


@products.get("/<uuid:product_id>")
@login_required
@operation(
    "Products",
    answers={200: Answer("The product.", ProductWithDeals, headers=["ETag"], links=_OF_A_PRODUCT), 304: _UNCHANGED},
    headers=("If-None-Match",),
)
def get_product(product_id: UUID) -> ResponseReturnValue:
    """Return one product with its deals, candidates and history."""
    return document_response(caller_repository().get_product(product_id))


@products.patch("/<uuid:product_id>")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("The product as it is now.", ChangedProduct, headers=["ETag"], links=_OF_A_PRODUCT)},
    problems=[409],
    headers=_CONDITIONS,
)
def update_product(product_id: UUID, body: ProductFields) -> ResponseReturnValue:
    """Change fields of a product. A new ASIN changes its status."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        return document_response(_with_repairs(repository.update_product(product_id, body), body))


@products.get("/deal/<uuid:deal_id>")
@login_required
@operation(
    "Products",
    answers={200: Answer("The deal.", ListedDeal, headers=["ETag"], links=_OF_A_DEAL), 304: _UNCHANGED},
    headers=("If-None-Match",),
)
def get_deal(deal_id: UUID) -> ResponseReturnValue:
    """Return one deal with its product, also a deleted deal."""
    return document_response(caller_repository().get_deal(deal_id))


@products.patch("/deal/<uuid:deal_id>")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("The deal as it is now.", ListedDeal, headers=["ETag"], links=_OF_A_DEAL)},
    problems=[409, 410],
    headers=_CONDITIONS,
)
def update_deal(deal_id: UUID, body: DealFields) -> ResponseReturnValue:
    """Change fields of a deal. A deleted deal must be restored first."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        return document_response(repository.update_deal(deal_id, body))


@products.delete("/deal/<uuid:deal_id>")
@login_required
@limited(WRITES)
@operation("Products", answers={204: Answer("The deal is deleted.", media_type="")}, headers=_CONDITIONS)
def delete_deal(deal_id: UUID, query: DeleteQuery) -> ResponseReturnValue:
    """Delete a deal, or with `?hard=true` remove it permanently."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        repository.delete_deal(deal_id, hard=query.hard)
    if query.hard:
        audit.record("deal.purge", "ok", user=current_user.user_id, deal=str(deal_id))
    return "", HTTPStatus.NO_CONTENT


@products.post("/bulk-action")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("The action was applied to all deals.", BulkResult, links=_UNDO)},
    problems=[404, 410],
    headers=_KEY,
)
def bulk_action(body: BulkAction) -> ResponseReturnValue:
    """Apply one action to many deals, to all or to none."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        changed = repository.bulk_deals(body)
    return {"action": body.action, "changed": changed.deals, "batch_id": changed.batch_id}


@products.get("/stats/asin-status", checked=False)
@operation(
    "Statistics",
    answers={
        200: Answer("The breakdown.", AsinStatusCounts, headers=["Cache-Status", "ETag"]),
        304: Answer("The client already has it.", media_type="", headers=["Cache-Status", "ETag"]),
    },
    headers=("If-None-Match",),
    caller="user",
)
def asin_status() -> ResponseReturnValue:
    """Return the ASIN status breakdown. This is the hot path: the memoized function computes it only on a miss."""
    environ = request.environ
    if environ["QUERY_STRING"] or environ.get("HTTP_ACCEPT") not in ANY_OR_JSON:
        check_request()
    user = identify(environ)  # as `login_required` does, with one access to Flask's proxy in place of two
    with timed("cache", environ):
        answer = asin_status_stats.lookup(user.user_id)
    return stats_response(answer)


def _with_repairs(document: Document, body: ProductFields) -> Document:
    """Return the answer to a change, with the member `repaired` if something in the request was repaired."""
    repaired = body.repaired()
    return {**document, "repaired": repaired} if repaired else document
