"""The promise holds in every ordering and with every fault, and not without any one of the pieces that keep it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.caching.protocol import LeaseProtocol
from app.caching.scripts import run
from app.caching.timing import milliseconds
from app.caching.trouble import CacheUnavailableError
from app.extensions import cache
from app.products.stats import asin_status_stats
from tests.caching.interleavings import Coverage, Exploration
from tests.caching.moments import StaleReadError
from tests.caching.stepped import stepping
from tests.caching.store_model import COMMANDS, LEASE, TOMBSTONE, Command, Entry, Step, tombstone
from tests.caching.workers import Program, reader, writer


@pytest.fixture(autouse=True)
def _stepping(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL, logger="app.caching")  # else thousands of breakers tell that they open
    with stepping():
        yield


@pytest.fixture
def covers(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Return a function that says what an exploration covered, and fails when it is less than it once was."""

    def check(found: Coverage, *, states: int, interleavings: float) -> None:
        with capsys.disabled():
            print(f" [{found.interleavings:,} interleavings, {found.states:,} states] ", end="")  # noqa: T201 - the result
        assert found.states >= states
        assert found.interleavings >= interleavings

    return check


def test_no_ordering_shows_an_old_number(covers: Callable[..., None]) -> None:
    """Two readers that read twice and two writers, while the entry runs out, is evicted or flushed at any moment."""
    readers_and_writers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(2), "W2": writer(2)})

    covers(Exploration(readers_and_writers, losses=True).run(), states=16_000, interleavings=7e11)


@pytest.mark.proof
@pytest.mark.timeout(300)  # twenty seconds of pure computing, on a machine that does nothing else
def test_no_ordering_with_a_fault_anywhere_shows_an_old_number(covers: Callable[..., None]) -> None:
    """Besides all that, one call fails, or is answered to nobody and runs late or never, or a worker is killed."""
    readers_and_writers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1), "W2": writer(2)})

    covers(Exploration(readers_and_writers, faults=1, losses=True).run(), states=400_000, interleavings=3e15)


@pytest.mark.proof
def test_no_ordering_with_two_faults_shows_an_old_number(covers: Callable[..., None]) -> None:
    """Two such faults, as when neither begin nor end can be delivered, or the owed end fails too."""
    readers_and_writer = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1)})

    covers(Exploration(readers_and_writer, faults=2).run(), states=75_000, interleavings=2e11)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("workers", "faults"),
    [(({"R1": reader(1), "W1": writer(1)},), 1), (({"R1": reader(1)}, {"W1": writer(1)}), 2)],
    ids=["one worker", "two workers"],
)
def test_no_interleaving_is_lost_by_merging_pasts_of_a_worker(
    workers: tuple[dict[str, Program], ...], faults: int
) -> None:
    """There are as many as when each past is a state of its own: the short cut of the tests above is none."""
    merged = Exploration(workers, faults=faults).run()
    apart = Exploration(workers, faults=faults, merging=False).run()

    assert merged.interleavings == apart.interleavings
    assert merged.states < apart.states


# --- The protocol without one of its pieces: each must be found out.


def _fill_whatever_stands_there(_entry: Entry | None, now: int, _token: bytes, payload: bytes, life: int) -> Step:
    return 1, Entry(payload, now + life)


def _abandon_whatever_stands_there(_entry: Entry | None, _now: int, _token: bytes) -> Step:
    return 1, None


def _lease_in_spite_of_writers(entry: Entry | None, now: int, token: bytes, *longest: int) -> Step:
    announced = entry and entry.content and entry.content.startswith(TOMBSTONE)
    return COMMANDS["read"](None if announced else entry, now, token, *longest)


def _begin_nothing(entry: Entry | None, _now: int, _token: bytes, _life: int) -> Step:
    return 1, entry


def _begin_alone(_entry: Entry | None, now: int, token: bytes, life: int) -> Step:
    return 1, tombstone([(token, now + life)])


def _end_for_all(entry: Entry | None, _now: int, _token: bytes, _life: int) -> Step:
    return int(entry is not None), None


def _end_only_own_announcement(entry: Entry | None, now: int, token: bytes, life: int) -> Step:
    own = entry and entry.content and entry.content.startswith(TOMBSTONE + token + b"@")
    return COMMANDS["end"](entry, now, token, life) if own else (0, entry)


def _end_but_leave_leases(entry: Entry | None, now: int, token: bytes, life: int) -> Step:
    leased = entry and entry.content and entry.content.startswith(LEASE)
    return (0, entry) if leased else COMMANDS["end"](entry, now, token, life)


def _end_but_leave_values(entry: Entry | None, now: int, token: bytes, life: int) -> Step:
    stored = entry and entry.content and entry.content.startswith(b"{")
    return (0, entry) if stored else COMMANDS["end"](entry, now, token, life)


@pytest.mark.parametrize(
    ("script", "broken", "faults", "losses"),
    [
        ("fill", _fill_whatever_stands_there, 0, False),
        ("abandon", _abandon_whatever_stands_there, 1, False),
        ("read", _lease_in_spite_of_writers, 0, False),
        ("begin", _begin_nothing, 0, False),
        ("begin", _begin_alone, 0, False),
        ("end", _end_for_all, 0, False),
        ("end", _end_only_own_announcement, 0, True),
        ("end", _end_but_leave_leases, 0, True),
        ("end", _end_but_leave_values, 0, True),
    ],
)
def test_a_broken_script_is_found_out(script: str, broken: Command, faults: int, losses: bool) -> None:  # noqa: FBT001 - parametrized
    """No script has a part that could be left out."""
    workers = ({"R1": reader(2), "W1": writer(1)}, {"R2": reader(1)}, *([] if faults else [{"W2": writer(2)}]))
    exploration = Exploration(workers, faults=faults, losses=losses, commands={**COMMANDS, script: broken})

    with pytest.raises(StaleReadError, match="was due"):
        exploration.run()


class _Forgetful(LeaseProtocol):
    """Takes an owed end for delivered although it was not sent."""

    def _deliver(self, key: str, token: str) -> bool:  # noqa: ARG002 - same face
        return True


class _Careless(LeaseProtocol):
    """Owes nothing when an end could not be delivered."""

    def end(self, key: str, token: str = "") -> None:
        try:
            self.guard.call(run, self._link.send, "end", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            return


@pytest.mark.parametrize(("engine", "marks"), [(_Forgetful, True), (_Careless, True), (LeaseProtocol, False)])
def test_an_undelivered_end_that_is_not_made_up_for_is_found_out(engine: type[LeaseProtocol], marks: bool) -> None:  # noqa: FBT001 - parametrized
    """It must be owed, delivered before caching resumes, and known to the other workers until then."""
    readers_and_writer = ({"R1": reader(2)}, {"W1": writer(1)})

    with pytest.raises(StaleReadError, match="was due"):
        Exploration(readers_and_writer, faults=1, engine=engine, marks=marks).run()


@contextmanager
def _changing_hastily(user_id: str) -> Iterator[None]:
    with cache.writing(asin_status_stats, user_id):
        try:
            yield
        finally:
            cache.delete_memoized(asin_status_stats, user_id)


def test_an_end_before_the_outcome_is_known_is_found_out() -> None:
    """The commit may still come: until then the announcement must stand."""
    programs: tuple[dict[str, Program], ...] = (
        {"R1": reader(2)},
        {"R2": reader(1)},
        {"W1": writer(1, changing=_changing_hastily)},
    )

    with pytest.raises(StaleReadError, match="was due"):
        Exploration(programs, faults=1).run()
