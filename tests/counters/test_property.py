"""After random statements in two concurrent sessions, counters, copies and lists agree with the tables.

Whenever the committed numbers of a user have changed, their version has risen.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from local.supabase import SqlError
from tests.counters.lists import View, list_errors, views
from tests.counters.oracle import differences, recount
from tests.counters.sessions import BackgroundSession, wait_until_done_or_blocked
from tests.counters.statements import REFUSALS, Statement, statements
from tests.counters.versions import History, current
from tests.postgres import Session, execute, new_user


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a session.

    Attributes:
        session: 0 or 1.
        statement: the statement that it runs.
        end: "" nothing, "undo" roll back to a savepoint, or "commit" or "rollback" of the transaction.

    """

    session: int
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
), c as (
    insert into candidates (user_id, product_id, asin)
    select p.user_id, p.id, c.asin from p, (values ('B00000000X'), ('B000000001')) as c (asin) where p.title <> 'Rye'
)
insert into deals (user_id, product_id, supplier)
select p.user_id, p.id, s.supplier from p, (values ('S'), ('T')) as s (supplier)
where p.title = 'Pine' or p.title = 'Quill' and s.supplier = 'S'
"""


class Users:
    """The two users of one example, on the native PostgreSQL."""

    def __init__(self, session: Session) -> None:
        """Create both users, each with three products: two deals, one deal, and no deal. Two have candidates."""
        self.ids = {name: new_user(session) for name in ("alice", "bob")}
        for user_id in self.ids.values():
            execute(session, _PRODUCTS, user_id)

    def run_step(self, session: Session, step: Step, *, alone: bool) -> list[Any]:
        """Run a step in a session. Return the counter errors that the session sees before its transaction ends."""
        execute(session, "savepoint step")
        try:
            self._act(session, step.statement)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(REFUSALS):
                raise
            execute(session, "rollback to step")
        if step.end == "undo":
            execute(session, "rollback to step")
        found = self.errors(session, alone=alone)
        if step.end in {"commit", "rollback"}:
            execute(session, step.end)
        return found

    def errors(self, session: Session, *, alone: bool) -> list[Any]:
        """Return the counter errors in this session's transaction. `alone`: run a recount too, which takes locks."""
        found: list[Any] = differences(lambda text: execute(session, text), list(self.ids.values()))
        if alone:
            execute(session, "savepoint recount")
            for user_id in self.ids.values():
                counted = recount(lambda text: execute(session, text), user_id)
                repaired = counted["repaired"] + counted["copies"] > 0
                found += [counted] * (counted["before"] != counted["after"] or repaired)
            execute(session, "rollback to recount")
        return found

    def list_errors(self, session: Session, view: View) -> list[Any]:
        """Return the lists that differ from the tables or from the breakdown: one list per status, and `view`."""
        run = partial(execute, session)
        return [found for user_id in self.ids.values() for found in list_errors(run, user_id, [view])]

    def _act(self, session: Session, statement: Statement) -> None:
        role = "authenticated" if statement.actor in self.ids else statement.actor
        claim = self.ids.get(statement.actor, "")
        become = "select set_config('role', %s, true), set_config('request.jwt.claim.sub', %s, true)"
        execute(session, become, role, claim)
        execute(session, statement.sql(**self.ids))
        execute(session, become, "postgres", "")


def _run_step(step: Step, users: Users, both: tuple[BackgroundSession, BackgroundSession]) -> None:
    """Run a step, unless its session is still blocked by the other one. Then check all finished steps."""
    own, other = both[step.session], both[1 - step.session]
    if not own.is_busy:
        alone = not other.is_busy and not other.in_transaction
        own.start(lambda session: users.run_step(session, step, alone=alone))
    _wait_and_check(both)


def _wait_and_check(both: tuple[BackgroundSession, BackgroundSession]) -> None:
    wait_until_done_or_blocked(both)
    for each in both:
        if not each.is_busy:
            assert each.outcome() in ([], None)


def _commit_all(both: tuple[BackgroundSession, BackgroundSession]) -> None:
    while any(each.is_busy or each.in_transaction for each in both):
        for each in both:
            if not each.is_busy and each.in_transaction:
                each.start(lambda session: session.commit())
        _wait_and_check(both)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_steps, min_size=6, max_size=16), view=views())
def test_counters_and_lists_are_exact_after_each_step_of_two_sessions(
    administrator: Session, pool: tuple[BackgroundSession, BackgroundSession], steps: list[Step], view: View
) -> None:
    """After each step, a session sees counters and copies that agree with its rows; a recount finds nothing to repair.

    At the end, each list, read page by page, has exactly the deals of the tables and the products of the breakdown.
    """
    for each in pool:
        each.reset()
    users, history = Users(administrator), History()
    for step in steps:
        _run_step(step, users, pool)
        assert history.errors(current(partial(execute, administrator), list(users.ids.values()))) == []
    _commit_all(pool)
    assert history.errors(current(partial(execute, administrator), list(users.ids.values()))) == []
    with administrator.transaction():
        assert users.errors(administrator, alone=True) == []
        assert users.list_errors(administrator, view) == []
    execute(administrator, "delete from auth.users where id = any (%s)", list(users.ids.values()))
    assert users.errors(administrator, alone=False) == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_steps, min_size=6, max_size=12), view=views())
def test_counters_and_lists_are_exact_on_the_embedded_database(stack: Stack, steps: list[Step], view: View) -> None:
    """The same statements on PostgreSQL in WebAssembly, which has one connection.

    Therefore each statement is a separate transaction.
    """
    run = stack.supabase.sql
    created = (
        "insert into auth.users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@a.example') returning id"
    )
    ids, history = {name: str(run(created)[0]["id"]) for name in ("alice", "bob")}, History()
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
        assert history.errors(current(run, list(ids.values()))) == []
    for user_id in ids.values():
        assert list_errors(run, user_id, [view]) == []
        counted = recount(run, user_id)
        assert (counted["repaired"], counted["copies"]) == (0, 0)
