"""Concurrent changes of one user run one after the other: they do not deadlock, and the counters stay correct."""

from typing import Final

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, SerializationFailure

from tests.counters.catalogues import add_products
from tests.counters.sessions import BackgroundSession, act_as, run, wait_until_done_or_blocked
from tests.postgres import PostgresServer, Session, execute

_BULK: Final = "select public.bulk_deals('delete', %s)"
_DIRECT: Final = "update public.deals set active = false, deleted_at = now() where id = any (%s)"


@pytest.mark.parametrize("statement", [_BULK, _DIRECT])
def test_two_changes_of_the_same_rows_in_opposite_order_do_not_deadlock(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str, statement: str
) -> None:
    """The second change waits for the end of the first one before it locks a row, in a function and in plain SQL."""
    deals = add_products(administrator, seller, 4)
    act_as(seller, *both)
    first, second = both
    run(first, both, statement, deals[:2])
    run(second, both, statement, deals[2:])
    assert second.is_blocked
    run(first, both, statement, deals[2:])
    first.session.commit()
    wait_until_done_or_blocked(both)
    second.outcome()
    run(second, both, statement, deals[:2])
    second.session.commit()


def test_concurrent_bulk_actions_on_the_same_deals_do_not_deadlock(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str
) -> None:
    """Without pauses, in transactions of two bulk actions each, in opposite orders."""
    deals = add_products(administrator, seller, 60)
    act_as(seller, *both)

    def rounds(session: Session, *parts: list[str]) -> None:
        for number in range(150):
            for part in parts:
                execute(session, "select public.bulk_deals(%s, %s)", ("delete", "restore")[number % 2], part)
            session.commit()

    parts = deals[:40], deals[20:]
    both[0].start(lambda session: rounds(session, *parts))
    both[1].start(lambda session: rounds(session, *(part[::-1] for part in parts[::-1])))
    for session in both:
        session.outcome()


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_concurrent_deletions_of_the_last_two_deals_of_a_product_are_counted(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str, role: str
) -> None:
    """The second deletion waits until the first is committed.

    Then it finds no active deal and removes the product from the counters.
    """
    execute(administrator, "insert into public.products (user_id, title) values (%s, 'P')", seller)
    add = "insert into public.deals (user_id, product_id, supplier) select user_id, id, %s from public.products"
    added = f"{add} where user_id = %s returning id"
    deals = [execute(administrator, added, supplier, seller)[0]["id"] for supplier in "ST"]
    act_as(seller, *both)
    first, second = both
    if role == "service_role":
        act_as("", second, role=role)
    run(first, both, _DIRECT, deals[:1])
    run(second, both, _DIRECT, deals[1:])
    assert second.is_blocked
    first.session.commit()
    wait_until_done_or_blocked(both)
    second.outcome()
    second.session.commit()


def test_a_recount_waits_for_a_change_in_progress(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str
) -> None:
    """Otherwise the recount would not see the change and would overwrite the updated counters."""
    deals = add_products(administrator, seller, 2)
    execute(administrator, _DIRECT, deals[:1])
    act_as(seller, *both)
    changing, recounting = both
    run(changing, both, "select public.bulk_deals('restore', %s)", deals[:1])
    recounting.start(lambda session: execute(session, "select public.recount_asin_stats(%s) as found", seller))
    wait_until_done_or_blocked(both)
    assert recounting.is_blocked
    changing.session.commit()
    wait_until_done_or_blocked(both)
    assert recounting.outcome()[0]["found"]["after"]["all"] == 2
    recounting.session.commit()


_SECOND_DEAL: Final = (
    "insert into deals (user_id, product_id, supplier) select user_id, id, 'T' from products where {mine}"
)


@pytest.mark.parametrize(
    ("error", "statements"),
    [
        (SerializationFailure, ("{deal}", _SECOND_DEAL, "delete from deals where {mine} and supplier = 'S'")),
        (
            SerializationFailure,
            ("{deal}", "update products set multiple_asins = true where {mine}", "delete from deals where {mine}"),
        ),
        (SerializationFailure, ("select 1", "{deal}", _SECOND_DEAL)),
        (SerializationFailure, ("{deal}", _SECOND_DEAL, "update products set title = 'New' where {mine}")),
        (SerializationFailure, ("select 1", "update products set title = 'New' where {mine}", "{deal}")),
        (
            ForeignKeyViolation,
            (
                "select 1",
                "insert into products (user_id, title, id) select '{id}', 'Q', '{id}'",
                "insert into deals (user_id, product_id) values ('{id}', '{id}')",
            ),
        ),
    ],
)
def test_a_change_with_an_old_snapshot_fails_instead_of_counting_old_data(
    postgres: PostgresServer,
    administrator: Session,
    seller: str,
    statements: tuple[str, str, str],
    error: type[psycopg.Error],
) -> None:
    """Under REPEATABLE READ, a transaction that began before another session's change fails with a write conflict."""
    deal = _SECOND_DEAL.replace("'T'", "'S'").format(mine=f"user_id = '{seller}'")
    before, meanwhile, then = (text.format(mine=f"user_id = '{seller}'", id=seller, deal=deal) for text in statements)
    execute(administrator, "insert into products (user_id, title) values (%s, 'P')", seller)
    execute(administrator, before)
    with postgres.session(autocommit=False) as session:
        execute(session, "set transaction isolation level repeatable read")
        execute(session, "select count(*) from public.deals")
        execute(administrator, meanwhile)
        with pytest.raises(error):
            execute(session, then)
        session.rollback()
