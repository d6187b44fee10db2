"""The API's routes for candidates, decisions, matches and the queue. Every change is inside `changing_stats`."""

from http import HTTPStatus
from uuid import UUID

from flask.typing import ResponseReturnValue

from app.api import ApiBlueprint
from app.auth import current_user, login_required
from app.limits import WRITES, limited
from app.openapi import Answer, Link, operation
from app.products.answers import ProductWithDeals, QueuedProduct
from app.products.context import caller_matching, changing_matching
from app.products.documents import document_response, page_response
from app.products.listing import page_links
from app.products.matching.answers import BulkAsinResult, MatchPage
from app.products.matching.rows import decide_rows
from app.products.matching.schemas import (
    AsinDecision,
    BulkAsin,
    BulkAsinQuery,
    CandidateList,
    CandidatesQuery,
    MatchQuery,
    MergeInto,
    QueueQuery,
)
from app.products.stats import changing_stats
from app.products.views import products

matches = ApiBlueprint("matches", __name__, url_prefix="/matches")

_KEY = ("Idempotency-Key",)
_CONDITIONS = (*_KEY, "If-Match")
_ID = {"product_id": "$response.body#/id"}
_LINKS = {
    "product": Link("get_product", _ID),
    "candidates": Link("put_candidates", _ID),
    "decide": Link("decide_asin", _ID),
}
_UNDO = {"undo": Link("undo_decision", {"decision_id": "$response.body#/history/0/id"})}
_CHANGED = Answer("The product as it is now.", ProductWithDeals, headers=["ETag"], links=_LINKS)
_DECIDED = Answer("The product as it is now.", ProductWithDeals, headers=["ETag"], links=_LINKS | _UNDO)
_NEXT_PRODUCT = {"next": Link("next_in_queue", {"after": "$response.body#/next_cursor"})}
_OF_MATCHES = {
    "next": Link("list_matches", {"cursor": "$response.body#/next_cursor"}),
    "forget": Link("forget_match", {"gtin": "$response.body#/items/0/gtin", "asin": "$response.body#/items/0/asin"}),
}


@products.put("/<uuid:product_id>/candidates")
@login_required
@limited(WRITES)
@operation("Matching", answers={200: _CHANGED}, problems=[409], headers=_CONDITIONS)
def put_candidates(product_id: UUID, body: CandidateList, query: CandidatesQuery) -> ResponseReturnValue:
    """Replace the candidates of a product. Candidates that were dismissed stay dismissed."""
    matching = changing_matching()
    with changing_stats(current_user.user_id):
        return document_response(matching.put_candidates(product_id, body, accept_single=query.accept_single))


@products.post("/<uuid:product_id>/asin")
@login_required
@limited(WRITES)
@operation("Matching", answers={200: _DECIDED}, problems=[409], headers=_CONDITIONS)
def decide_asin(product_id: UUID, body: AsinDecision) -> ResponseReturnValue:
    """Give a product its ASIN, or dismiss all its candidates. The ASIN need not be a candidate."""
    matching = changing_matching()
    with changing_stats(current_user.user_id):
        return document_response(matching.decide(product_id, body))


@products.post("/<uuid:product_id>/merge")
@login_required
@limited(WRITES)
@operation("Matching", answers={200: _DECIDED}, problems=[409], headers=_CONDITIONS)
def merge_product(product_id: UUID, body: MergeInto) -> ResponseReturnValue:
    """Merge a product into another one, and return the other one. It gets the deals and candidates; no deal is lost."""
    matching = changing_matching()
    with changing_stats(current_user.user_id):
        return document_response(matching.merge(product_id, body.into))


@products.post("/decisions/<uuid:decision_id>/undo")
@login_required
@limited(WRITES)
@operation("Matching", answers={200: _CHANGED}, problems=[409, 410], headers=_KEY)
def undo_decision(decision_id: UUID) -> ResponseReturnValue:
    """Undo the latest decision about a product, and return the product. Undoing it again changes nothing."""
    matching = changing_matching()
    with changing_stats(current_user.user_id):
        return document_response(matching.undo(decision_id))


@products.post("/bulk-asin")
@login_required
@limited(WRITES)
@operation("Matching", answers={200: Answer("The outcome of each row.", BulkAsinResult)}, headers=_KEY)
def bulk_asin(body: BulkAsin, query: BulkAsinQuery) -> ResponseReturnValue:
    """Give many products their ASINs. A row that is refused does not stop the others."""
    matching, remember = changing_matching(), (body.remember or query.remember) is not None
    with changing_stats(current_user.user_id):
        return {"results": decide_rows(matching, body.rows, remember=remember)}


@products.get("/queue")
@login_required
@operation(
    "Matching",
    answers={
        200: Answer("The next product.", QueuedProduct, headers=["ETag"], links=_NEXT_PRODUCT),
        304: Answer("The client already has it.", media_type="", headers=["ETag"]),
    },
    headers=("If-None-Match",),
)
def next_in_queue(query: QueueQuery) -> ResponseReturnValue:
    """Return the next product with a status. The order is that of the list, the newest deal first."""
    found = caller_matching().next_in_queue(query.asin_status, query.after)
    return page_response({"product": found.product, "next_cursor": found.next_cursor}, {})


@matches.get("")
@login_required
@operation(
    "Matching",
    answers={
        200: Answer("The page.", MatchPage, headers=["ETag", "Link"], links=_OF_MATCHES),
        304: Answer("The client already has it.", media_type="", headers=["ETag", "Link"]),
    },
    headers=("If-None-Match",),
)
def list_matches(query: MatchQuery) -> ResponseReturnValue:
    """Return one page of the matches, newest first."""
    page = caller_matching().list_matches(query)
    links = page_links("matches.list_matches", page.next_cursor)
    return page_response({"items": page.items, "next_cursor": page.next_cursor}, {"Link": links})


@matches.delete("/<gtin>/<asin>")
@login_required
@limited(WRITES)
@operation("Matching", answers={204: Answer("The match is forgotten.", media_type="")}, headers=_KEY)
def forget_match(gtin: str, asin: str) -> ResponseReturnValue:
    """Forget a match. The identifier is a UPC, EAN or GTIN. Products keep their ASINs."""
    matching = changing_matching()
    with changing_stats(current_user.user_id):
        matching.forget_match(gtin, asin)
    return "", HTTPStatus.NO_CONTENT
