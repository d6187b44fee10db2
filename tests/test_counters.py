"""The counters of the stats: who waits for whom, what fails instead of counting wrongly, and what repairs them."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege, SerializationFailure

from tests.counting import differences, recount
from tests.lanes import Lane, come_to_rest, lanes
from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_ADD: Final = """
with p as (
    insert into public.products (user_id, title) select %s, 'P' from generate_series(1, %s) returning id, user_id
)
insert into public.deals (user_id, product_id) select user_id, id from p returning id, product_id
"""
_ZERO: Final = {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


@pytest.fixture
def administrator(postgres: PostgresServer) -> Iterator[Session]:
    """Return a session beyond row level security."""
    with postgres.session() as session:
        yield session


@pytest.fixture
def seller(administrator: Session) -> Iterator[str]:
    """Return the id of a new user; the counters must be right when the test is over, and go with the user."""
    user_id = new_user(administrator)
    yield user_id
    assert _wrong(administrator, user_id) == []
    execute(administrator, "delete from auth.users where id = %s", user_id)
    assert _wrong(administrator, user_id) == []


@pytest.fixture
def both(postgres: PostgresServer) -> Iterator[tuple[Lane, Lane]]:
    """Return two sessions."""
    with lanes(postgres) as opened:
        yield opened


def _wrong(session: Session, *user_ids: str) -> list[Any]:
    return differences(lambda text: execute(session, text), user_ids)


def _add(session: Session, user_id: str, products: int = 1) -> list[str]:
    return [str(row["id"]) for row in execute(session, _ADD, user_id, products)]


def _do(lane: Lane, both: tuple[Lane, Lane], text: str, *parameters: Any) -> None:  # noqa: ANN401 - SQL values
    lane.start(lambda session: execute(session, text, *parameters))
    come_to_rest(both)
    if not lane.is_busy:
        lane.outcome()


def _become(both: tuple[Lane, Lane], user_id: str) -> None:
    """Let both sessions act as this user until they end, as two requests at once would."""
    for lane in both:
        execute(lane.session, "select set_config('request.jwt.claim.sub', %s, false)", user_id)
        execute(lane.session, "set role authenticated")
        lane.session.commit()


_BULK: Final = "select public.bulk_deals('delete', %s)"
_DIRECT: Final = "update public.deals set active = false, deleted_at = now() where id = any (%s)"


@pytest.mark.parametrize("statement", [_BULK, _DIRECT])
def test_two_changes_of_the_same_rows_in_opposite_order_never_deadlock(
    both: tuple[Lane, Lane], administrator: Session, seller: str, statement: str
) -> None:
    """The second waits for the first one's end before it holds a row, in a function as in a plain statement."""
    deals = _add(administrator, seller, 4)
    _become(both, seller)
    first, second = both
    _do(first, both, statement, deals[:2])
    _do(second, both, statement, deals[2:])
    assert second.is_waiting
    _do(first, both, statement, deals[2:])
    first.session.commit()
    come_to_rest(both)
    second.outcome()
    _do(second, both, statement, deals[:2])
    second.session.commit()


def test_bulk_actions_on_the_same_deals_run_against_each_other_without_a_deadlock(
    both: tuple[Lane, Lane], administrator: Session, seller: str
) -> None:
    """Flat out, in transactions of two bulk actions each, in opposite orders."""
    deals = _add(administrator, seller, 60)
    _become(both, seller)

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
    _become(both, seller)
    first, second = both
    if role == "service_role":
        execute(second.session, "set role service_role")
        execute(second.session, "select set_config('request.jwt.claim.sub', '', false)")
        second.session.commit()
    _do(first, both, _DIRECT, deals[:1])
    _do(second, both, _DIRECT, deals[1:])
    assert second.is_waiting
    first.session.commit()
    come_to_rest(both)
    second.outcome()
    second.session.commit()


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


