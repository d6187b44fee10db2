"""Tests of the second judge, with hand-written histories, and against a judge that tries all orders."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.freshness.history import Kind, Operation, violations
from tests.freshness.linearizability import judge, misfits, summary


def _create(product: str, started: float, ended: float = math.inf, *, amount: int = 1) -> Operation:
    done = ended < math.inf
    return Operation(Kind.CREATE, "ann", started, ended, product=product, done=done, amount=amount)


def _delete(product: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.DELETE, "ann", started, ended, product=product, done=ended < math.inf)


def _read(seen: int | None, started: float, ended: float) -> Operation:
    return Operation(Kind.READ, "ann", started, ended, seen=seen)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing"),
        pytest.param([_create("a", 1, 2), _read(1, 3, 4)], id="created, then read"),
        pytest.param([_create("a", 1, 4), _read(0, 2, 3)], id="read before a creation in progress"),
        pytest.param([_create("a", 1, 4), _read(1, 2, 3)], id="read after a creation in progress"),
        pytest.param([_create("a", 1, 9), _read(1, 2, 6), _read(0, 3, 5)], id="overlapping reads in either order"),
        pytest.param([_create("a", 1), _read(0, 2, 3), _read(1, 4, 5)], id="unknown creation takes effect late"),
        pytest.param([_create("a", 1), _read(0, 2, 3)], id="unknown creation never takes effect"),
        pytest.param([_create("a", 1), _create("a", 2, 3), _read(1, 4, 5)], id="repeated creation counts once"),
        pytest.param([_create("a", 1, 2), _delete("a", 3), _delete("a", 5, 6), _read(0, 7, 8)], id="repeated deletion"),
        pytest.param(
            [_create("a", 1, 2), _create("b", 1, 9), _delete("a", 3, 9), _read(2, 4, 5), _read(1, 6, 7)],
            id="two changes in one of two orders",
        ),
        pytest.param([_create("a", 1, 2, amount=1000), _read(1000, 3, 4)], id="batch of an import"),
        pytest.param([_create("a", 1, 2), _read(None, 3, 4)], id="read without an answer"),
        pytest.param([_create("a", 1, 2), replace(_read(0, 3, 4), user="bob")], id="another user's product"),
        pytest.param([_create("a", 1, 2), _read(0, 2, 3)], id="read started when the creation ended"),
    ],
)
def test_possible_order_is_found(history: list[Operation]) -> None:
    """No read is a misfit."""
    assert misfits(history) == []


@pytest.mark.parametrize(
    ("history", "misfit"),
    [
        pytest.param([_create("a", 1, 2), _read(0, 3, 4)], 1, id="acknowledged creation is missing"),
        pytest.param([_create("a", 1, 2), _delete("a", 3, 4), _read(1, 5, 6)], 2, id="deleted product is shown"),
        pytest.param([_read(1, 1, 2), _create("a", 3, 4)], 0, id="shown before its creation started"),
        pytest.param([_create("a", 1, 9), _read(1, 2, 3), _read(0, 4, 5)], 2, id="seen, then not seen any more"),
        pytest.param([_create("a", 1), _read(1, 2, 3), _read(0, 4, 5)], 2, id="the same with an unknown creation"),
        pytest.param(
            [_create("a", 1, 2), _create("b", 1, 9), _delete("a", 3, 9), _read(2, 4, 5), _read(0, 6, 7)],
            4,
            id="more deleted than was requested",
        ),
        pytest.param([_create("a", 1, 2, amount=1000), _read(500, 3, 4)], 1, id="half a batch"),
        pytest.param([_create("a", 1, 2), _create("a", 3, 4), _read(2, 5, 6)], 2, id="repeated creation counts twice"),
    ],
)
def test_read_that_fits_no_order_is_named(history: list[Operation], misfit: int) -> None:
    """Without it, the history is linearizable."""
    assert misfits(history) == [history[misfit]]


def test_judge_is_stricter_than_the_bounds() -> None:
    """A read that shows the numbers from before a change that an earlier read has shown is within the bounds."""
    history = [_create("a", 1, 9), _read(1, 2, 3), _read(0, 4, 5)]
    assert violations(history) == []
    assert summary(judge(history)) == "linearizable for 0 of 1 users (1 of 2 reads do not fit)"


def test_each_misfit_is_counted() -> None:
    """The search continues without a read that does not fit."""
    wrong = [_read(7, time, time + 0.5) for time in range(10, 15)]
    assert len(misfits([_create("a", 1, 2), *wrong, _read(1, 20, 21)])) == len(wrong)


_TIMES = st.integers(0, 8)


@st.composite
def _histories(draw: st.DrawFn) -> list[Operation]:
    """Draw a few operations at random times, on two products, some of unknown outcome, with random counts."""
    history = list[Operation]()
    for _ in range(draw(st.integers(1, 6))):
        started, length = draw(_TIMES), draw(st.integers(0, 4))
        kind = draw(st.sampled_from(Kind))
        if kind is Kind.READ:
            history.append(_read(draw(st.integers(0, 3)), started, started + length))
        else:
            ended = math.inf if draw(st.booleans()) else started + length
            product = draw(st.sampled_from("ab"))
            change = _create(product, started, ended) if kind is Kind.CREATE else _delete(product, started, ended)
            history.append(replace(change, amount={"a": 1, "b": 2}[product]))
    return history


@settings(max_examples=1000)
@given(_histories())
def test_judge_agrees_with_trying_all_orders(history: list[Operation]) -> None:
    """Whether there is a misfit at all. The slow judge follows the definition, and shares no code with the search."""
    assert bool(misfits(history)) is not any(_is_possible(order) for order in _orders(history))


def _orders(history: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Yield all orders of all certain operations, with any selection of the uncertain ones."""
    certain = [each for each in history if each.ended < math.inf]
    uncertain = [each for each in history if each.ended == math.inf]
    for number in range(len(uncertain) + 1):
        for selection in combinations(uncertain, number):
            yield from permutations([*certain, *selection])


def _is_possible(order: Sequence[Operation]) -> bool:
    """Return whether an order respects the times, and all its answers are right."""
    if any(later.ended < earlier.started for earlier, later in combinations(order, 2)):
        return False
    alive = dict[str, int]()
    for each in order:
        if each.kind is Kind.CREATE:
            alive[each.product] = each.amount
        elif each.kind is Kind.DELETE:
            alive.pop(each.product, None)
        elif each.seen != sum(alive.values()):
            return False
    return True


@st.composite
def _linearizable_histories(draw: st.DrawFn) -> list[Operation]:
    """Draw the history of a store in which each operation has its effect at one moment, with overlapping operations."""
    length = st.floats(0.01, 3)
    alive, history = dict[str, int](), list[Operation]()
    for number in range(draw(st.integers(20, 60))):
        kind = draw(st.sampled_from(Kind))
        lost = draw(st.integers(0, 9)) == 0
        ended = math.inf if lost else number + draw(length)
        if kind is Kind.READ:
            history.append(_read(sum(alive.values()), number - draw(length), number + draw(length)))
        elif kind is Kind.CREATE:
            alive[str(number)] = amount = draw(st.integers(1, 3))
            history.append(_create(str(number), number - draw(length), ended, amount=amount))
        elif alive:
            product = draw(st.sampled_from(sorted(alive)))
            history.append(replace(_delete(product, number - draw(length), ended), amount=alive.pop(product)))
    return history


@given(_linearizable_histories())
def test_order_of_a_long_history_is_found(history: list[Operation]) -> None:
    """With overlapping operations and lost answers."""
    assert misfits(history) == []
