"""Concurrent bulk actions over HTTP on the embedded database, which has one connection for all requests."""

from concurrent.futures import ThreadPoolExecutor

from tests.callers import Caller


def test_concurrent_bulk_actions_in_opposite_order_succeed_and_are_counted(alice: Caller) -> None:
    """All deals end up restored, and a recount finds nothing to repair."""
    deals = [alice.creates()["id"] for _ in range(10)]

    def rounds(ids: list[str]) -> list[int]:
        actions = ("delete", "restore") * 10
        return [alice.rpc("bulk_deals", p_action=action, p_deal_ids=ids).status_code for action in actions]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(rounds, (deals[:7], deals[:2:-1]))) == [[200] * 20] * 2
    counted = alice.reads_stats()
    found = alice.gets("recount_asin_stats", p_user_id=alice.id)
    assert (counted["all"], found) == (10, {"before": counted, "after": counted, "repaired": 0, "copies": 0})
