"""What workers share: marks and counts survive the process that made them."""

import os
from collections.abc import Callable

from app.caching.shared import NAMES, ROWS, SharedRegion


def _in_a_fork(region: SharedRegion, number: int, work: Callable[[], None]) -> None:
    """Do `work` as worker `number` in a child that then dies without any clean-up."""
    child = os.fork()
    if child == 0:
        region.claim(number)
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_mark_made_in_one_worker_is_seen_in_all_and_outlives_it() -> None:
    """A worker killed with an undelivered delete still protects its key."""
    region = SharedRegion()

    _in_a_fork(region, 5, lambda: region.mark("asin_stats:a", seconds=60))

    assert region.is_marked("asin_stats:a")
    assert not region.is_marked("asin_stats:b")


def test_a_worker_takes_back_only_its_own_marks() -> None:
    """That one worker delivered what it owed says nothing about another's debt."""
    region = SharedRegion()
    region.claim(1)
    region.mark("asin_stats:a", seconds=60)
    _in_a_fork(region, 2, lambda: region.mark("asin_stats:a", seconds=60))

    region.unmark()

    assert region.is_marked("asin_stats:a")


def test_marks_run_out() -> None:
    """After their time no mark stands, delivered or not."""
    now = 100.0
    region = SharedRegion(clock=lambda: now)
    region.mark("asin_stats:a", seconds=10)
    assert region.is_marked("asin_stats:a")

    now = 111.0

    assert not region.is_marked("asin_stats:a")


def test_counts_are_summed_over_workers_dead_ones_included() -> None:
    """Diagnostics speak for the whole server, not for the worker that happens to answer."""
    region = SharedRegion()
    region.claim(1)
    region.count("hit")
    for number in (2, 3, ROWS + 2):
        _in_a_fork(region, number, lambda: region.count("hit"))

    assert region.counts()["hit"] == 4
    assert set(region.counts()) == set(NAMES)
