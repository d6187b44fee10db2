"""Bulk actions against each other over HTTP, on the embedded database: one connection behind many requests."""

from concurrent.futures import ThreadPoolExecutor

from tests.callers import Caller


def test_bulk_actions_in_opposite_order_all_succeed_and_are_counted(alice: Caller) -> None:
    """Whoever comes last decides, and a recount agrees with what was counted on the way."""
    deals = [alice.creates()["id"] for _ in range(10)]

    def rounds(ids: list[str]) -> list[int]:
        actions = ("delete", "restore") * 10
        return [alice.rpc("bulk_deals", p_action=action, p_deal_ids=ids).status_code for action in actions]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(rounds, (deals[:7], deals[:2:-1]))) == [[200] * 20] * 2
    counted = alice.reads_stats()
    found = alice.gets("recount_asin_stats", p_user_id=alice.id)
    assert (counted["all"], found) == (10, {"before": counted, "after": counted, "repaired": 0, "copies": 0})
