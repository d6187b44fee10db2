"""The memory that the workers share, and the instruments on it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from app.metrics.instruments import MOST_BOUNDS, Counter, Gauge, Histogram
from app.metrics.memory import CELLS, ROWS, SLOTS, Memory, free_row

NAME = ("asin_desk_test", "a label")


def _in_fork(action: Callable[[], object]) -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def _count(of: Memory, name: tuple[str, ...] = NAME, number: int = 1) -> None:
    start = of.slots.get(name)
    of.cells[of.add(name) if start is None else start] += number


def test_counts_of_all_processes_are_added() -> None:
    """Each process creates its slots in its own order."""
    shared = Memory()
    _count(shared)

    def other() -> None:
        shared.use_row(1)
        _count(shared, ("asin_desk_other",))
        _count(shared, number=2)

    _in_fork(other)
    assert shared.totals()[NAME] == [3] + [0] * (CELLS - 1)
    assert shared.totals()["asin_desk_other",][0] == 1


def test_a_process_continues_the_row_of_an_ended_one() -> None:
    """No count is lost when a worker is replaced, and its slots are found again."""
    shared = Memory()

    def work(*names: tuple[str, ...]) -> None:
        shared.use_row(1)
        for name in names:
            _count(shared, name)

    other = ("asin_desk_other",)
    for names in ([NAME, other], [other, NAME], [other]):
        _in_fork(partial(work, *names))
    assert {name: cells[0] for name, cells in shared.totals().items()} == {NAME: 2, other: 3}


def test_gauges_of_an_ended_process_are_left_out() -> None:
    """A process that has shown no life for 5 s has ended. Its counts remain."""
    now = 1000.0
    shared = Memory(clock=lambda: now)
    _count(shared)
    assert shared.live_totals() == {}
    shared.show_life()
    assert shared.live_totals()[NAME][0] == 1
    now += 5.1
    assert shared.live_totals() == {}
    assert shared.totals()[NAME][0] == 1


def test_a_full_row_drops_further_names_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """The slots that exist are still counted correctly. There is one warning."""
    shared = Memory()
    for number in range(SLOTS + 50):
        _count(shared, ("asin_desk_test", str(number)))
    totals = shared.totals()
    assert len(totals) == SLOTS - 1
    assert {cells[0] for cells in totals.values()} == {1}
    assert caplog.text.count("no room for further label values") == 1


def test_a_name_that_is_too_long_is_refused() -> None:
    """It is never cut off: two cut names could be the same."""
    with pytest.raises(ValueError, match="too long"):
        Memory().add(("asin_desk_test", "x" * 128))


def test_each_living_worker_has_its_own_row() -> None:
    """Row 0 belongs to the master. Without a free row, workers share the last one."""
    assert free_row(set()) == 1
    assert free_row({1, 2, 4}) == 3
    assert free_row(set(range(1, ROWS))) == ROWS - 1


@pytest.fixture
def own_memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Return an empty memory that the instruments use."""
    shared = Memory()
    monkeypatch.setattr("app.metrics.instruments.MEMORY", shared)
    return shared


@pytest.mark.usefixtures("own_memory")
def test_a_histogram_has_cumulative_buckets_and_a_sum() -> None:
    """A duration equal to a bound belongs to that bucket, as Prometheus defines it."""
    histogram = Histogram("asin_desk_h_seconds", "Test.", bounds=(0.1, 1.0), labels=("kind",), expected=[("b",)])
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(seconds, "a")
    found = {(s.name, s.labels["kind"], s.labels.get("le")): s.value for s in histogram.collect().samples}
    assert [found["asin_desk_h_seconds_bucket", "a", le] for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert found["asin_desk_h_seconds_count", "a", None] == 4
    assert found["asin_desk_h_seconds_sum", "a", None] == pytest.approx(7.65)
    assert found["asin_desk_h_seconds_count", "b", None] == 0
    with pytest.raises(ValueError, match="at most"):
        Histogram("asin_desk_h_seconds", "Test.", bounds=range(MOST_BOUNDS + 1))


@pytest.mark.usefixtures("own_memory")
def test_counts_from_elsewhere_are_added_to_a_histogram() -> None:
    """They add up, bucket by bucket."""
    histogram = Histogram("asin_desk_h_seconds", "Test.", bounds=(0.1, 1.0))
    histogram.add([1, 2, 3], 9.0)
    histogram.add([1, 0, 0], 0.5)
    values = [sample.value for sample in histogram.collect().samples if not sample.name.endswith("_created")]
    assert values == [2, 4, 7, 7, pytest.approx(9.5)]


def test_a_counter_grows_and_a_gauge_is_set(own_memory: Memory) -> None:
    """A counter that counted nothing yet is 0, and so is a gauge."""
    counter, gauge = Counter("asin_desk_c", "Test.", labels=("a",), expected=[("x",)]), Gauge("asin_desk_g", "Test.")
    assert [sample.value for sample in (*counter.collect().samples, *gauge.collect().samples)] == [0, 0]
    counter.add(2, "x")
    counter.add(3, "y")
    gauge.set(7)
    gauge.set(5)
    own_memory.show_life()
    assert {sample.labels["a"]: sample.value for sample in counter.collect().samples} == {"x": 2, "y": 3}
    assert [sample.value for sample in gauge.collect().samples] == [5]


def test_threads_lose_no_count(own_memory: Memory) -> None:
    """Threads of one process count in the same cells."""
    counter, number = Counter("asin_desk_c", "Test.", labels=("a",)), 20_000

    def count() -> None:
        for _ in range(number):
            counter.add(1, "x")

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(count) for _ in range(8)]:
            done.result()
    assert own_memory.totals()["asin_desk_c", "x"][0] == 8 * number
