"""The actions of the list. Each redirects back to the list with a notice about the result; htmx gets both at once."""

import json
from dataclasses import replace
from uuid import UUID

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk import matching, swaps
from app.desk.blueprint import desk, local_path
from app.desk.deal_list import RESULTS, changed_list, finished
from app.desk.notices import MOST_UNDONE, Notice
from app.desk.sessions import signed_in
from app.desk.wording import counted, done
from app.limits import WRITES, limited
from app.products.bulk import MAX_BULK, BulkAction
from app.products.context import caller_repository
from app.products.errors import DealsDeletedError, DealsRefusedError
from app.products.repository import Changed
from app.products.stats import changing_stats


@desk.post("/desk/deals")
@signed_in
@limited(WRITES)
def change_deals() -> ResponseReturnValue:
    """Apply the chosen action to all selected deals, or to none of them. For all that match it asks first."""
    if "matching" in request.form:
        return matching.asked(request.form.get("action", ""), request.form.get("stage", ""), request.form.get("back"))
    return _changed(request.form.get("action", ""), request.form.getlist("deal_ids"))


@desk.post("/desk/deals/<uuid:deal_id>/<any(delete, restore, favorite, unfavorite):action>")
@signed_in
@limited(WRITES)
def change_deal(deal_id: UUID, action: str) -> ResponseReturnValue:
    """Apply an action to one deal."""
    return _changed(action, [str(deal_id)])


def _changed(action: str, deal_ids: list[str]) -> ResponseReturnValue:
    notice = _apply(action, deal_ids)
    back = local_path(request.form.get("back"))
    if not swaps.target().startswith("deal-"):
        return finished(notice, back, gone=_gone(action, deal_ids, notice))
    if notice.tone == "done":
        return _row(UUID(deal_ids[0]))
    return swaps.retargeted(changed_list(notice, back), RESULTS)


def _row(deal_id: UUID) -> ResponseReturnValue:
    """Return the row of one deal for htmx."""
    return swaps.varying(render_template("deal_row.html", deal=caller_repository().get_deal(deal_id)))


def _gone(action: str, deal_ids: list[str], notice: Notice) -> list[str]:
    """Return the deals that can no longer be selected: those just deleted, or those that were refused."""
    if notice.tone == "problem":
        return sorted(set(deal_ids) - set(notice.selected)) if notice.selected or notice.undo else []
    return deal_ids if action == "delete" else []


def _apply(action: str, deal_ids: list[str]) -> Notice:
    if not deal_ids:
        return Notice("Select at least one deal first. Nothing was changed.", "problem")
    if len(deal_ids) > MAX_BULK:
        return Notice(f"Select at most {MAX_BULK:,} deals. Nothing was changed.", "problem")
    asked = {"action": action, "deal_ids": deal_ids, "stage": request.form.get("stage") if action == "move" else None}
    try:
        bulk = BulkAction.model_validate_json(json.dumps(asked))
        with changing_stats(current_user.user_id):
            changed = caller_repository().bulk_deals(bulk)
    except ValidationError:
        return Notice("This action is not valid. Nothing was changed.", "problem")
    except DealsRefusedError as refusal:
        return _refused(bulk, refusal)
    return _done(bulk, changed)


def _refused(bulk: BulkAction, refusal: DealsRefusedError) -> Notice:
    """Return the notice for a refused action. The other deals stay selected, and deleted ones can be restored."""
    ids = [str(deal_id) for deal_id in bulk.deal_ids if len(bulk.deal_ids) <= MOST_UNDONE]
    named = set(map(str, refusal.deals.values()))
    selected = tuple(deal_id for deal_id in ids if deal_id not in named)
    kept = Notice(str(refusal), "problem", selected=selected, stage=bulk.stage or "")
    if not isinstance(refusal, DealsDeletedError):
        return kept
    undo = tuple(deal_id for deal_id in ids if deal_id in named)
    return replace(kept, text=_deleted(len(named), of=len(bulk.deal_ids)), undo=undo)


def _deleted(number: int, *, of: int) -> str:
    if of == 1:
        return "This deal has been deleted, perhaps in another tab. Nothing was changed."
    verb = "has" if number == 1 else "have"
    return f"{number:,} of the {counted(of, 'deal')} {verb} been deleted, perhaps in another tab. Nothing was changed."


def _done(bulk: BulkAction, changed: Changed) -> Notice:
    undo = url_for("desk.undo_batch", batch_id=changed.batch_id) if changed.batch_id else ""
    back = local_path(request.form.get("back"))
    return Notice(f"{counted(changed.deals, 'deal')} {done(bulk.action, bulk.stage)}.", undo_at=undo, back=back)
