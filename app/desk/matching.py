"""One action on all deals that match the filters of the list, in steps."""

import time
from typing import Any, Final
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.deals import outcome
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.limits import WRITES, limited
from app.products.batches import Batches
from app.products.bulk import DealFilter, MatchingAction
from app.products.context import caller_repository
from app.products.errors import InvalidCursorError, NotFoundError
from app.products.schemas import ListQuery
from app.products.stats import changing_stats

_SECONDS: Final = 2
"""Time after which a request stops between two steps and shows the progress."""
_FILTERS: Final = tuple(DealFilter.model_fields)


@desk.get("/deals/all")
@signed_in
def all_that_match() -> ResponseReturnValue:
    """Show how many deals match the filters, and the actions."""
    wanted = {name: value for name in _FILTERS if (value := request.args.get(name, "").strip())}
    try:
        query = ListQuery.model_validate({**wanted, "limit": 1})
    except ValidationError:
        flash(Notice("This filter is not valid. Nothing was changed.", "problem"))
        return redirect(url_for("desk.deals"))
    total = None if query.search else caller_repository().count_deals(query)
    return render_template("matching.html", wanted=wanted, query=query, total=total)


@desk.post("/deals/all")
@signed_in
@limited(WRITES)
def change_all_that_match() -> ResponseReturnValue:
    """Apply the action step by step. Shows the progress after some seconds, and the list at the end."""
    form, wanted = request.form, {name: value for name in _FILTERS if (value := request.form.get(name, "").strip())}
    done = int(form["done"]) if form.get("done", "").isascii() and form.get("done", "").isdigit() else 0
    try:
        step = MatchingAction.model_validate_strings(_asked(wanted))
        if "stop" in form and step.batch_id:
            return _ended(step, done, step.batch_id, wanted, stopped=True)
        reached = _steps(step, done)
    except (ValidationError, InvalidCursorError, NotFoundError):
        flash(Notice("This action is not valid. Nothing was changed.", "problem"))
        return redirect(url_for("desk.deals", **wanted), 303)  # type: ignore[arg-type]  # its options have other names
    if reached["cursor"]:
        total = form.get("total", "")
        return render_template("matching_progress.html", step=step, wanted=wanted, total=total, **reached)
    return _ended(step, reached["done"], reached["batch_id"], wanted, stopped=False)


def _asked(wanted: dict[str, str]) -> dict[str, Any]:
    """Return the step in the form. `stage` is a filter there, and `to_stage` the stage to move to."""
    given = {name: value for name in ("action", "cursor", "batch_id") if (value := request.form.get(name, ""))}
    moving = {"stage": request.form.get("to_stage", "")} if given.get("action") == "move" else {}
    return {**given, **moving, "filter": wanted}


def _steps(step: MatchingAction, done: int) -> dict[str, Any]:
    """Make steps for some seconds. Returns the number of changed deals, and what the next step needs."""
    deadline = time.monotonic() + _SECONDS
    while True:
        with changing_stats(current_user.user_id):
            changed = Batches(caller_repository()).apply(step)
        done += changed.deals
        step = step.model_copy(update={"cursor": changed.next_cursor, "batch_id": changed.batch_id})
        if not changed.next_cursor or time.monotonic() > deadline:
            return {"done": done, "cursor": changed.next_cursor, "batch_id": changed.batch_id}


def _ended(
    step: MatchingAction, done: int, batch_id: UUID, wanted: dict[str, str], *, stopped: bool
) -> ResponseReturnValue:
    """Return to the list with a notice about the whole action, which can be undone."""
    back = url_for("desk.deals", **wanted)  # type: ignore[arg-type]  # its options have other names
    undo = url_for("desk.undo_batch", batch_id=batch_id) if done else ""
    text = f"{outcome(step.action, step.stage, done)}."
    stop = f"Stopped. {text} The others are as before." if stopped else text
    flash(Notice(stop, "problem" if stopped else "done", undo_at=undo, back=back))
    return redirect(back, 303)
