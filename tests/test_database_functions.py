"""No public function of the database is open to anonymous callers, except the health check."""

from typing import Any

import pytest

from local.stack import Stack
from tests.callers import Caller

_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
# One valid call of each function.
_CALLS: dict[str, dict[str, Any]] = {
    "add_candidates": {"p_rows": []},
    "bulk_deals": {"p_action": "delete", "p_deal_ids": [_UNKNOWN_ID]},
    "bulk_matching": {"p_action": "delete"},
    "count_deals": {},
    "conditional_change": {"p_function": "delete_deal", "p_arguments": {"p_deal_id": _UNKNOWN_ID}},
    "create_product": {"p_product": {"title": "Mine"}, "p_deal": {}},
    "decide_asin": {"p_product_id": _UNKNOWN_ID, "p_asin": "B000000001"},
    "decide_many": {"p_rows": [{"product_id": _UNKNOWN_ID, "asin": "B000000001"}]},
    "delete_deal": {"p_deal_id": _UNKNOWN_ID},
    "find_user": {"p_email": "seller@example.com"},
    "forget_match": {"p_gtin": "00012345678905", "p_asin": "B000000001"},
    "get_asin_stats": {"p_user_id": _UNKNOWN_ID},
    "get_batch": {"p_batch_id": _UNKNOWN_ID},
    "get_deal": {"p_deal_id": _UNKNOWN_ID},
    "get_import_file": {"p_file_id": _UNKNOWN_ID},
    "get_import_piece": {"p_file_id": _UNKNOWN_ID, "p_place": 0},
    "keep_import_file": {"p_content": ""},
    "keep_import_report": {"p_file_id": _UNKNOWN_ID, "p_report": {}},
    "remember_columns": {"p_header": "", "p_fields": []},
    "remembered_columns": {"p_header": ""},
    "get_product": {"p_product_id": _UNKNOWN_ID},
    "import_deals": {"p_rows": []},
    "is_operator": {},
    "session_is_open": {},
    "list_deals": {},
    "list_matches": {"p_limit": 10},
    "list_trash": {},
    "merge_products": {"p_product_id": _UNKNOWN_ID, "p_into": _UNKNOWN_ID},
    "next_in_queue": {"p_asin_status": "needs_asin"},
    "purge_batches": {},
    "purge_deals": {"p_days": 30},
    "purge_idempotency_keys": {},
    "put_candidates": {"p_product_id": _UNKNOWN_ID, "p_candidates": []},
    "recount_asin_stats": {"p_user_id": _UNKNOWN_ID},
    "undo_batch": {"p_batch_id": _UNKNOWN_ID},
    "undo_decision": {"p_decision_id": _UNKNOWN_ID},
    "update_deal": {"p_deal_id": _UNKNOWN_ID, "p_changes": {}},
    "update_product": {"p_product_id": _UNKNOWN_ID, "p_changes": {}},
}


@pytest.mark.parametrize("function", sorted(_CALLS))
def test_an_anonymous_caller_may_call_no_function(function: str, anonymous: Caller) -> None:
    """The publishable key alone is not enough for any function."""
    assert anonymous.rpc(function, **_CALLS[function]).status_code == 401


def test_every_public_function_is_in_the_table_of_calls(stack: Stack) -> None:
    """A new public function must be added to the test of anonymous callers."""
    functions = stack.supabase.sql(
        "select distinct proname from pg_proc where pronamespace = 'public'::regnamespace order by 1"
    )
    assert {row["proname"] for row in functions} == {*_CALLS, "health"}
