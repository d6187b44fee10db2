"""A session keeps its plans. Decisions stay cheap when the catalogue grows after the plans were made."""

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from tests.deciding.deciders import Decider, new_decider
from tests.plans import Page, PlanRecorder
from tests.postgres import PostgresServer, execute

_MANY = """
with p as (
    insert into products (user_id, title, upc)
    select %s, 'P' || n, null from generate_series(1, 3000) n returning user_id, id
), c as (
    insert into candidates (user_id, product_id, asin) select user_id, id, 'C000000000' from p
)
insert into deals (user_id, product_id) select user_id, id from p
"""
_LAST = "select id::text from deciding.decisions where user_id = %s order by made_at desc limit 1"


_TABLES = "'public.products'::regclass, 'public.deals'::regclass, 'public.candidates'::regclass"
_CLEAR_STATISTICS = f"""
set local allow_system_table_mods = on;
update pg_class set reltuples = -1, relpages = 0 where oid in ({_TABLES});
delete from pg_statistic where starelid in ({_TABLES});
"""  # noqa: S608 - our own names


@pytest.fixture
def recorder(postgres: PostgresServer) -> Iterator[PlanRecorder]:
    """Return a session that records its plans.

    The planner has no statistics, and gets none: they would replace the plans that the session keeps.
    """
    plans = PlanRecorder(postgres)
    with plans.session as session:
        for name in ("products", "deals", "candidates"):
            execute(session, f"alter table {name} set (autovacuum_enabled = false)")
        with session.transaction():
            session.execute(_CLEAR_STATISTICS.encode())
        yield plans
        for name in ("products", "deals", "candidates"):
            execute(session, f"alter table {name} reset (autovacuum_enabled)")


def _decides(recorder: PlanRecorder, seller: Decider, number: int) -> list[Page]:
    """Make each kind of change for new products, and return the costs."""
    first, second, third = (seller.has_product(f"{number} {place}", candidates=[f"A{number:09}"]) for place in range(3))
    pages = [
        recorder.calls("decide_asin", seller.id, p_product_id=first, p_asin=f"B{number:09}"),
        recorder.calls("decide_asin", seller.id, p_product_id=second, p_asin=None),
        recorder.calls("merge_products", seller.id, p_product_id=second, p_into=third),
    ]
    for _ in range(2):
        decision = execute(recorder.session, _LAST, seller.id)[0]["id"]
        pages.append(recorder.calls("undo_decision", seller.id, p_decision_id=decision))
        execute(recorder.session, "delete from deciding.decisions where id = %s", decision)
    rows = [{"product_id": first, "asin": f"B{number:09}"}, {"product_id": second, "asin": f"D{number:09}"}]
    pages.append(recorder.calls("decide_many", seller.id, p_rows=Jsonb(rows)))
    return pages


def test_the_cost_of_a_change_does_not_grow_with_the_catalogue(recorder: PlanRecorder) -> None:
    """After 3000 more products, each change reads the rows of its own products only."""
    seller = new_decider(recorder.session)
    for number in range(8):  # PostgreSQL keeps a plan for all parameters after five calls
        _decides(recorder, seller, number)
    execute(recorder.session, _MANY, seller.id)
    for page in _decides(recorder, seller, 8):
        assert page.examined <= 150, page.rows
