"""Model checking of the protocol: no interleaving or fault makes a read stale. See `test_mutants` for the reverse."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.caching.interleavings import Coverage, Exploration
from tests.caching.stepped import stepping
from tests.caching.workers import Change, Program, deleting_stats, reader, replacing_stats, writer


@pytest.fixture(autouse=True)
def _stepping(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL, logger="app.caching")  # thousands of opening breakers would fill the log
    with stepping():
        yield


@pytest.fixture
def check_coverage(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Return a function that prints what an exploration covered, and fails if that is less than the given minimum."""

    def check(found: Coverage, *, states: int, interleavings: float) -> None:
        with capsys.disabled():
            print(f" [{found.interleavings:,} interleavings, {found.states:,} states] ", end="")  # noqa: T201 - the result
        assert found.states >= states
        assert found.interleavings >= interleavings

    return check


def test_no_interleaving_makes_a_read_stale(check_coverage: Callable[..., None]) -> None:
    """Two writers and one reader that reads twice. The entry may expire, be evicted or be flushed at any step."""
    workers = ({"R1": reader(2)}, {"W1": writer(1)}, {"W2": writer(2)})

    check_coverage(Exploration(workers, losses=True).run(), states=5_000, interleavings=1e7)


def test_no_interleaving_with_two_readers_makes_a_read_stale(check_coverage: Callable[..., None]) -> None:
    """Two writers and two readers. Values expire, and the overlap of a writer passes, at any step."""
    workers = ({"R1": reader(1), "W1": writer(1)}, {"R2": reader(1), "W2": writer(2)})

    check_coverage(Exploration(workers).run(), states=10_000, interleavings=3e6)


_MANY = {
    "two readers": (({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1), "W2": writer(2)}), 125_000, 3e10),
    "a write without a value": (
        ({"R1": reader(2), "W1": writer(1, changing=deleting_stats)}, {"R2": reader(1), "W2": writer(2)}),
        115_000,
        3e10,
    ),
    "three writers": (({"R1": reader(2), "W1": writer(1)}, {"W2": writer(2)}, {"W3": writer(3)}), 190_000, 4e10),
}


@pytest.mark.proof
@pytest.mark.timeout(900)  # a minute of CPU time on an idle machine
@pytest.mark.parametrize("name", _MANY)
def test_no_interleaving_of_many_threads_makes_a_read_stale(check_coverage: Callable[..., None], name: str) -> None:
    """The entry may also be lost at any step."""
    workers, states, interleavings = _MANY[name]

    check_coverage(Exploration(workers, losses=True).run(), states=states, interleavings=interleavings)


@pytest.mark.proof
@pytest.mark.timeout(900)  # a minute of CPU time on an idle machine
@pytest.mark.parametrize("changing", [replacing_stats, deleting_stats])
def test_no_interleaving_with_one_fault_makes_a_read_stale(
    check_coverage: Callable[..., None], changing: Callable[[str], AbstractContextManager[Change]]
) -> None:
    """In addition one call fails, or times out and runs late or never, or a worker is killed."""
    workers = ({"R1": reader(2), "W1": writer(1, changing=changing)}, {"W2": writer(2)})

    check_coverage(Exploration(workers, faults=1, losses=True).run(), states=225_000, interleavings=1e12)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_no_interleaving_with_two_faults_makes_a_read_stale(check_coverage: Callable[..., None]) -> None:
    """For example begin and end both fail, or an end and its retry as an owed delete."""
    readers_and_writer = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1)})

    check_coverage(Exploration(readers_and_writer, faults=2).run(), states=580_000, interleavings=1e13)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("workers", "faults"),
    [(({"R1": reader(1), "W1": writer(1)},), 1), (({"R1": reader(1)}, {"W1": writer(1)}), 2)],
    ids=["one worker", "two workers"],
)
def test_merging_histories_of_a_worker_loses_no_interleaving(
    workers: tuple[dict[str, Program], ...], faults: int
) -> None:
    """The number of interleavings is the same as when each history of a worker is a state of its own."""
    merged = Exploration(workers, faults=faults).run()
    apart = Exploration(workers, faults=faults, merging=False).run()

    assert merged.interleavings == apart.interleavings
    assert merged.states < apart.states
