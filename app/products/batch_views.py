"""The API's routes for batches. Every change is inside `changing_stats`."""

from uuid import UUID

from flask.typing import ResponseReturnValue

from app.auth import current_user, login_required
from app.limits import WRITES, limited
from app.openapi import Answer, Link, operation
from app.products.batch_answers import BatchUndone, MatchingResult
from app.products.batches import Batches
from app.products.bulk import MatchingAction
from app.products.context import changing_repository
from app.products.stats import changing_stats
from app.products.views import products

_KEY = ("Idempotency-Key",)
_UNDO = {"undo": Link("undo_batch", {"batch_id": "$response.body#/batch_id"})}
_AGAIN = {"continue": Link("undo_batch", {"batch_id": "$response.body#/batch_id"})}


@products.post("/bulk-action/matching")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("The action was applied to the deals of this step.", MatchingResult, links=_UNDO)},
    problems=[404],
    headers=_KEY,
)
def bulk_action_matching(body: MatchingAction) -> ResponseReturnValue:
    """Apply one action to all deals that match a filter, up to 1000 per request."""
    batches = Batches(changing_repository())
    with changing_stats(current_user.user_id):
        done = batches.apply(body)
    return {"action": body.action, "changed": done.deals, "batch_id": done.batch_id, "next_cursor": done.next_cursor}


@products.post("/batches/<uuid:batch_id>/undo")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("What was put back so far.", BatchUndone, links=_AGAIN)},
    problems=[410],
    headers=_KEY,
)
def undo_batch(batch_id: UUID) -> ResponseReturnValue:
    """Undo a bulk action or an import, 1000 deals at a time. Deals that were changed since are left as they are."""
    batches = Batches(changing_repository())
    with changing_stats(current_user.user_id):
        return batches.undo(batch_id)
