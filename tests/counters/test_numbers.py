"""The contents of the counters, their repair by a recount, and the access of roles."""

from functools import partial
from typing import Final

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from tests.counters.catalogues import add_products, counter_errors
from tests.counters.lists import list_errors
from tests.counters.oracle import recount
from tests.counters.sessions import BackgroundSession, act_as, run, wait_until_done_or_blocked
from tests.postgres import Session, acting_as, execute, new_user

_ZERO: Final = {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


def test_the_stats_read_neither_products_nor_deals(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str
) -> None:
    """The stats are returned while another session locks both tables.

    So their cost cannot depend on the size of these tables.
    """
    add_products(administrator, seller, 3)
    holder, reader = both
    act_as(seller, *both)
    execute(holder.session, "reset role")
    run(holder, both, "lock table public.products, public.deals in access exclusive mode")
    reader.start(lambda session: execute(session, "select public.get_asin_stats(%s) as stats", seller))
    wait_until_done_or_blocked(both)
    assert not reader.is_busy
    assert reader.outcome() == [{"stats": {**_ZERO, "all": 3, "manual_entry": 3}}]
    holder.session.rollback()


@pytest.mark.parametrize(
    "change",
    [
        "update deals set product_id = {other} where product_id = {product}",
        "update deals set product_id = {other}, active = false, deleted_at = now() where product_id = {product}",
        (
            "with d as (update deals set user_id = {new} where product_id = {product})"
            " update products set user_id = {new}, multiple_asins = true where id = {product}"
        ),
        (
            "with d as (delete from deals where product_id = {product} returning user_id)"
            " insert into deals (user_id, product_id) select user_id, {other} from d"
        ),
        "delete from products where id = {product}",
        "delete from auth.users where id = {user}",
    ],
)
def test_deals_and_products_are_counted_for_their_new_product_or_user(
    administrator: Session, seller: str, change: str
) -> None:
    """They are no longer counted for the old one. Deals removed with a product or user are not counted at all."""
    new_owner = new_user(administrator)
    add_products(administrator, seller, 1)
    product = execute(administrator, "select id from public.products where user_id = %s", seller)[0]["id"]
    added = "insert into public.products (user_id, title) values (%s, 'Without deals') returning id"
    other = execute(administrator, added, seller)[0]["id"]
    names = {"product": product, "other": other, "user": seller, "new": new_owner}
    execute(administrator, change.format(**{name: f"'{value}'" for name, value in names.items()}))
    assert counter_errors(administrator, seller, new_owner) == []
    execute(administrator, "delete from auth.users where id = %s", new_owner)


_LOCKS: Final = """
select count(*) filter (where locktype = 'advisory') as users, count(*) filter (where mode = 'ExclusiveLock'
    and locktype = 'relation') as tables from pg_locks where pid = pg_backend_pid()
"""


def test_one_statement_for_more_than_a_thousand_users_is_counted_for_all(administrator: Session) -> None:
    """The lock table is too small for a lock per user, so one table lock replaces the user locks."""
    with administrator.transaction(force_rollback=True):
        users = [new_user(administrator) for _ in range(1001)]
        execute(administrator, "insert into public.products (user_id, title) select unnest(%s::uuid[]), 'P'", users)
        execute(
            administrator,
            "insert into public.deals (user_id, product_id) select user_id, id from public.products"
            " where user_id = any (%s)",
            users,
        )
        assert counter_errors(administrator, *users) == []
        assert execute(administrator, _LOCKS) == [{"users": 0, "tables": 1}]


def test_one_statement_for_more_than_a_thousand_products_locks_only_their_user(
    administrator: Session, seller: str
) -> None:
    """Other users do not wait while an administrator loads a catalogue."""
    with administrator.transaction():
        add_products(administrator, seller, 1001)
        assert execute(administrator, _LOCKS) == [{"users": 1, "tables": 0}]


def test_truncating_the_deals_sets_all_counters_to_zero(administrator: Session, seller: str) -> None:
    """A rollback restores the counters."""
    add_products(administrator, seller, 3)
    with administrator.transaction(force_rollback=True):
        execute(administrator, "truncate public.deals")
        assert counter_errors(administrator, seller) == []
        assert execute(administrator, "select count(*) from counting.products") == [{"count": 0}]
    assert counter_errors(administrator, seller) == []


def test_a_recount_repairs_wrong_counters_and_reports_them(administrator: Session, seller: str) -> None:
    """Covers a wrong counter, a stored product that does not exist, and a product that is not stored.

    A second recount finds nothing to repair.
    """
    add_products(administrator, seller, 3)
    execute(administrator, "update counting.asin_stats set asin_found = 7 where user_id = %s", seller)
    execute(administrator, "insert into counting.products values (%s, gen_random_uuid(), 'needs_asin')", seller)
    for change in ("delete from counting.products", "update counting.products set asin_status = 'needs_asin'"):
        some = "where product_id in (select id from public.products where user_id = %s order by id limit 1)"
        execute(administrator, f"{change} {some}", seller)
    right = {**_ZERO, "all": 3, "manual_entry": 3}
    with administrator.transaction():
        found = recount(lambda text: execute(administrator, text), seller)
        assert found == {"before": {**right, "all": 10, "asin_found": 7}, "after": right, "repaired": 2, "copies": 0}
        found = recount(lambda text: execute(administrator, text), seller)
        assert found == {"before": right, "after": right, "repaired": 0, "copies": 0}


def test_a_recount_repairs_wrong_copies_in_deals_and_reports_them(administrator: Session, seller: str) -> None:
    """A write without triggers made them wrong. After the recount the lists are correct and updated_at is unchanged."""
    add_products(administrator, seller, 3)
    execute(
        administrator, "update public.products set upc = '12345670' where id = %s", _any_product(administrator, seller)
    )
    rows = "select * from public.deals where user_id = %s order by id"
    before = execute(administrator, rows, seller)
    with administrator.transaction():
        execute(administrator, "set local session_replication_role = replica")
        spoil = "update public.deals set asin_status = 'asin_found', title_key = 'x' where id = any (%s)"
        execute(administrator, spoil, [row["id"] for row in before[:2]])
    run = partial(execute, administrator)
    assert list_errors(run, seller) != []
    with administrator.transaction():
        assert recount(run, seller)["copies"] == 2
    assert execute(administrator, rows, seller) == before
    assert list_errors(run, seller) == []


def test_a_recount_repairs_wrong_numbers_of_open_candidates(administrator: Session, seller: str) -> None:
    """A write without triggers made them wrong. The product then gets the status of its candidates, and is counted."""
    add_products(administrator, seller, 3)
    with administrator.transaction():
        execute(administrator, "set local session_replication_role = replica")
        add = "insert into candidates (user_id, product_id, asin) values (%s, %s, %s)"
        product = _any_product(administrator, seller)
        for asin in ("B000000001", "B000000002"):
            execute(administrator, add, seller, product, asin)
    assert {error["error"] for error in counter_errors(administrator, seller)} == {"open candidates", "status"}
    with administrator.transaction():
        found = recount(partial(execute, administrator), seller)
    assert (found["repaired"], found["after"]) == (1, {**_ZERO, "all": 3, "manual_entry": 2, "needs_selection": 1})
    assert counter_errors(administrator, seller) == []


def test_truncating_the_candidates_leaves_no_product_with_open_ones(administrator: Session, seller: str) -> None:
    """Their products are counted under the status that they have without candidates."""
    add_products(administrator, seller, 2)
    add = "insert into candidates (user_id, product_id, asin) select user_id, id, %s from products where user_id = %s"
    for asin in ("B000000001", "B000000002"):
        execute(administrator, add, asin, seller)
    with administrator.transaction(force_rollback=True):
        execute(administrator, "truncate candidates")
        assert counter_errors(administrator, seller) == []
    assert counter_errors(administrator, seller) == []


def _any_product(session: Session, user_id: str) -> str:
    return str(execute(session, "select id from public.products where user_id = %s limit 1", user_id)[0]["id"])


@pytest.mark.parametrize(
    "text",
    [
        "select * from counting.asin_stats",
        "select * from counting.products",
        "update counting.asin_stats set asin_found = 1000",
        "select counting.count_products('{}', '{}')",
        "select counting.add(auth.uid(), 1, 1, 1, 1)",
        "select counting.breakdown(auth.uid())",
    ],
)
@pytest.mark.parametrize("role", ["authenticated", "anon", "service_role"])
def test_no_role_has_access_to_the_counters(administrator: Session, seller: str, text: str, role: str) -> None:
    """Not even with arbitrary SQL, which PostgREST does not allow."""
    with acting_as(administrator, seller):
        execute(administrator, "select set_config('role', %s, true)", role)
        with pytest.raises(InsufficientPrivilege, match="permission denied for schema counting"):
            execute(administrator, text)
        raise psycopg.Rollback


def test_the_service_role_recounts_several_users_in_one_statement(administrator: Session, seller: str) -> None:
    """Runs the statement from the operators' documentation, here for two users."""
    other = new_user(administrator)
    for user_id, number in ((seller, 2), (other, 3)):
        add_products(administrator, user_id, number)
    execute(administrator, "update counting.asin_stats set manual_entry = 9 where user_id in (%s, %s)", seller, other)
    with administrator.transaction():
        execute(administrator, "set local role service_role")
        recounted = execute(
            administrator,
            "select user_id::text, recount_asin_stats(user_id) as found"
            " from (select distinct user_id from products where user_id in (%s, %s)) as sellers",
            seller,
            other,
        )
    assert {row["user_id"]: row["found"]["after"]["all"] for row in recounted} == {seller: 2, other: 3}
    execute(administrator, "delete from auth.users where id = %s", other)
