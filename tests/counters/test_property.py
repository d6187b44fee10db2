"""Whatever two sessions at once do to products and deals: counters, copies and lists say what the tables say."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from local.supabase import SqlError
from tests.counters.lanes import Lane, come_to_rest
from tests.counters.lists import View, disagreements, views
from tests.counters.oracle import differences, recount
from tests.counters.statements import REFUSALS, Statement, statements
from tests.postgres import Session, execute, new_user


@dataclass(frozen=True, slots=True)
class Step:
    """What one session does: a statement, perhaps undone, and perhaps the end of its transaction."""

    lane: int
    statement: Statement
    end: str


_steps = st.builds(
    Step, st.integers(0, 1), statements(), st.sampled_from(["", "", "", "undo", "commit", "commit", "rollback"])
)


_PRODUCTS: Final = """
with p as (
    insert into products (user_id, title, upc)
    select %s, n.title, n.upc from (values ('Pine', '12345670'), ('Quill', null), ('Rye', null)) as n (title, upc)
    returning id, user_id, title
)
insert into deals (user_id, product_id, supplier)
select p.user_id, p.id, s.supplier from p, (values ('S'), ('T')) as s (supplier)
where p.title = 'Pine' or p.title = 'Quill' and s.supplier = 'S'
"""


class Users:
    """The two users of one example, on the native PostgreSQL."""

    def __init__(self, session: Session) -> None:
        """Create them, each with a product of two deals, one of one, and one of none."""
        self.ids = {name: new_user(session) for name in ("alice", "bob")}
        for user_id in self.ids.values():
            execute(session, _PRODUCTS, user_id)

    def carry_out(self, session: Session, step: Step, *, alone: bool) -> list[Any]:
        """Do a step in a session and return what is wrong with the counters before its end, as this session sees it."""
        execute(session, "savepoint step")
        try:
            self._act(session, step.statement)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(REFUSALS):
                raise
            execute(session, "rollback to step")
        if step.end == "undo":
            execute(session, "rollback to step")
        found = self.wrong(session, alone=alone)
        if step.end in {"commit", "rollback"}:
            execute(session, step.end)
        return found

    def wrong(self, session: Session, *, alone: bool) -> list[Any]:
        """Return what counting, and (`alone`: it takes locks) a recount, find wrong in this session's transaction."""
        found: list[Any] = differences(lambda text: execute(session, text), list(self.ids.values()))
        if alone:
            execute(session, "savepoint recount")
            for user_id in self.ids.values():
                counted = recount(lambda text: execute(session, text), user_id)
                repaired = counted["repaired"] + counted["copies"] > 0
                found += [counted] * (counted["before"] != counted["after"] or repaired)
            execute(session, "rollback to recount")
        return found

    def wrong_lists(self, session: Session, view: View) -> list[Any]:
        """Return which lists, those of the tiles and `view`, are not what the tables and the tiles say."""
        run = partial(execute, session)
        return [found for user_id in self.ids.values() for found in disagreements(run, user_id, [view])]

    def _act(self, session: Session, statement: Statement) -> None:
        role = "authenticated" if statement.actor in self.ids else statement.actor
        claim = self.ids.get(statement.actor, "")
        become = "select set_config('role', %s, true), set_config('request.jwt.claim.sub', %s, true)"
        execute(session, become, role, claim)
        execute(session, statement.sql(**self.ids))
        execute(session, become, "postgres", "")


def _play(step: Step, users: Users, both: tuple[Lane, Lane]) -> None:
    """Let a lane do a step, unless it still waits for the other one; then see what has come of everything."""
    lane, other = both[step.lane], both[1 - step.lane]
    if not lane.is_busy:
        alone = not other.is_busy and not other.in_transaction
        lane.start(lambda session: users.carry_out(session, step, alone=alone))
    _meet(both)


def _meet(both: tuple[Lane, Lane]) -> None:
    come_to_rest(both)
    for lane in both:
        if not lane.is_busy:
            assert lane.outcome() in ([], None)


def _finish(both: tuple[Lane, Lane]) -> None:
    while any(lane.is_busy or lane.in_transaction for lane in both):
        for lane in both:
            if not lane.is_busy and lane.in_transaction:
                lane.start(lambda session: session.commit())
        _meet(both)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_steps, min_size=6, max_size=16), view=views())
def test_counters_and_lists_are_exact_after_every_step_of_two_sessions(
    administrator: Session, pool: tuple[Lane, Lane], steps: list[Step], view: View
) -> None:
    """Each session at each moment sees counters and copies that fit its rows; a recount finds nothing to repair.

    In the end each list, paged to its end, holds exactly what the tables hold and what the tile above it counts.
    """
    for lane in pool:
        lane.reset()
    users = Users(administrator)
    for step in steps:
        _play(step, users, pool)
    _finish(pool)
    with administrator.transaction():
        assert users.wrong(administrator, alone=True) == []
        assert users.wrong_lists(administrator, view) == []
    execute(administrator, "delete from auth.users where id = any (%s)", list(users.ids.values()))
    assert users.wrong(administrator, alone=False) == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_steps, min_size=6, max_size=12), view=views())
def test_counters_and_lists_are_exact_on_the_embedded_database_too(stack: Stack, steps: list[Step], view: View) -> None:
    """The same statements, one transaction each, on PostgreSQL in WebAssembly with its single connection."""
    run = stack.supabase.sql
    created = (
        "insert into auth.users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@a.example') returning id"
    )
    ids = {name: str(run(created)[0]["id"]) for name in ("alice", "bob")}
    for step in steps:
        actor = step.statement.actor
        role = "authenticated" if actor in ids else actor
        end = "rollback" if step.end in {"rollback", "undo"} else "commit"
        try:
            run(
                f"begin; select set_config('role', '{role}', true),"
                f" set_config('request.jwt.claim.sub', '{ids.get(actor, '')}', true);"
                f"{step.statement.sql(**ids)}; {end}"
            )
        except SqlError as error:
            if not error.code.startswith(REFUSALS):
                raise
            run("rollback")
        assert differences(run, list(ids.values())) == []
    for user_id in ids.values():
        assert disagreements(run, user_id, [view]) == []
        counted = recount(run, user_id)
        assert (counted["repaired"], counted["copies"]) == (0, 0)
