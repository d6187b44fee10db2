"""A user can neither read nor change another user's rows. Tested on the database's own HTTP interface."""

from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
# The rows of Alice in each table: a column, its value or the member of her deal that has the value, and a valid change.
_ROWS: dict[str, tuple[str, str, dict[str, str]]] = {
    "products": ("id", "product_id", {"title": "stolen"}),
    "deals": ("id", "id", {"notes": "stolen"}),
    "candidates": ("product_id", "product_id", {"title": "stolen"}),
    "matches": ("gtin", "00012345678905", {"verdict": "never"}),
}


@pytest.fixture
def entry(alice: Caller) -> dict[str, Any]:
    """Return Alice's deal. No other user may see or change it, nor the candidate and the match that she also has."""
    deal = alice.creates(asin="B00ALICE01", title="Alice's lamp", deal={"supplier": "Acme", "buy_cost": "9.99"})
    alice.changes("put_candidates", p_product_id=deal["product_id"], p_candidates=[{"asin": "B00ALICE02"}])
    alice.http.post("/matches", json={"gtin": "00012345678905", "asin": "B00ALICE01", "verdict": "always"})
    shown: dict[str, Any] = alice.gets("get_deal", p_deal_id=deal["id"])
    return shown


@pytest.mark.parametrize("table", _ROWS)
def test_reading_a_table_returns_only_the_callers_rows(
    table: str, alice: Caller, bob: Caller, entry: dict[str, Any]
) -> None:
    """Row level security filters Bob's reads. Alice's own read proves that there is a row."""
    assert entry["id"]
    assert len(alice.http.get(f"/{table}").json()) == 1
    assert bob.http.get(f"/{table}").json() == []


@pytest.mark.parametrize("table", _ROWS)
def test_writing_another_users_row_changes_nothing(
    table: str, alice: Caller, bob: Caller, entry: dict[str, Any]
) -> None:
    """Bob's PATCH and DELETE with Alice's exact id succeed and affect zero rows."""
    key, value, change = _ROWS[table]
    row = {key: f"eq.{entry.get(value, value)}"}
    before = alice.http.get(f"/{table}", params=row).json()
    returned = {"Prefer": "return=representation"}
    assert bob.http.patch(f"/{table}", params=row, json=change, headers=returned).json() == []
    assert bob.http.delete(f"/{table}", params=row, headers=returned).json() == []
    assert alice.http.get(f"/{table}", params=row).json() == before


@pytest.mark.parametrize("column", ["id", "user_id", "created_at", "updated_at", "asin_status"])
def test_a_user_cannot_write_columns_that_the_database_sets(column: str, alice: Caller, bob: Caller) -> None:
    """Ids, owner, timestamps and status cannot be inserted or changed, so a user cannot create rows for another."""
    value = {"id": _UNKNOWN_ID, "user_id": bob.id, "asin_status": "asin_found"}.get(column, "2020-01-01T00:00:00Z")
    mine = alice.creates()["product_id"]
    inserted = alice.http.post("/products", json={"title": "Planted", column: value})
    changed = alice.http.patch("/products", params={"id": f"eq.{mine}"}, json={column: value})
    # A missing grant refuses it, not a policy. For a generated column Supabase Lite reports that first.
    refusal = "is a generated column" if column == "asin_status" else "permission denied"
    for answer in (inserted.json(), changed.json()):
        assert refusal in f"{answer['message']} {answer['details']}"
    assert bob.lists() == []
    assert bob.http.get("/products").json() == []


def test_a_deal_cannot_reference_another_users_product(alice: Caller, bob: Caller, entry: dict[str, Any]) -> None:
    """The composite foreign key refuses it. Foreign key checks are not subject to row level security."""
    planted = bob.http.post("/deals", json={"product_id": entry["product_id"], "supplier": "Bob"})
    assert planted.json()["code"] == "23503"
    own = bob.creates()["id"]
    moved = bob.http.patch("/deals", params={"id": f"eq.{own}"}, json={"product_id": entry["product_id"]})
    assert moved.json()["code"] == "42501"
    assert len(alice.gets("get_product", p_product_id=entry["product_id"])["deals"]) == 1