def test_a_statement_over_thousands_of_users_counts_them_all(administrator: Session) -> None:
    """More users than there is room for locks: they are locked all at once."""
    with administrator.transaction(force_rollback=True):
        users = [new_user(administrator) for _ in range(1001)]
        added = "insert into public.products (user_id, title) select unnest(%s::uuid[]), 'P'"
        execute(administrator, added, users)
        execute(
            administrator,
            "insert into public.deals (user_id, product_id) select user_id, id from public.products"
            " where user_id = any (%s)",
            users,
        )
        assert _wrong(administrator, *users) == []
        held = "select count(*)::int as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        assert execute(administrator, held) == [{"n": 0}]


def test_truncating_the_deals_counts_nothing(administrator: Session, seller: str) -> None:
    """With everybody's numbers at zero; undone with the transaction."""
    _add(administrator, seller, 3)
    with administrator.transaction(force_rollback=True):
        execute(administrator, "truncate public.deals")
        assert _wrong(administrator, seller) == []
        assert execute(administrator, "select count(*) from counting.products") == [{"count": 0}]
    assert _wrong(administrator, seller) == []


def test_the_stats_touch_neither_products_nor_deals(
    both: tuple[Lane, Lane], administrator: Session, seller: str
) -> None:
    """They are answered while somebody else holds both tables, so their size cannot matter."""
    _add(administrator, seller, 3)
    holder, reader = both
    _become(both, seller)
    execute(holder.session, "reset role")
    _do(holder, both, "lock table public.products, public.deals in access exclusive mode")
    reader.start(lambda session: execute(session, "select public.get_asin_stats(%s) as stats", seller))
    come_to_rest(both)
    assert not reader.is_busy
    assert reader.outcome() == [{"stats": {**_ZERO, "all": 3, "manual_entry": 3}}]
    holder.session.rollback()


def test_a_recount_repairs_what_was_tampered_with_and_says_so(administrator: Session, seller: str) -> None:
    """Wrong numbers, a product noted that does not count, and one that is not noted; then there is nothing to do."""
    _add(administrator, seller, 3)
    execute(administrator, "update counting.asin_stats set asin_found = 7 where user_id = %s", seller)
    execute(administrator, "insert into counting.products values (%s, gen_random_uuid(), 'needs_asin')", seller)
    for change in ("delete from counting.products", "update counting.products set asin_status = 'needs_asin'"):
        some = "where product_id in (select id from public.products where user_id = %s order by id limit 1)"
        execute(administrator, f"{change} {some}", seller)
    right = {**_ZERO, "all": 3, "manual_entry": 3}
    with administrator.transaction():
        found = recount(lambda text: execute(administrator, text), seller)
        assert found == {"before": {**right, "all": 10, "asin_found": 7}, "after": right, "repaired": 2}
        found = recount(lambda text: execute(administrator, text), seller)
        assert found == {"before": right, "after": right, "repaired": 0}


def test_a_recount_waits_for_a_change_under_way(both: tuple[Lane, Lane], administrator: Session, seller: str) -> None:
    """Else it would count without it and then overwrite what the change counted."""
    deals = _add(administrator, seller, 2)
    _become(both, seller)
    changing, recounting = both
    _do(changing, both, _DIRECT, deals[:1])
    recounting.start(lambda session: execute(session, "select public.recount_asin_stats(%s) as found", seller))
    come_to_rest(both)
    assert recounting.is_waiting
    changing.session.commit()
    come_to_rest(both)
    assert recounting.outcome()[0]["found"]["after"]["all"] == 1
    recounting.session.commit()


@pytest.mark.parametrize(
    "text",
    [
        "select * from counting.asin_stats",
        "select * from counting.products",
        "update counting.asin_stats set asin_found = 1000",
        "select counting.settle('{}', '{}')",
        "select counting.add(auth.uid(), 1, 1, 1, 1)",
        "select counting.breakdown(auth.uid())",
    ],
)
@pytest.mark.parametrize("role", ["authenticated", "anon", "service_role"])
def test_nobody_gets_at_the_counters(administrator: Session, seller: str, text: str, role: str) -> None:
    """Not even with SQL of their own, which PostgREST does not offer."""
    with acting_as(administrator, seller):
        execute(administrator, "select set_config('role', %s, true)", role)
        with pytest.raises(InsufficientPrivilege, match="permission denied for schema counting"):
            execute(administrator, text)
        raise psycopg.Rollback
