"""Model checking of the protocol: no interleaving or fault makes a read stale, and every part of it is necessary."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.caching.errors import CacheUnavailableError
from app.caching.policy import milliseconds
from app.caching.protocol import LeaseProtocol
from app.caching.scripts import run
from app.extensions import cache
from app.products.stats import asin_status_stats
from tests.caching.interleavings import Coverage, Exploration
from tests.caching.state_space import StaleReadError
from tests.caching.stepped import stepping
from tests.caching.store_model import COMMANDS, LEASE, TOMBSTONE, Command, CommandResult, Entry, tombstone
from tests.caching.workers import Program, reader, writer


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
    """Two readers that read twice, and two writers. The entry may expire, be evicted or be flushed at any step."""
    readers_and_writers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(2), "W2": writer(2)})

    check_coverage(Exploration(readers_and_writers, losses=True).run(), states=16_000, interleavings=7e11)


@pytest.mark.proof
@pytest.mark.timeout(300)  # 20 s of CPU time on an idle machine
def test_no_interleaving_with_one_fault_makes_a_read_stale(check_coverage: Callable[..., None]) -> None:
    """In addition one call fails, or times out and runs late or never, or a worker is killed."""
    readers_and_writers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1), "W2": writer(2)})

    check_coverage(Exploration(readers_and_writers, faults=1, losses=True).run(), states=400_000, interleavings=3e15)


@pytest.mark.proof
def test_no_interleaving_with_two_faults_makes_a_read_stale(check_coverage: Callable[..., None]) -> None:
    """For example begin and end both fail, or an end and its retry as an owed delete."""
    readers_and_writer = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1)})

    check_coverage(Exploration(readers_and_writer, faults=2).run(), states=75_000, interleavings=2e11)


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


# --- The protocol without one of its parts: the exploration must find a stale read for each.


def _fill_without_lease_check(
    _entry: Entry | None, now: int, _token: bytes, payload: bytes, life: int
) -> CommandResult:
    return 1, Entry(payload, now + life)


def _abandon_without_lease_check(_entry: Entry | None, _now: int, _token: bytes) -> CommandResult:
    return 1, None


def _lease_despite_writers(entry: Entry | None, now: int, token: bytes, *longest: int) -> CommandResult:
    announced = entry and entry.content and entry.content.startswith(TOMBSTONE)
    return COMMANDS["read"](None if announced else entry, now, token, *longest)


def _begin_without_announcement(entry: Entry | None, _now: int, _token: bytes, _life: int) -> CommandResult:
    return 1, entry


def _begin_without_other_writers(_entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    return 1, tombstone([(token, now + life)])


def _end_ignoring_other_writers(entry: Entry | None, _now: int, _token: bytes, _life: int) -> CommandResult:
    return int(entry is not None), None


def _end_only_if_announced(entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    own = entry and entry.content and entry.content.startswith(TOMBSTONE + token + b"@")
    return COMMANDS["end"](entry, now, token, life) if own else (0, entry)


def _end_keeping_leases(entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    leased = entry and entry.content and entry.content.startswith(LEASE)
    return (0, entry) if leased else COMMANDS["end"](entry, now, token, life)


def _end_keeping_values(entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    stored = entry and entry.content and entry.content.startswith(b"{")
    return (0, entry) if stored else COMMANDS["end"](entry, now, token, life)


@pytest.mark.parametrize(
    ("script", "broken", "faults", "losses"),
    [
        ("fill", _fill_without_lease_check, 0, False),
        ("abandon", _abandon_without_lease_check, 1, False),
        ("read", _lease_despite_writers, 0, False),
        ("begin", _begin_without_announcement, 0, False),
        ("begin", _begin_without_other_writers, 0, False),
        ("end", _end_ignoring_other_writers, 0, False),
        ("end", _end_only_if_announced, 0, True),
        ("end", _end_keeping_leases, 0, True),
        ("end", _end_keeping_values, 0, True),
    ],
)
def test_broken_script_leads_to_a_stale_read(script: str, broken: Command, faults: int, losses: bool) -> None:  # noqa: FBT001 - parametrized
    """Each check in the scripts is needed: without it the exploration finds a stale read."""
    workers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1)}, *([] if faults else [{"W2": writer(2)}]))
    exploration = Exploration(workers, faults=faults, losses=losses, commands={**COMMANDS, script: broken})

    with pytest.raises(StaleReadError, match="was due"):
        exploration.run()


class _DropsOwedDeletes(LeaseProtocol):
    """Treats an owed delete as delivered without sending it."""

    def _deliver(self, key: str, token: str) -> bool:  # noqa: ARG002 - same signature
        return True


class _OwesNothing(LeaseProtocol):
    """Records no owed delete when an end could not be delivered."""

    def end(self, key: str, token: str = "") -> None:
        try:
            self.guard.call(run, self._link.send_as_writer, "end", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            return


@pytest.mark.parametrize(("engine", "marks"), [(_DropsOwedDeletes, True), (_OwesNothing, True), (LeaseProtocol, False)])
def test_lost_owed_delete_leads_to_a_stale_read(engine: type[LeaseProtocol], marks: bool) -> None:  # noqa: FBT001 - parametrized
    """An undelivered end must be owed, delivered before caching resumes, and until then marked for other workers."""
    readers_and_writer = ({"R1": reader(2)}, {"W1": writer(1)})

    with pytest.raises(StaleReadError, match="was due"):
        Exploration(readers_and_writer, faults=1, engine=engine, marks=marks).run()


@contextmanager
def _ending_with_unknown_outcome(user_id: str) -> Iterator[None]:
    with cache.writing(asin_status_stats, user_id):
        try:
            yield
        finally:
            cache.delete_memoized(asin_status_stats, user_id)


def test_ending_a_write_of_unknown_outcome_leads_to_a_stale_read() -> None:
    """The commit may still happen later, so the announcement must stay in the tombstone."""
    programs: tuple[dict[str, Program], ...] = (
        {"R1": reader(2)},
        {"R2": reader(1)},
        {"W1": writer(1, changing=_ending_with_unknown_outcome)},
    )

    with pytest.raises(StaleReadError, match="was due"):
        Exploration(programs, faults=1).run()