def test_a_superuser_cannot_insert_a_deal_for_another_users_product(
    stack: Stack, bob: Caller, entry: dict[str, Any]
) -> None:
    """Not even the superuser can insert a cross-tenant deal."""
    with pytest.raises(RuntimeError, match="deals_product_fkey"):
        stack.supabase.sql("insert into deals (user_id, product_id) values ($1, $2)", bob.id, entry["product_id"])


def test_no_function_finds_another_users_rows(alice: Caller, bob: Caller, entry: dict[str, Any]) -> None:
    """Each function answers Bob as if Alice's ids did not exist, and does not change Alice's product."""
    product_id, deal_id = entry["product_id"], entry["id"]
    before = alice.gets("get_product", p_product_id=product_id)
    assert bob.gets("get_product", p_product_id=product_id) is None
    assert bob.gets("get_deal", p_deal_id=deal_id) is None
    assert bob.changes("update_product", p_product_id=product_id, p_changes={"title": "stolen"}) is None
    assert bob.changes("update_deal", p_deal_id=deal_id, p_changes={"notes": "stolen"}) is None
    assert bob.changes("delete_deal", p_deal_id=deal_id) is False
    assert bob.changes("delete_deal", p_deal_id=deal_id, p_hard=True) is False
    for action, stage in [("delete", None), ("move", "ordered"), ("favorite", None)]:
        answer = bob.rpc("bulk_deals", p_action=action, p_deal_ids=[deal_id], p_stage=stage)
        assert (answer.status_code, answer.json()["details"]) == (404, f'["{deal_id}"]')
    assert alice.gets("get_product", p_product_id=product_id) == before


def test_lists_and_searches_return_only_the_callers_deals(alice: Caller, bob: Caller, entry: dict[str, Any]) -> None:
    """The list function bypasses row level security, so its own filter must hold, with a forged cursor too."""
    own = bob.creates(title="Bob's lamp")
    assert [item["id"] for item in bob.lists()] == [own["id"]]
    assert [item["id"] for item in bob.lists(p_search="lamp", p_sort="title")] == [own["id"]]
    assert bob.lists(p_search="B00ALICE01") == []
    assert bob.lists(p_after_value="2000-01-01", p_after_id=entry["id"], p_sort="created_at") == [own]
    assert [item["id"] for item in alice.lists()] == [entry["id"]]


def test_two_users_can_have_products_with_the_same_asin(bob: Caller, entry: dict[str, Any]) -> None:
    """Bob's product with Alice's ASIN is a new product that contains none of her data."""
    own = bob.creates(asin="B00ALICE01", title="Bob's lamp", deal={"supplier": "Acme"})
    assert own["product_id"] != entry["product_id"]
    assert (own["product"]["title"], own["buy_cost"]) == ("Bob's lamp", None)


@pytest.mark.usefixtures("entry")
def test_stats_of_another_user_are_refused(alice: Caller, bob: Caller) -> None:
    """A forged p_user_id is an error and returns no numbers. So is null."""
    for function in ("get_asin_stats", "recount_asin_stats"):
        for forged in (alice.id, _UNKNOWN_ID, None):
            refusal = bob.rpc(function, p_user_id=forged)
            assert (refusal.status_code, refusal.json()["code"]) == (403, "PT403")
    assert bob.reads_stats()["all"] == 0
    assert bob.gets("recount_asin_stats", p_user_id=bob.id)["after"]["all"] == 0


@pytest.mark.usefixtures("entry")
def test_the_service_role_may_read_any_users_stats(alice: Caller, service: Caller) -> None:
    """Server-side jobs need this exception."""
    assert service.gets("get_asin_stats", p_user_id=alice.id)["all"] == 1
    assert service.gets("recount_asin_stats", p_user_id=alice.id)["after"]["all"] == 1
    assert service.gets("recount_asin_stats", p_user_id=_UNKNOWN_ID)["after"]["all"] == 0


@pytest.mark.parametrize("table", _ROWS)
@pytest.mark.usefixtures("entry")
def test_an_anonymous_caller_may_access_no_table(table: str, anonymous: Caller) -> None:
    """Missing grants refuse the call before row level security applies."""
    key, _, change = _ROWS[table]
    row = {key: "not.is.null"}
    answers = [
        anonymous.http.get(f"/{table}"),
        anonymous.http.post(f"/{table}", json=change),
        anonymous.http.patch(f"/{table}", params=row, json=change),
        anonymous.http.delete(f"/{table}", params=row),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "42501")] * 4


