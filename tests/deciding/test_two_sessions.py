"""Two sessions that decide about the same product, and changes that fail halfway."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.counters.catalogues import counter_errors
from tests.counters.sessions import BackgroundSession, act_as, run, two_sessions
from tests.deciding.deciders import Decider, conflict, refusal
from tests.postgres import PostgresServer, execute

_A, _B = "B00000000A", "B00000000B"
_DECIDE: Final = "select public.decide_asin(%s, %s) -> 'answer' as answer"
_MERGE: Final = "select public.merge_products(%s, %s) -> 'answer' as answer"
_UNDO: Final = "select public.undo_decision(%s) -> 'answer' as answer"
Pair = tuple[BackgroundSession, BackgroundSession]


@pytest.fixture
def pair(postgres: PostgresServer, seller: Decider) -> Iterator[Pair]:
    """Return two sessions of the seller."""
    with two_sessions(postgres) as both:
        act_as(seller.id, *both)
        yield both


def _both(pair: Pair, first: tuple[str, ...], second: tuple[str, ...], end: str = "commit") -> Callable[[], Any]:
    """Run a statement in each session: the second one waits until the first one ends. Return how to get its answer."""
    run(pair[0], pair, *first)
    run(pair[1], pair, *second)
    assert pair[1].is_blocked
    run(pair[0], pair, end)

    def answer() -> Any:  # noqa: ANN401 - any JSON
        found = pair[1].outcome()[0]["answer"]
        pair[1].session.commit()
        return found

    return answer


def test_the_second_of_two_decisions_is_refused(seller: Decider, pair: Pair) -> None:
    """The conflict is `decided`. The ASIN of the first one stays, and one decision is recorded."""
    product_id = seller.has_product(candidates=[_A, _B])
    answer = _both(pair, (_DECIDE, product_id, _A), (_DECIDE, product_id, _B))
    assert refusal(answer) == conflict("decided", product_id)
    assert seller.product(product_id)["asin"] == _A
    assert len(seller.history(product_id)) == 1


def test_a_decision_after_one_that_was_rolled_back_is_made(seller: Decider, pair: Pair) -> None:
    """The first decision has left nothing: no ASIN and no history."""
    product_id = seller.has_product(candidates=[_A, _B])
    answer = _both(pair, (_DECIDE, product_id, _A), (_DECIDE, product_id, _B), "rollback")
    assert answer()["asin"] == _B
    assert [decision["asin"] for decision in seller.history(product_id)] == [_B]


def test_one_asin_goes_to_one_of_two_products(seller: Decider, pair: Pair) -> None:
    """The conflict `asin` names the product that got it."""
    first, second = seller.has_product(), seller.has_product("Other")
    assert refusal(_both(pair, (_DECIDE, first, _A), (_DECIDE, second, _A))) == conflict("asin", first)
    assert seller.product(second)["asin"] is None


def test_two_merges_in_opposite_directions_leave_one_product(seller: Decider, pair: Pair) -> None:
    """The second one is refused: its target was merged. No deal is lost."""
    first, second = seller.has_product(), seller.has_product("Other", suppliers=["Bolt"])
    assert refusal(_both(pair, (_MERGE, first, second), (_MERGE, second, first))) == conflict("merged", second)
    deals = execute(seller.session, "select supplier from deals where product_id = %s order by 1", second)
    assert [deal["supplier"] for deal in deals] == ["Acme", "Bolt"]


def test_an_undo_in_two_sessions_is_made_once(seller: Decider, pair: Pair) -> None:
    """The second one changes nothing."""
    product_id = seller.has_product(candidates=[_A, _B])
    seller.decides(product_id, None)
    decision_id = seller.history(product_id)[0]["id"]
    answer = _both(pair, (_UNDO, decision_id), (_UNDO, decision_id))
    assert answer()["id"] == product_id
    assert seller.dismissed(product_id) == {_A: False, _B: False}


_FAILING: Final = """
create function pg_temp.fail() returns trigger language plpgsql as $$
begin
    raise check_violation using message = 'broken', constraint = 'broken';
end
$$;
create trigger broken before insert or update on {table} for each row execute function pg_temp.fail();
"""


@pytest.mark.parametrize("table", ["deciding.decisions", "public.matches", "public.products"])
def test_a_change_that_fails_halfway_changes_nothing(seller: Decider, table: str) -> None:
    """Neither a decision, nor many, nor a merge, nor an undo. The error is PT422, and the counters are exact."""
    undone = seller.has_product("Undone", upc="12345670", candidates=[_B])
    seller.decides(undone, None, remember=True)
    decision_id = seller.history(undone)[0]["id"]
    product_id = seller.has_product(upc="036000291452", candidates=[_A, _B])
    source, target = seller.has_product(asin="C000000001"), seller.has_product("Other")
    before = seller.state()
    changes = [
        partial(seller.decides, product_id, _A, remember=True),
        partial(seller.decides, product_id, None, remember=True),
        partial(seller.changes, "decide_many", p_rows=Jsonb([{"product_id": product_id, "asin": _A}]), p_remember=True),
        partial(seller.changes, "merge_products", p_product_id=source, p_into=target),
        partial(seller.undoes, decision_id),
    ]
    with seller.session.transaction(force_rollback=True):
        execute(seller.session, _FAILING.format(table=table))
        for change in changes:
            if table == "public.matches" and change.args[0] in ("merge_products", decision_id):
                continue  # these write no match
            with pytest.raises(psycopg.Error) as raised:
                change()
            assert raised.value.sqlstate == "PT422"
            assert (seller.state(), counter_errors(seller.session, seller.id)) == (before, [])
