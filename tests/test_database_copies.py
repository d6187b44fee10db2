"""What a deal repeats of its product, for the list's indexes, is true: whoever writes, and in whatever order."""

from threading import Thread

import pytest

from local.processes import wait_until
from local.stack import Stack
from tests.callers import Caller
from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_STALE = """
select d.id from deals d join products p on p.id = d.product_id
where d.user_id = %s and (d.asin_status, d.title_key) is distinct from (p.asin_status, lower(p.title))
"""


def _made(session: Session, user_id: str) -> str:
    """Create a product without deals, past the functions, and return its id."""
    made = execute(session, "insert into products (user_id, title) values (%s, 'Old') returning id", user_id)
    return str(made[0]["id"])


def test_a_product_passes_title_and_status_on_to_all_its_deals(alice: Caller) -> None:
    """Also to those that are put away; the times of the deals stay as they were."""
    first = alice.creates(upc="12345678", title="Lamp", deal={"supplier": "Acme"})
    second = alice.creates(upc="12345678", deal={"supplier": "Bolt"})
    alice.gets("delete_deal", p_deal_id=second["id"])
    changes = {"title": "Zebra", "asin": "B000000001"}
    alice.gets("update_product", p_product_id=first["product_id"], p_changes=changes)
    rows = alice.http.get("/deals", params={"select": "asin_status,title_key,updated_at"}).json()
    assert {(row["asin_status"], row["title_key"]) for row in rows} == {("asin_found", "zebra")}
    assert [entry["updated_at"] for entry in alice.lists(p_asin_status="asin_found")] == [first["updated_at"]]
    assert alice.lists(p_asin_status="needs_asin") == []


def test_nobody_writes_the_copies(stack: Stack, alice: Caller) -> None:
    """Users may not; whoever may (service role, superuser) is corrected."""
    entry = alice.creates(title="Lamp")
    for column, value in {"asin_status": "asin_found", "title_key": "x", "slice": 1}.items():
        refused = alice.http.patch("/deals", params={"id": f"eq.{entry['id']}"}, json={column: value})
        assert refused.status_code >= 400
    stack.supabase.sql("update deals set asin_status = 'asin_found', title_key = 'x' where id = $1", entry["id"])
    rows = alice.http.get("/deals", params={"select": "asin_status,title_key"}).json()
    assert rows == [{"asin_status": "manual_entry", "title_key": "lamp"}]


@pytest.mark.parametrize("as_user", [True, False])
@pytest.mark.parametrize("first", ["deal", "title"])
def test_a_new_deal_and_a_new_title_at_the_same_moment_agree(
    postgres: PostgresServer, first: str, *, as_user: bool
) -> None:
    """Two sessions: the second waits for the first, and what it copies or passes on is what is true then."""
    with postgres.session() as superuser, postgres.session() as one, postgres.session() as other:
        user_id = new_user(superuser)
        product_id = _made(superuser, user_id)
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
