"""What the list's buttons do. Each ends in a redirect back to the list, with a notice of what happened."""

import json
from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import redirect, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk import links
from app.desk.blueprint import desk
from app.desk.notices import MOST_UNDONE, Notice, leave
from app.desk.sessions import signed_in
from app.desk.wording import LABELS, counted
from app.problems import Problem
from app.products import repository
from app.products.schemas import BulkAction
from app.products.stats import changing_stats

_DONE: Final = {
    "delete": "deleted",
    "restore": "brought back",
    "favorite": "marked as favorite",
    "unfavorite": "no longer marked as favorite",
}


@desk.post("/desk/deals")
@signed_in
def change_deals() -> ResponseReturnValue:
    """Apply the chosen action to the ticked deals: all of them or none."""
    return _changed(request.form.get("action", ""), request.form.getlist("deal_ids"))


@desk.post("/desk/deals/<uuid:deal_id>/<any(delete, favorite, unfavorite):action>")
@signed_in
def change_deal(deal_id: UUID, action: str) -> ResponseReturnValue:
    """Apply an action to one deal."""
    return _changed(action, [str(deal_id)])


def _changed(action: str, deal_ids: list[str]) -> ResponseReturnValue:
    leave(_apply(action, deal_ids))
    return redirect(links.local(request.form.get("back")), HTTPStatus.SEE_OTHER)


def _apply(action: str, deal_ids: list[str]) -> Notice:
    if not deal_ids:
        return Notice("Tick at least one deal first. Nothing was changed.", "problem")
    asked = {"action": action, "deal_ids": deal_ids, "stage": request.form.get("stage") if action == "move" else None}
    try:
        bulk = BulkAction.model_validate_json(json.dumps(asked))
        with changing_stats(current_user.user_id):
            number = repository.bulk_deals(bulk)
    except ValidationError:
        return Notice("This action is not one of the desk's. Nothing was changed.", "problem")
    except Problem as problem:
        if problem.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise
        return Notice(str(problem), "problem")
    return _done(bulk, number)


def _done(bulk: BulkAction, number: int) -> Notice:
    what = f"moved to {LABELS[bulk.stage]}" if bulk.stage else _DONE[bulk.action]
    offered = bulk.action == "delete" and number <= MOST_UNDONE
    return Notice(f"{counted(number, 'deal')} {what}.", undo=tuple(map(str, bulk.deal_ids)) if offered else ())
