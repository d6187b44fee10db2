"""An action on all deals that match the filters of the list, in steps. One page asks first and shows the progress."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid4

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk import swaps
from app.desk.blueprint import desk
from app.desk.deal_list import Choice, chosen_at
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.desk.wording import LABELS, counted, doing, done
from app.limits import WRITES, limited
from app.products.batches import Batches
from app.products.bulk import MatchingAction
from app.products.conditions import Conditions
from app.products.context import caller_repository
from app.products.errors import InvalidCursorError, NotFoundError
from app.products.schemas import ListQuery
from app.products.stats import changing_stats

_FILTERS: Final = ("asin_status", "stage", "favorite", "search")
_INVALID: Final = Notice("This action is not valid. Nothing was changed.", "problem")
_LOST: Final = Notice("This can no longer be continued. The other deals stay as they are.", "problem")


@dataclass(frozen=True, slots=True)
class Task:
    """An action on all deals that match a filter, and how far it is.

    Attributes:
        step: the next step.
        done: the number of deals that the steps so far changed.
        of: the number of deals that matched at the start; None if they were not counted to the end.

    """

    step: MatchingAction
    done: int = 0
    of: int | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the form of the next step. With the key, a step that is sent again is made only once."""
        kept = _texts(self.step.filter.model_dump(mode="json"))
        position = {"cursor": self.step.cursor, "batch_id": self.step.batch_id, "of": self.of, "key": uuid4()}
        fields = kept | {"do": self.step.action, "to": self.step.stage, "done": self.done} | position
        return {name: str(value) for name, value in fields.items() if value is not None}

    @property
    def title(self) -> str:
        """What the action does, such as "Move 3 deals to Ordered"."""
        deals = "all deals that match" if self.of is None else counted(self.of, "deal")
        return doing(self.step.action, self.step.stage, deals)

    @property
    def filters(self) -> list[str]:
        """The filters in words."""
        given = self.step.filter
        favorite = {True: "favorites", False: "no favorites", None: ""}[given.favorite]
        status, stage = given.asin_status and LABELS[given.asin_status], given.stage and f"stage {LABELS[given.stage]}"
        return [text for text in (status, stage, favorite, given.search and f"“{given.search}”") if text]

    @property
    def choice(self) -> Choice:
        """The list of these deals."""
        return Choice(ListQuery(**self.step.filter.model_dump(), active=self.step.action != "restore"))

    @property
    def back(self) -> str:
        """The page to return to."""
        return url_for("desk.trash") if self.step.action == "restore" else self.choice.url()


def asked(action: str, stage: str, back: str | None) -> ResponseReturnValue:
    """Return a redirect to the page that asks whether to apply an action to all deals of the list at `back`."""
    query = chosen_at(back or "").query
    to = {"do": action} | ({"to": stage} if action == "move" else {})
    given: dict[str, Any] = to | _texts(query.model_dump(mode="json", include=set(_FILTERS)))
    address = url_for("desk.ask_matching", **given)
    return swaps.sent_to(address) if swaps.is_wanted() else redirect(address, HTTPStatus.SEE_OTHER)


@desk.get("/deals/matching")
@signed_in
def ask_matching() -> ResponseReturnValue:
    """Ask whether to apply an action to all deals that match. Changes nothing."""
    task = _task(request.args)
    if not task:
        return _ended(_INVALID, url_for("desk.deals"))
    total = caller_repository().count_deals(task.choice.query)
    return _page(replace(task, of=total.deals if total.is_exact else None))


@desk.post("/deals/matching")
@signed_in
@limited(WRITES)
def change_matching() -> ResponseReturnValue:
    """Make one step, and show the progress. After the last step, or to stop, return to the list with Undo."""
    task = _task(request.form)
    if not task:
        return _ended(_INVALID, url_for("desk.deals"))
    if "stop" in request.form:
        return _ended(_result(task, task.step.batch_id, stopped=True), task.back)
    repository = replace(caller_repository(), conditions=Conditions(key=request.form.get("key")))
    try:
        with changing_stats(current_user.user_id):
            changed = Batches(repository).apply(task.step)
    except (InvalidCursorError, NotFoundError):
        return _ended(_LOST, task.back)
    step = task.step.model_copy(update={"batch_id": changed.batch_id, "cursor": changed.next_cursor})
    task = replace(task, step=step, done=task.done + changed.deals)
    return _page(task) if step.cursor else _ended(_result(task, changed.batch_id), task.back)


def _task(given: Mapping[str, str]) -> Task | None:
    """Return what a form or an address asks for; None if it is invalid."""
    wanted: dict[str, object] = {name: given[name] for name in _FILTERS if given.get(name)}
    if "favorite" in wanted:
        wanted["favorite"] = wanted["favorite"] == "true"
    position = {name: given.get(name) or None for name in ("cursor", "batch_id")}
    step = {"action": given.get("do"), "stage": given.get("to") or None, "filter": wanted, **position}
    try:
        action = MatchingAction.model_validate_json(json.dumps(step))
    except ValidationError:
        return None
    return Task(action, _number(given.get("done")) or 0, _number(given.get("of")))


def _texts(filters: Mapping[str, object]) -> dict[str, str]:
    """Return the filters that are set, as they stand in addresses and forms."""
    given = {name: value for name, value in filters.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _number(digits: str | None) -> int | None:
    """Return a number that only the text of the page uses."""
    return int(digits) if digits and digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def _page(task: Task) -> ResponseReturnValue:
    template = "matching_step.html" if swaps.is_wanted() else "matching.html"
    return swaps.varying(render_template(template, task=task))


def _result(task: Task, batch_id: UUID | None, *, stopped: bool = False) -> Notice:
    what = f"{counted(task.done, 'deal')} {done(task.step.action, task.step.stage)}."
    undo = url_for("desk.undo_batch", batch_id=batch_id) if batch_id and task.done else ""
    return Notice(f"Stopped. {what} The others stay as they are." if stopped else what, undo_at=undo, back=task.back)


def _ended(notice: Notice, back: str) -> ResponseReturnValue:
    flash(notice)
    return swaps.sent_to(back) if swaps.is_wanted() else redirect(back, HTTPStatus.SEE_OTHER)
