"""Tests of the checker, with hand-written histories and with random histories whose violations are known."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.freshness.history import Kind, Operation, certain_products, violations


def _create(product: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.CREATE, "ann", started, ended, product=product, done=ended < math.inf)


def _delete(product: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.DELETE, "ann", started, ended, product=product, done=ended < math.inf)


def _read(seen: int | None, started: float, ended: float) -> Operation:
    return Operation(Kind.READ, "ann", started, ended, seen=seen)


_CREATED = _create("a", 1, 2)
_DELETED = _delete("a", 5, 6)


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        pytest.param([], _read(0, 1, 2), id="no product yet"),
        pytest.param([_CREATED], _read(1, 3, 4), id="created before the read"),
        pytest.param([_CREATED], _read(0, 1.5, 4), id="read started before the acknowledgement"),
        pytest.param([_CREATED], _read(1, 0, 1.5), id="creation started before the read ended"),
        pytest.param([_CREATED, _DELETED], _read(0, 7, 8), id="deleted before the read"),
        pytest.param([_CREATED, _DELETED], _read(1, 5.5, 8), id="deletion in progress"),
        pytest.param([_CREATED, _delete("a", 5)], _read(1, 90, 91), id="deletion unknown, not done"),
        pytest.param([_CREATED, _delete("a", 5)], _read(0, 90, 91), id="deletion unknown, done"),
        pytest.param([_create("a", 1)], _read(0, 90, 91), id="creation unknown, not done"),
        pytest.param([_create("a", 1)], _read(1, 90, 91), id="creation unknown, done"),
        pytest.param(
            [_create("a", 1), _create("a", 2, 3), _DELETED], _read(1, 90, 91), id="late creation after a deletion"
        ),
        pytest.param([replace(_CREATED, user="bob")], _read(0, 3, 4), id="another user's product"),
        pytest.param([_CREATED], _read(None, 3, 4), id="read without an answer"),
        pytest.param([replace(_CREATED, amount=1000)], _read(1000, 3, 4), id="batch of an import"),
        pytest.param([replace(_create("a", 1), amount=1000)], _read(1000, 3, 4), id="batch of unknown outcome"),
    ],
)
def test_possible_count_is_not_a_violation(changes: list[Operation], read: Operation) -> None:
    """Unknown outcomes and overlapping operations widen the bounds."""
    assert violations([*changes, read]) == []


@pytest.mark.parametrize(
    ("changes", "read", "missed"),
    [
        pytest.param([_CREATED], _read(0, 3, 4), _CREATED, id="created product missing"),
        pytest.param([_CREATED, _DELETED], _read(1, 7, 8), _DELETED, id="deleted product shown"),
        pytest.param([_CREATED], _read(1, 0, 0.5), None, id="shown before its creation started"),
        pytest.param([_create("a", 1), _create("a", 2, 3)], _read(0, 4, 5), _create("a", 2, 3), id="creation repeated"),
        pytest.param(
            [_CREATED, _delete("a", 5), _delete("a", 7, 8)], _read(1, 9, 9), _delete("a", 7, 8), id="deletion repeated"
        ),
        pytest.param([_CREATED, _create("b", 3)], _read(3, 4, 5), None, id="more than were created"),
        pytest.param(
            [replace(_CREATED, amount=1000)], _read(1, 3, 4), replace(_CREATED, amount=1000), id="part of a batch"
        ),
        pytest.param(
            [replace(_CREATED, amount=9), replace(_DELETED, amount=9)],
            _read(9, 7, 8),
            replace(_DELETED, amount=9),
            id="deleted batch shown",
        ),
    ],
)
def test_impossible_count_is_a_violation_that_names_both_operations(
    changes: list[Operation], read: Operation, missed: Operation | None
) -> None:
    """The report contains the times of both."""
    (found,) = violations([read, *changes])
    assert (found.read, found.missed) == (read, missed)
    assert all(f"{each.started:.6f} … {each.ended:.6f}" in str(found) for each in (read, missed) if each)


def test_certain_products_excludes_products_of_unknown_outcome() -> None:
    """A product of unknown outcome is in neither of the two sets."""
    history = [_CREATED, _DELETED, _create("b", 1, 2), _create("c", 1), _create("d", 1, 2), _delete("d", 3)]
    assert certain_products(history, "ann") == ({"b"}, {"a"})


@st.composite
def _fresh_histories(draw: st.DrawFn) -> list[Operation]:
    """Return a random history of a store that is never stale. Operations overlap and some answers are lost."""
    moment, length = st.floats(0, 20), st.floats(0, 5)
    operations, effects = list[Operation](), list[tuple[float, int]]()
    for number in range(draw(st.integers(0, 6))):
        created = draw(moment)
        create = _create(str(number), created - draw(length), created + draw(length))
        effects.append((created, +1))
        operations.append(create)
        if draw(st.booleans()):
            deleted = create.ended + draw(moment)
            delete = _delete(str(number), max(create.ended, deleted - draw(length)), deleted + draw(length))
            effects.append((deleted, -1))
            operations.append(replace(delete, done=draw(st.booleans())))
    for at in draw(st.lists(st.floats(-5, 50), max_size=6)):
        seen = sum(change for when, change in effects if when <= at)
        operations.append(_read(seen, at - draw(length), at + draw(length)))
    return operations


@given(_fresh_histories())
def test_store_that_is_never_stale_has_no_violations(history: list[Operation]) -> None:
    """Regardless of overlapping operations and lost answers."""
    assert violations(history) == []


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_every_wrong_count_is_found_if_operations_do_not_overlap(choices: list[bool], data: st.DataObject) -> None:
    """With sequential operations of one client, exactly one count is correct."""
    history, alive = list[Operation](), list[str]()
    for number, creates in enumerate(choices):
        if creates or not alive:
            alive.append(str(number))
            history.append(_create(alive[-1], number, number + 0.5))
        else:
            history.append(_delete(alive.pop(), number, number + 0.5))
    wrong = data.draw(st.integers(0, 40).filter(lambda seen: seen != len(alive)))
    assert len(violations([*history, _read(wrong, 100, 101)])) == 1