def test_only_the_health_check_is_open_to_anonymous_callers(stack: Stack, anonymous: Caller) -> None:
    """Reads the system catalogue, so functions and tables added later are checked too."""
    open_functions = stack.supabase.sql(
        "select proname from pg_proc where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " and has_function_privilege('anon', oid, 'execute')"
    )
    tables = stack.supabase.sql(
        "select relname, relrowsecurity from pg_class where relkind in ('r', 'p', 'v', 'm')"
        " and relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
    )
    for table in tables:
        granted = "select has_any_column_privilege('anon', $1, 'select, insert, update, references') as any"
        assert stack.supabase.sql(granted, f"public.{table['relname']}") == [{"any": False}]
    assert {table["relname"]: table["relrowsecurity"] for table in tables} == dict.fromkeys(_ROWS, True)
    assert open_functions == [{"proname": "health"}]
    assert anonymous.gets("health") == "ok"


def test_functions_of_the_private_schema_are_not_endpoints(alice: Caller) -> None:
    """The schema `private` is not exposed by the REST interface."""
    assert alice.rpc("require_user").status_code == 404
    profiled = alice.http.post("/rpc/require_user", json={}, headers={"Content-Profile": "private"})
    assert profiled.status_code >= 400


def test_no_role_can_access_the_decisions(stack: Stack) -> None:
    """Only the functions of their owner may."""
    for role in ("anon", "authenticated", "service_role"):
        granted = (
            "select has_schema_privilege($1, 'deciding', 'usage') as usage,"
            " has_table_privilege($1, 'deciding.decisions', 'select, insert, update, delete') as rights"
        )
        assert stack.supabase.sql(granted, role) == [{"usage": False, "rights": False}]


@pytest.mark.usefixtures("entry")
def test_no_role_can_access_the_counters(stack: Stack, alice: Caller) -> None:
    """Reads, writes and calls of trigger functions all fail: the schema is not exposed, and no role may use it."""
    for path in ("asin_stats", "rpc/count_products", "rpc/lock_caller", "rpc/user_lock"):
        for headers in ({}, {"Accept-Profile": "counting", "Content-Profile": "counting"}):
            for method in ("GET", "POST", "PATCH", "DELETE"):
                body = None if method == "GET" else {"asin_found": 1000}
                answer = alice.http.request(method, f"/{path}?user_id=eq.{alice.id}", json=body, headers=headers)
                assert 400 <= answer.status_code < 500, (method, path, answer.text)
    assert alice.reads_stats()["asin_found"] == 1
    for role in ("anon", "authenticated", "service_role"):
        usage = "select has_schema_privilege($1, 'counting', 'usage') as usage"
        assert stack.supabase.sql(usage, role) == [{"usage": False}]
        granted = (
            "select relname as name from pg_class where relnamespace = 'counting'::regnamespace and relkind = 'r'"
            " and has_table_privilege($1, oid, 'select, insert, update, delete, truncate, references, trigger')"
            " union all select proname from pg_proc where pronamespace = 'counting'::regnamespace"
            " and has_function_privilege($1, oid, 'execute')"
        )
        assert stack.supabase.sql(granted, role) == []


def test_only_an_administrator_can_grant_the_operator_role(stack: Stack, alice: Caller, bob: Caller) -> None:
    """The role is read from app_metadata, which users cannot write. user_metadata, which they can, is ignored."""
    stack.supabase.sql('update auth.users set raw_app_meta_data = \'{"role": "operator"}\' where id = $1', alice.id)
    stack.supabase.sql('update auth.users set raw_user_meta_data = \'{"role": "operator"}\' where id = $1', bob.id)
    assert alice.gets("is_operator") is True
    assert bob.gets("is_operator") is False


@pytest.mark.usefixtures("entry")
def test_deleting_a_user_deletes_their_rows(stack: Stack, alice: Caller, bob: Caller) -> None:
    """The cascade removes the user's products and deals, and no other rows."""
    bob.creates()
    stack.supabase.sql("delete from auth.users where id = $1", alice.id)
    left = stack.supabase.sql("select user_id from products union all select user_id from deals")
    assert alice.id not in {row["user_id"] for row in left}
    assert [row["user_id"] for row in left].count(bob.id) == 2
