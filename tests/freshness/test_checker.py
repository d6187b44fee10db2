"""The checker itself, on histories made by hand and on random ones of which the truth is known."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.freshness.history import Kind, Operation, outcome, violations


def _create(product: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.CREATE, "ann", started, ended, product=product, done=ended < math.inf)


def _delete(product: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.DELETE, "ann", started, ended, product=product, done=ended < math.inf)


def _read(seen: int | None, started: float, ended: float) -> Operation:
    return Operation(Kind.READ, "ann", started, ended, seen=seen)


_ONE = _create("a", 1, 2)
_GONE = _delete("a", 5, 6)


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        pytest.param([], _read(0, 1, 2), id="nothing yet"),
        pytest.param([_ONE], _read(1, 3, 4), id="acknowledged before"),
        pytest.param([_ONE], _read(0, 1.5, 4), id="not yet acknowledged when it began"),
        pytest.param([_ONE], _read(1, 0, 1.5), id="begun before it ended"),
        pytest.param([_ONE, _GONE], _read(0, 7, 8), id="deleted"),
        pytest.param([_ONE, _GONE], _read(1, 5.5, 8), id="being deleted"),
        pytest.param([_ONE, _delete("a", 5)], _read(1, 90, 91), id="perhaps deleted, perhaps not"),
        pytest.param([_ONE, _delete("a", 5)], _read(0, 90, 91), id="perhaps deleted, and so it was"),
        pytest.param([_create("a", 1)], _read(0, 90, 91), id="perhaps created, perhaps not"),
        pytest.param([_create("a", 1)], _read(1, 90, 91), id="perhaps created, and so it was"),
        pytest.param([_create("a", 1), _create("a", 2, 3), _GONE], _read(1, 90, 91), id="come back to life, late"),
        pytest.param([replace(_ONE, user="bob")], _read(0, 3, 4), id="somebody else's"),
        pytest.param([_ONE], _read(None, 3, 4), id="no answer"),
    ],
)
def test_what_may_be_is_no_violation(changes: list[Operation], read: Operation) -> None:
    """The bounds are as wide as what nobody can know."""
    assert violations([*changes, read]) == []


@pytest.mark.parametrize(
    ("changes", "read", "missed"),
    [
        pytest.param([_ONE], _read(0, 3, 4), _ONE, id="a created product is missing"),
        pytest.param([_ONE, _GONE], _read(1, 7, 8), _GONE, id="a deleted product is there"),
        pytest.param([_ONE], _read(1, 0, 0.5), None, id="seen before anybody asked for it"),
        pytest.param([_create("a", 1), _create("a", 2, 3)], _read(0, 4, 5), _create("a", 2, 3), id="repeated, done"),
        pytest.param([_ONE, _delete("a", 5), _delete("a", 7, 8)], _read(1, 9, 9), _delete("a", 7, 8), id="same, gone"),
        pytest.param([_ONE, _create("b", 3)], _read(3, 4, 5), None, id="more than anybody asked for"),
    ],
)
def test_what_cannot_be_is_a_violation_that_names_both(
    changes: list[Operation], read: Operation, missed: Operation | None
) -> None:
    """And prints them with their times."""
    (found,) = violations([read, *changes])
    assert (found.read, found.missed) == (read, missed)
    assert all(f"{each.started:.6f} … {each.ended:.6f}" in str(found) for each in (read, missed) if each)


def test_the_outcome_tells_what_is_certain() -> None:
    """What is neither surely there nor surely gone is in neither set."""
    history = [_ONE, _GONE, _create("b", 1, 2), _create("c", 1), _create("d", 1, 2), _delete("d", 3)]
    assert outcome(history, "ann") == ({"b"}, {"a"})


@st.composite
def _true_histories(draw: st.DrawFn) -> list[Operation]:
    """Make a history of a store that is never stale: everything overlaps at will, and some answers are lost."""
    moment, length = st.floats(0, 20), st.floats(0, 5)
    operations, effects = list[Operation](), list[tuple[float, int]]()
    for number in range(draw(st.integers(0, 6))):
        born = draw(moment)
        create = _create(str(number), born - draw(length), born + draw(length))
        effects.append((born, +1))
        operations.append(create)
        if draw(st.booleans()):
            dead = create.ended + draw(moment)
            delete = _delete(str(number), max(create.ended, dead - draw(length)), dead + draw(length))
            effects.append((dead, -1))
            operations.append(replace(delete, done=draw(st.booleans())))
    for at in draw(st.lists(st.floats(-5, 50), max_size=6)):
        seen = sum(change for when, change in effects if when <= at)
        operations.append(_read(seen, at - draw(length), at + draw(length)))
    return operations


@given(_true_histories())
def test_a_store_that_is_never_stale_is_never_accused(history: list[Operation]) -> None:
    """Whatever overlaps, and whichever answers were lost."""
    assert violations(history) == []


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_where_nothing_overlaps_every_wrong_count_is_found(choices: list[bool], data: st.DataObject) -> None:
    """One client, one thing after the other: there is one right answer."""
    history, alive = list[Operation](), list[str]()
    for number, creates in enumerate(choices):
        if creates or not alive:
            alive.append(str(number))
            history.append(_create(alive[-1], number, number + 0.5))
        else:
            history.append(_delete(alive.pop(), number, number + 0.5))
    wrong = data.draw(st.integers(0, 40).filter(lambda seen: seen != len(alive)))
    assert len(violations([*history, _read(wrong, 100, 101)])) == 1
