"""Who waits for whom: changes of one user come one after the other, never into a deadlock and never miscounted."""

from typing import Final

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, SerializationFailure

from tests.counters.lanes import Lane, become, come_to_rest, do
from tests.counters.native import add_products
from tests.postgres import PostgresServer, Session, execute

_BULK: Final = "select public.bulk_deals('delete', %s)"
_DIRECT: Final = "update public.deals set active = false, deleted_at = now() where id = any (%s)"


@pytest.mark.parametrize("statement", [_BULK, _DIRECT])
def test_two_changes_of_the_same_rows_in_opposite_order_never_deadlock(
    both: tuple[Lane, Lane], administrator: Session, seller: str, statement: str
) -> None:
    """The second waits for the first one's end before it holds a row, in a function as in a plain statement."""
    deals = add_products(administrator, seller, 4)
    become(seller, *both)
    first, second = both
    do(first, both, statement, deals[:2])
    do(second, both, statement, deals[2:])
    assert second.is_waiting
    do(first, both, statement, deals[2:])
    first.session.commit()
    come_to_rest(both)
    second.outcome()
    do(second, both, statement, deals[:2])
    second.session.commit()


def test_bulk_actions_on_the_same_deals_run_against_each_other_without_a_deadlock(
    both: tuple[Lane, Lane], administrator: Session, seller: str
) -> None:
    """Flat out, in transactions of two bulk actions each, in opposite orders."""
    deals = add_products(administrator, seller, 60)
    become(seller, *both)

    def rounds(session: Session, *parts: list[str]) -> None:
        for number in range(150):
            for part in parts:
                execute(session, "select public.bulk_deals(%s, %s)", ("delete", "restore")[number % 2], part)
            session.commit()

    parts = deals[:40], deals[20:]
    both[0].start(lambda session: rounds(session, *parts))
    both[1].start(lambda session: rounds(session, *(part[::-1] for part in parts[::-1])))
    for lane in both:
        lane.outcome()


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_the_last_two_deals_of_a_product_can_go_at_the_same_time(
    both: tuple[Lane, Lane], administrator: Session, seller: str, role: str
) -> None:
    """Neither deletion sees the other's until it has ended; whoever comes second counts the product out."""
    execute(administrator, "insert into public.products (user_id, title) values (%s, 'P')", seller)
    add = "insert into public.deals (user_id, product_id, supplier) select user_id, id, %s from public.products"
    added = f"{add} where user_id = %s returning id"
    deals = [execute(administrator, added, supplier, seller)[0]["id"] for supplier in "ST"]
    become(seller, *both)
    first, second = both
    if role == "service_role":
        become("", second, role=role)
    do(first, both, _DIRECT, deals[:1])
    do(second, both, _DIRECT, deals[1:])
    assert second.is_waiting
    first.session.commit()
    come_to_rest(both)
    second.outcome()
    second.session.commit()


def test_a_recount_waits_for_a_change_under_way(both: tuple[Lane, Lane], administrator: Session, seller: str) -> None:
    """Else it would count without it and then overwrite what the change counted."""
    deals = add_products(administrator, seller, 2)
    execute(administrator, _DIRECT, deals[:1])
    become(seller, *both)
    changing, recounting = both
    do(changing, both, "select public.bulk_deals('restore', %s)", deals[:1])
    recounting.start(lambda session: execute(session, "select public.recount_asin_stats(%s) as found", seller))
    come_to_rest(both)
    assert recounting.is_waiting
    changing.session.commit()
    come_to_rest(both)
    assert recounting.outcome()[0]["found"]["after"]["all"] == 2
    recounting.session.commit()


_SECOND_DEAL: Final = (
    "insert into deals (user_id, product_id, supplier) select user_id, id, 'T' from products where {mine}"
)


@pytest.mark.parametrize(
    ("refusal", "story"),
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
def test_an_old_snapshot_fails_instead_of_counting_what_is_no_longer_so(
    postgres: PostgresServer,
    administrator: Session,
    seller: str,
    story: tuple[str, str, str],
    refusal: type[psycopg.Error],
) -> None:
    """REPEATABLE READ sees the past: after another session's change it is refused, as any write conflict is there."""
    deal = _SECOND_DEAL.replace("'T'", "'S'").format(mine=f"user_id = '{seller}'")
    before, meanwhile, then = (text.format(mine=f"user_id = '{seller}'", id=seller, deal=deal) for text in story)
    execute(administrator, "insert into products (user_id, title) values (%s, 'P')", seller)
    execute(administrator, before)
    with postgres.session(autocommit=False) as session:
        execute(session, "set transaction isolation level repeatable read")
        execute(session, "select count(*) from public.deals")
        execute(administrator, meanwhile)
        with pytest.raises(refusal):
            execute(session, then)
        session.rollback()
