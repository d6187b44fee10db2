"""Mutation tests of the protocol: without any one of its rules, some interleaving makes a read stale."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest

from app.caching.protocol import LeaseProtocol
from app.extensions import cache
from app.products.stats import asin_status_stats
from tests.caching import mutants
from tests.caching.interleavings import Exploration
from tests.caching.state_space import StaleReadError
from tests.caching.stepped import stepping
from tests.caching.store_model import COMMANDS, Command
from tests.caching.workers import Change, Program, deleting_stats, reader, writer

_Workers = tuple[dict[str, Program], ...]

_ONE_WRITER: Final[_Workers] = ({"R1": reader(2)}, {"W1": writer(1)})
_TWO_WRITERS: Final[_Workers] = ({"R1": reader(2)}, {"W1": writer(1)}, {"W2": writer(2)})
_TWO_WRITERS_LONG: Final[_Workers] = ({"R1": reader(3)}, {"W1": writer(1)}, {"W2": writer(2)})
_ONE_WITHOUT_VALUE: Final[_Workers] = ({"R1": reader(2)}, {"W1": writer(1, changing=deleting_stats)}, {"W2": writer(2)})
_WITHOUT_VALUES: Final[_Workers] = (
    {"R1": reader(2), "W1": writer(1, changing=deleting_stats)},
    {"R2": reader(1)},
    {"W2": writer(2, changing=deleting_stats)},
)
_THREE_WRITERS: Final[_Workers] = ({"R1": reader(2)}, *({f"W{number}": writer(number)} for number in (1, 2, 3)))


@pytest.fixture(autouse=True)
def _stepping(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL, logger="app.caching")  # thousands of opening breakers would fill the log
    with stepping():
        yield


def _expect_stale_read(workers: _Workers, **options: Any) -> None:  # noqa: ANN401 - the fields of Exploration
    """Check that the exploration finds a stale read."""
    with pytest.raises(StaleReadError, match="was due"):
        Exploration(workers, explain=False, **options).run()


@pytest.mark.parametrize(
    ("script", "broken", "workers", "options"),
    [
        ("fill", mutants.fill_without_lease, _WITHOUT_VALUES, {}),
        ("abandon", mutants.abandon_without_lease, _WITHOUT_VALUES[:2], {"faults": 1, "faulty": {"select"}}),
        ("read", mutants.lease_beside_writers, _WITHOUT_VALUES, {}),
        ("read", mutants.use_beyond_overlap, _ONE_WRITER, {}),
        ("read", mutants.use_while_collecting, _TWO_WRITERS, {}),
        ("begin", mutants.begin_without_announcement, _WITHOUT_VALUES, {}),
        ("begin", mutants.begin_without_others, _WITHOUT_VALUES, {"faults": 1, "faulty": {"killed"}}),
        ("begin", mutants.begin_without_closing, _ONE_WRITER, {"faults": 1, "faulty": {"commit"}, "losses": True}),
        ("begin", mutants.begin_again, _ONE_WRITER, {"faults": 1, "faulty": {"begin"}}),
        ("end", mutants.end_without_others, _WITHOUT_VALUES, {}),
        ("end", mutants.end_only_if_listed, _WITHOUT_VALUES, {"losses": True}),
        ("end", mutants.end_keeping_leases, _WITHOUT_VALUES, {"losses": True}),
        ("end", mutants.end_keeping_values, _WITHOUT_VALUES, {"losses": True}),
        ("end", mutants.last_end_wins, _TWO_WRITERS, {}),
        ("end", mutants.first_end_wins, _TWO_WRITERS, {}),
        ("end", mutants.end_of_lost_writer_stores, _TWO_WRITERS, {"losses": True}),
        ("end", mutants.end_of_lost_writer_joins, _THREE_WRITERS, {"losses": True}),
        ("end", mutants.end_of_lost_writer_keeps, _TWO_WRITERS, {"losses": True}),
        ("end", mutants.end_without_value_keeps, _ONE_WITHOUT_VALUE, {}),
        ("end", mutants.end_without_value_reopens, _ONE_WITHOUT_VALUE, {}),
        ("end", mutants.end_keeps_serving, _TWO_WRITERS_LONG, {}),
        ("end", mutants.end_of_any_begin, _TWO_WRITERS, {"faults": 1, "faulty": {"begin"}, "losses": True}),
    ],
)
def test_broken_script_leads_to_a_stale_read(
    script: str, broken: Command, workers: _Workers, options: Mapping[str, Any]
) -> None:
    """Each check in the scripts is needed: without it the exploration finds a stale read."""
    _expect_stale_read(workers, commands={**COMMANDS, script: broken}, **options)


def test_ignoring_an_expired_writer_leads_to_a_stale_read() -> None:
    """It may have committed, so the value in the entry may lack its change."""
    _expect_stale_read(_TWO_WRITERS, commands=mutants.EXPIRED_WRITERS_IGNORED, faults=1, faulty={"killed"}, losses=True)


@pytest.mark.parametrize(
    ("engine", "marks"), [(mutants.DropsOwedDeletes, True), (mutants.OwesNothing, True), (LeaseProtocol, False)]
)
def test_lost_owed_delete_leads_to_a_stale_read(engine: type[LeaseProtocol], marks: bool) -> None:  # noqa: FBT001 - parametrized
    """An undelivered end must be owed, delivered before caching resumes, and until then marked for other workers."""
    _expect_stale_read(_ONE_WRITER, faults=1, engine=engine, marks=marks)


def test_undelivered_end_is_not_missed_by_other_machines() -> None:
    """They see no marks, but the writer waits before its change is acknowledged. Without this wait a read is stale."""
    other_machine: dict[str, Any] = {"faults": 1, "faulty": {"end", "killed"}, "marks": False}

    Exploration(_ONE_WRITER, **other_machine).run()
    _expect_stale_read(_ONE_WRITER, engine=mutants.AcknowledgesAtOnce, **other_machine)


def test_keeping_the_value_at_an_unknown_outcome_leads_to_a_stale_read() -> None:
    """The client was told to check, so the next read must show the change if it was committed."""
    _expect_stale_read(_ONE_WRITER, engine=mutants.IgnoresUnknownOutcomes, faults=1, faulty={"commit"})


def test_value_of_an_unconfirmed_begin_leads_to_a_stale_read() -> None:
    """Such a begin may run late, and keep a value that is newer than the change."""
    commands = {**COMMANDS, "end": mutants.end_of_any_begin}

    _expect_stale_read(_TWO_WRITERS, commands=commands, engine=mutants.TrustsEveryBegin, faults=1, faulty={"begin"})


def test_showing_a_computed_value_beside_an_older_one_leads_to_a_stale_read() -> None:
    """A slow reader must not show the change of a writer in flight before other readers do."""
    _expect_stale_read(_TWO_WRITERS, engine=mutants.ShowsWhatItComputed)


@contextmanager
def _ending_with_unknown_outcome(user_id: str) -> Iterator[Change]:
    with cache.writing(asin_status_stats, user_id):
        try:
            yield Change()
        finally:
            cache.delete_memoized(asin_status_stats, user_id)


def test_ending_a_write_of_unknown_outcome_leads_to_a_stale_read() -> None:
    """The commit may still happen later, so the writer must stay in the entry."""
    programs: _Workers = (
        {"R1": reader(2)},
        {"R2": reader(1)},
        {"W1": writer(1, changing=_ending_with_unknown_outcome)},
    )

    _expect_stale_read(programs, faults=1)
