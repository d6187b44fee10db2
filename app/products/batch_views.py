"""The API's routes for batches. Every change is inside `changing_stats`."""

from uuid import UUID

from flask.typing import ResponseReturnValue

from app.auth import current_user, login_required
from app.limits import WRITES, limited
from app.openapi import Answer, Link, operation
from app.products.answers import BatchUndone
from app.products.context import changing_repository
from app.products.stats import changing_stats
from app.products.views import products

_AGAIN = {"continue": Link("undo_batch", {"batch_id": "$response.body#/batch_id"})}


@products.post("/batches/<uuid:batch_id>/undo")
@login_required
@limited(WRITES)
@operation(
    "Products",
    answers={200: Answer("What was put back so far.", BatchUndone, links=_AGAIN)},
    problems=[410],
    headers=("Idempotency-Key",),
)
def undo_batch(batch_id: UUID) -> ResponseReturnValue:
    """Undo a bulk action or an import, 1000 deals at a time. Deals that were changed since are left as they are."""
    repository = changing_repository()
    with changing_stats(current_user.user_id):
        return repository.undo_batch(batch_id)
