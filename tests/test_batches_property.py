"""Random bulk actions, single changes and undos, compared with a model that is written without SQL."""

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from tests.sellers import Seller

_DEALS: Final = 2
_FIELDS: Final = ("stage", "favorite", "notes", "active")
_START: Final = {"stage": "new", "favorite": False, "notes": "", "active": True}
_WRITES: Final[dict[str, dict[str, Any]]] = {
    "delete": {"active": False},
    "restore": {"active": True},
    "move": {"stage": "ordered"},
    "favorite": {"favorite": True},
    "unfavorite": {"favorite": False},
}
_places: Final = st.integers(0, _DEALS - 1)
_actions: Final = st.tuples(st.sampled_from(sorted(_WRITES)), st.sets(_places, min_size=1))
_changes: Final = st.tuples(
    st.just("change"),
    _places,
    st.sampled_from([{"stage": "received"}, {"stage": "ordered"}, {"favorite": True}, {"notes": "x"}]),
)
_removals: Final = st.tuples(st.just("remove"), _places)
_undos: Final = st.tuples(st.just("undo"), st.integers(0, 2))  # 0 is the last batch
_steps: Final = st.lists(st.one_of(_actions, _actions, _changes, _undos, _undos, _removals), min_size=3, max_size=9)


class _Model:
    """The deals as they should be, and the batches that can be undone: the old and the new values of each deal."""

    def __init__(self, deals: Sequence[str]) -> None:
        self.ids = list(deals)
        self.deals = {deal: dict(_START) for deal in deals}
        self.batches: list[tuple[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]]] = []

    def refuses(self, action: str, deals: list[str]) -> bool:
        """Return whether the action is impossible for one of the deals."""
        return any(
            deal not in self.deals or not (self.deals[deal]["active"] or action in {"delete", "restore"})
            for deal in deals
        )

    def act(self, action: str, deals: list[str]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Apply the action, and return what it changed."""
        new = _WRITES[action]
        changed = {}
        for deal in deals:
            old = {name: self.deals[deal][name] for name in new}
            if old != new:
                changed[deal] = (old, new)
                self.deals[deal].update(new)
        return changed

    def undo(self, place: int) -> tuple[int, int]:
        """Undo a batch, and return how many deals it put back and left alone."""
        changed = self.batches[place][1]
        back = [
            deal for deal, (_, new) in changed.items() if deal in self.deals and self.deals[deal].items() >= new.items()
        ]
        for deal in back:
            self.deals[deal].update(changed[deal][0])
        return len(back), len(changed) - len(back)


def _act(seller: Seller, model: _Model, action: str, places: set[int]) -> None:
    deals = [model.ids[place] for place in sorted(places)]
    refused = model.refuses(action, deals)
    answer = seller.bulk(action, *deals, **({"stage": "ordered"} if action == "move" else {}))
    assert answer.is_success != refused, answer.text
    if not refused:
        changed, batch = model.act(action, deals), answer.json()["batch_id"]
        assert bool(changed) == bool(batch)
        if batch:
            model.batches.append((batch, changed))


def _undo(seller: Seller, model: _Model, back: int, results: dict[int, tuple[int, int]]) -> None:
    """Undo a batch, counted from the last one. Again, it changes nothing and returns the numbers of the first time."""
    place = len(model.batches) - 1 - back
    if place < 0:
        return
    answer = seller.http.post(f"/products/batches/{model.batches[place][0]}/undo").json()
    if place not in results:
        results[place] = model.undo(place)
    assert (answer["restored"], answer["skipped"], answer["remaining"]) == (*results[place], False)


def _change(seller: Seller, model: _Model, place: int, fields: dict[str, Any]) -> None:
    deal = model.ids[place]
    answer = seller.http.patch(f"/products/deal/{deal}", json=fields)
    if answer.is_success:
        model.deals[deal].update(fields)
    assert answer.is_success == model.deals.get(deal, {"active": False})["active"], answer.text


def _remove(seller: Seller, model: _Model, place: int) -> None:
    if model.deals.pop(model.ids[place], None):
        seller.http.delete(f"/products/deal/{model.ids[place]}", params={"hard": "true"}).raise_for_status()


def _stored(seller: Seller) -> dict[str, dict[str, Any]]:
    items = seller.lists() + seller.lists(active="false")
    assert all((item["deleted_at"] is None) == item["active"] for item in items)
    return {item["id"]: {name: item[name] for name in _FIELDS} for item in items}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_steps)
@example(steps=[("move", {0, 1}), ("change", 0, {"stage": "received"}), ("undo", 0), ("undo", 0)])
@example(steps=[("delete", {0, 1}), ("restore", {0}), ("remove", 1), ("undo", 1)])
def test_an_undo_puts_back_exactly_what_nothing_else_has_changed(
    seller: Seller, stack: Stack, steps: Sequence[tuple[Any, ...]]
) -> None:
    """Also among other actions, changes, permanent deletions, and undos in any order. The numbers stay right."""
    stack.supabase.sql("delete from products where user_id = $1", seller.id)
    model, results = _Model([seller.creates()["id"] for _ in range(_DEALS)]), dict[int, tuple[int, int]]()
    for kind, *values in steps:
        if kind == "undo":
            _undo(seller, model, values[0], results)
        elif kind == "change":
            _change(seller, model, *values)
        elif kind == "remove":
            _remove(seller, model, values[0])
        else:
            _act(seller, model, kind, values[0])
        assert _stored(seller) == model.deals
    assert seller.stats()["all"] == [deal["active"] for deal in model.deals.values()].count(True)
