"""Batches of one user: actions on all deals that match a filter, and the undo of a batch."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.products import cursors, results
from app.products.bulk import MAX_BULK, MatchingAction
from app.products.refusals import batch_errors, cursor_errors, undo_errors
from app.products.repository import Changed, Document, Repository

_ORDER: Final = "-created_at"
"""The order of the steps. Deals that are added meanwhile come before the first step, so they are left as they are."""


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of one user, in the database.

    The methods raise what the methods of `Repository` raise, under the same conditions.
    """

    repository: Repository

    def apply(self, step: MatchingAction) -> Changed:
        """Apply one step of an action to the deals that match its filter.

        Raises InvalidCursorError for a cursor of another list, and NotFoundError for a batch that cannot be continued.
        """
        with cursor_errors(step.cursor), batch_errors():
            answer = self.repository.change(
                "bulk_matching",
                p_action=step.action,
                p_stage=step.stage,
                p_filter=step.filter.model_dump(mode="json"),
                **cursors.arguments(step.cursor, sort=_ORDER),
                p_batch_id=str(step.batch_id) if step.batch_id else None,
                p_limit=MAX_BULK,
            )
        done = results.done(answer, "changed", "batch_id", "next")
        return Changed(int(done["changed"]), UUID(done["batch_id"]), cursors.after(done["next"], sort=_ORDER))

    def undo(self, batch_id: UUID) -> Document:
        """Undo one step of a batch: put back up to 1000 deals. Raises NotFoundError and UndoTooLateError.

        The caller repeats the call while `remaining` is true. A deal that was changed since, or removed permanently, is
        skipped. Returns the members of `app.products.batch_answers.BatchUndone`.
        """
        with undo_errors():
            answer = self.repository.change("undo_batch", p_batch_id=str(batch_id), p_limit=MAX_BULK)
        return results.changed(answer, "batch", "batch_id", "restored", "skipped", "remaining")
