"""The undo of an action on many deals."""

import time
from typing import Final
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk.blueprint import desk, local_path
from app.desk.deal_list import finished
from app.desk.notices import Notice
from app.desk.sessions import signed_in
from app.desk.wording import counted, left_alone
from app.limits import WRITES, limited
from app.products.batches import Batches
from app.products.context import caller_repository
from app.products.errors import NotFoundError, UndoTooLateError
from app.products.repository import Document
from app.products.stats import changing_stats

_SECONDS: Final = 5
"""Time after which an undo stops between two steps. The notice then offers to go on."""


@desk.post("/desk/batches/<uuid:batch_id>/undo")
@signed_in
@limited(WRITES)
def undo_batch(batch_id: UUID) -> ResponseReturnValue:
    """Take back an action on many deals, and return to the page."""
    back = local_path(request.form.get("back"))
    try:
        notice = _notice(_undone(batch_id), back)
    except (NotFoundError, UndoTooLateError):
        notice = Notice("This can no longer be undone. Nothing was changed.", "problem")
    return finished(notice, back)


def _undone(batch_id: UUID) -> Document:
    """Undo the batch step by step. Returns the result of the last step."""
    deadline = time.monotonic() + _SECONDS
    while True:
        with changing_stats(current_user.user_id):
            result = Batches(caller_repository()).undo(batch_id)
        if not result["remaining"] or time.monotonic() > deadline:
            return result


def _notice(result: Document, back: str) -> Notice:
    restored = f"{counted(result['restored'], 'deal')} {'is' if result['restored'] == 1 else 'are'} as before."
    if result["remaining"]:
        again = url_for("desk.undo_batch", batch_id=result["batch_id"])
        return Notice(f"Partly undone so far: {restored} Press Undo to go on.", "problem", undo_at=again, back=back)
    if not result["skipped"]:
        return Notice(f"Undone. {restored}")
    return Notice(f"Undone. {restored} {left_alone(result['skipped'])}", "done" if result["restored"] else "problem")
