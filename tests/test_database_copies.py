"""The product columns copied to deals for the list's indexes stay equal, for every writer and order of statements."""

from threading import Thread

import pytest
from psycopg.errors import SerializationFailure

from local.processes import wait_until
from local.stack import Stack
from tests.callers import Caller
from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_STALE = """
select d.id from deals d join products p on p.id = d.product_id
where d.user_id = %s and (d.asin_status, d.title_key) is distinct from (p.asin_status, lower(p.title))
"""


def _insert_product(session: Session, user_id: str) -> str:
    """Insert a product without deals directly, without the functions, and return its id."""
    made = execute(session, "insert into products (user_id, title) values (%s, 'Old') returning id", user_id)
    return str(made[0]["id"])


def test_changing_a_product_updates_the_copies_of_all_its_deals(alice: Caller) -> None:
    """Deleted deals are updated too. updated_at of the deals does not change."""
    first = alice.creates(upc="12345670", title="Lamp", deal={"supplier": "Acme"})
    second = alice.creates(upc="12345670", deal={"supplier": "Bolt"})
    alice.changes("delete_deal", p_deal_id=second["id"])
    changes = {"title": "Zebra", "asin": "B000000001"}
    alice.changes("update_product", p_product_id=first["product_id"], p_changes=changes)
    rows = alice.http.get("/deals", params={"select": "asin_status,title_key,updated_at"}).json()
    assert {(row["asin_status"], row["title_key"]) for row in rows} == {("asin_found", "zebra")}
    assert [entry["updated_at"] for entry in alice.lists(p_asin_status="asin_found")] == [first["updated_at"]]
    assert alice.lists(p_asin_status="needs_asin") == []


def test_the_copies_cannot_be_written_directly(stack: Stack, alice: Caller) -> None:
    """Users may not write them. Values from the service role or a superuser are corrected by a trigger."""
    entry = alice.creates(title="Lamp")
    for column, value in {"asin_status": "asin_found", "title_key": "x", "slice": 1}.items():
        refused = alice.http.patch("/deals", params={"id": f"eq.{entry['id']}"}, json={column: value})
        assert refused.status_code >= 400
    stack.supabase.sql("update deals set asin_status = 'asin_found', title_key = 'x' where id = $1", entry["id"])
    rows = alice.http.get("/deals", params={"select": "asin_status,title_key"}).json()
    assert rows == [{"asin_status": "manual_entry", "title_key": "lamp"}]


_NEW = "new as materialized (select gen_random_uuid() as id)"
_LATE = "late as (insert into products (id, user_id, title, upc) select id, '{user}', 'Late', '12345670' from new)"


@pytest.mark.parametrize(
    "change",
    [
        "with {new}, {late} insert into deals (user_id, product_id) select '{user}', id from new",
        (
            "with {new}, {late} merge into deals d using new on d.product_id = new.id"
            " when not matched then insert (user_id, product_id) values ('{user}', new.id)"
        ),
        "with {new}, {late} update deals set product_id = new.id from new where product_id = '{product}'",
        (
            "with {new}, late as"
            " (update products p set id = new.id, title = 'Late' from new where p.id = '{product}')"
            " update deals set product_id = new.id from new where product_id = '{product}'"
        ),
        (
            "with d as (insert into deals (user_id, product_id, supplier) values ('{user}', '{product}', 'T'))"
            " update products set title = 'New', upc = '12345670' where id = '{product}'"
        ),
        (
            "insert into deals (user_id, product_id, supplier, asin_status, title_key)"
            " values ('{user}', '{product}', 'T', 'asin_found', 'made up')"
        ),
        (
            "insert into deals (user_id, product_id, asin_status, title_key)"
            " values ('{user}', '{product}', 'asin_found', 'made up')"
            " on conflict (product_id, lower(supplier)) do update set"
            " asin_status = excluded.asin_status, title_key = excluded.title_key"
        ),
    ],
)
@pytest.mark.parametrize("role", ["service_role", "postgres"])
def test_the_copies_are_equal_after_any_order_within_one_statement(
    postgres: PostgresServer, change: str, role: str
) -> None:
    """A deal is inserted before its product, moved to a later product, or inserted with wrong copies."""
    with postgres.session() as session:
        user_id = new_user(session)
        product_id = _insert_product(session, user_id)
        execute(session, "insert into deals (user_id, product_id) values (%s, %s)", user_id, product_id)
        with session.transaction():
            execute(session, "select set_config('role', %s, true)", role)
            late = _LATE.format(user=user_id)
            execute(session, change.format(new=_NEW, late=late, user=user_id, product=product_id))
        assert execute(session, _STALE, user_id) == []
        assert len(execute(session, "select id from deals where user_id = %s", user_id)) >= 1


def test_copies_are_never_taken_from_an_old_snapshot(postgres: PostgresServer) -> None:
    """Under REPEATABLE READ, inserting a deal of a product that was renamed meanwhile fails with 40001."""
    with postgres.session() as superuser, postgres.session(autocommit=False) as session:
        user_id = new_user(superuser)
        product_id = _insert_product(superuser, user_id)
        execute(session, "set transaction isolation level repeatable read")
        execute(session, "select count(*) from products")
        execute(superuser, "update products set title = 'New' where id = %s", product_id)
        with pytest.raises(SerializationFailure), acting_as(session, user_id):
            execute(session, "insert into deals (product_id) values (%s)", product_id)
        session.rollback()


@pytest.mark.parametrize("as_user", [True, False])
@pytest.mark.parametrize("first", ["deal", "title"])
def test_concurrent_insert_of_a_deal_and_change_of_the_title_agree(
    postgres: PostgresServer, first: str, *, as_user: bool
) -> None:
    """The second session waits for the first, and then copies the current values."""
    with postgres.session() as superuser, postgres.session() as one, postgres.session() as other:
        user_id = new_user(superuser)
        product_id = _insert_product(superuser, user_id)
        statements: dict[str, tuple[str, *tuple[str, ...]]] = {
            "deal": ("insert into deals (product_id, user_id) values (%s, %s)", product_id, user_id),
            "title": ("update products set title = 'New' where id = %s and user_id = %s", product_id, user_id),
        }
        if as_user:
            statements["deal"] = ("insert into deals (product_id) values (%s)", product_id)
        second = "title" if first == "deal" else "deal"

        def run(session: Session, name: str) -> None:
            if as_user:
                with acting_as(session, user_id):
                    execute(session, *statements[name])
            else:
                execute(session, *statements[name])

        late = Thread(target=run, args=(other, second))
        with one.transaction():
            run(one, first)
            late.start()
            assert wait_until(lambda: _waits(superuser, other) or not late.is_alive(), seconds=20)
            assert late.is_alive()
        late.join(timeout=20)
        assert not late.is_alive()
        assert execute(superuser, _STALE, user_id) == []
        assert len(execute(superuser, "select id from deals where user_id = %s", user_id)) == 1


def _waits(superuser: Session, session: Session) -> bool:
    blockers = execute(superuser, "select pg_blocking_pids(%s) as pids", session.info.backend_pid)
    return bool(blockers[0]["pids"])
