"""The API's routes for products and deals. Every change is inside `changing_stats`."""

from http import HTTPStatus
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.api import ANY_OR_JSON, ApiBlueprint, check_request
from app.auth import current_user, identify, login_required
from app.limits import WRITES, limited
from app.payloads import body, query
from app.products.context import caller_repository
from app.products.listing import list_response
from app.products.representation import stats_response
from app.products.schemas import BulkAction, DealFields, DeleteQuery, ListQuery, NewProduct, ProductFields
from app.products.stats import asin_status_stats, changing_stats
from app.telemetry import timed

products = ApiBlueprint("products", __name__, url_prefix="/products")


@products.get("", takes_query=True)
@login_required
def list_products() -> ResponseReturnValue:
    """Return one page of deals with their products."""
    return list_response(caller_repository(), query(ListQuery))


@products.post("")
@login_required
@limited(WRITES)
def create_product() -> ResponseReturnValue:
    """Create a product and its deal, or update the deal if it already exists."""
    new = body(NewProduct)
    with changing_stats(current_user.user_id):
        made = caller_repository().create_product(new)
    location = url_for(".get_product", product_id=made.deal["product_id"])
    return made.deal, HTTPStatus.CREATED if made.created else HTTPStatus.OK, {"Location": location}


@products.get("/<uuid:product_id>")
@login_required
def get_product(product_id: UUID) -> ResponseReturnValue:
    """Return one product with its deals."""
    return caller_repository().get_product(product_id)


@products.patch("/<uuid:product_id>")
@login_required
@limited(WRITES)
def update_product(product_id: UUID) -> ResponseReturnValue:
    """Change fields of a product. A new ASIN changes its status."""
    changes = body(ProductFields)
    with changing_stats(current_user.user_id):
        return caller_repository().update_product(product_id, changes)


@products.patch("/deal/<uuid:deal_id>")
@login_required
@limited(WRITES)
def update_deal(deal_id: UUID) -> ResponseReturnValue:
    """Change fields of a deal."""
    changes = body(DealFields)
    with changing_stats(current_user.user_id):
        return caller_repository().update_deal(deal_id, changes)


@products.delete("/deal/<uuid:deal_id>", takes_query=True)
@login_required
@limited(WRITES)
def delete_deal(deal_id: UUID) -> ResponseReturnValue:
    """Delete a deal, or with `?hard=true` remove it permanently."""
    hard = query(DeleteQuery).hard
    with changing_stats(current_user.user_id):
        caller_repository().delete_deal(deal_id, hard=hard)
    if hard:
        audit.record("deal.purge", "ok", user=current_user.user_id, deal=str(deal_id))
    return "", HTTPStatus.NO_CONTENT


@products.post("/bulk-action")
@login_required
@limited(WRITES)
def bulk_action() -> ResponseReturnValue:
    """Apply one action to many deals, to all or to none."""
    bulk = body(BulkAction)
    with changing_stats(current_user.user_id):
        changed = caller_repository().bulk_deals(bulk)
    return {"action": bulk.action, "changed": changed}


@products.get("/stats/asin-status", checked=False)
def asin_status() -> ResponseReturnValue:
    """Return the ASIN status breakdown. This is the hot path: the memoized function computes it only on a miss."""
    environ = request.environ
    if environ["QUERY_STRING"] or environ.get("HTTP_ACCEPT") not in ANY_OR_JSON:
        check_request()
    user = identify(environ)  # as `login_required` does, with one access to Flask's proxy in place of two
    with timed("cache", environ):
        answer = asin_status_stats.lookup(user.user_id)
    return stats_response(answer)
