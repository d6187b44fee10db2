"""The functions over the REST interface of the embedded database, as the app calls them."""

from typing import Any, Final

import pytest

from local.stack import Stack
from tests.callers import Caller

_A, _B = "B00000000A", "B00000000B"
_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
_CALLS: Final[dict[str, dict[str, Any]]] = {
    "decide_asin": {"p_product_id": _UNKNOWN_ID, "p_asin": _A},
    "undo_decision": {"p_decision_id": _UNKNOWN_ID},
    "merge_products": {"p_product_id": _UNKNOWN_ID, "p_into": _UNKNOWN_ID},
    "decide_many": {"p_rows": [{"product_id": _UNKNOWN_ID, "asin": _A}]},
    "next_in_queue": {"p_asin_status": "needs_asin"},
}


def test_a_user_works_a_queue(stack: Stack, alice: Caller, bob: Caller) -> None:
    """Decide, undo, merge, and decide again. Each change returns the stats that it leaves."""
    first, second = (alice.creates(title=title, deal={"supplier": "Acme"})["product_id"] for title in ("One", "Two"))
    assert alice.gets("next_in_queue", p_asin_status="manual_entry")["product"]["id"] == second
    changed = alice.gets("decide_asin", p_product_id=second, p_asin=_A)
    assert (changed["answer"]["asin"], changed["stats"]["asin_found"]) == (_A, 1)
    decision = stack.supabase.sql("select id from deciding.decisions where product_id = $1", second)[0]["id"]
    assert bob.changes("undo_decision", p_decision_id=decision) is None
    assert alice.changes("undo_decision", p_decision_id=decision)["asin"] is None
    assert bob.changes("merge_products", p_product_id=first, p_into=second) is None
    assert alice.gets("merge_products", p_product_id=first, p_into=second)["stats"]["all"] == 1
    taken = alice.rpc("merge_products", p_product_id=second, p_into=first)
    assert (taken.status_code, taken.json()["code"]) == (409, "PT409")
    (result,) = alice.changes("decide_many", p_rows=[{"product_id": first, "asin": _B}])["results"]
    assert (result["outcome"], result["product_id"]) == ("set", second)
    assert alice.gets("next_in_queue", p_asin_status="manual_entry") == {"product": None, "next": None}


@pytest.mark.parametrize("function", _CALLS)
def test_an_anonymous_caller_may_not_decide(anonymous: Caller, function: str) -> None:
    """The publishable key alone is not enough."""
    assert anonymous.rpc(function, **_CALLS[function]).status_code == 401


def test_only_functions_may_use_the_decisions(stack: Stack, alice: Caller) -> None:
    """No role may use the schema, and only `history_of` of the private functions can be called by users."""
    for role in ("anon", "authenticated", "service_role"):
        usage = "select has_schema_privilege($1, 'deciding', 'usage') as usage"
        assert stack.supabase.sql(usage, role) == [{"usage": False}]
    assert alice.http.get("/decisions", headers={"Accept-Profile": "deciding"}).status_code >= 400
    callable_functions = stack.supabase.sql(
        "select proname from pg_proc where proname in ('record_decision', 'make_decisions', 'write_decisions',"
        " 'write_deal_values', 'restore_product', 'undo_merge', 'undo_choice', 'remember', 'history_of')"
        " and has_function_privilege('authenticated', oid, 'execute')"
    )
    assert callable_functions == [{"proname": "history_of"}]
