"""What processes share: marks and counts survive the process that made them, and nobody else's are taken back."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from app.caching import shared
from app.caching.events import COUNTERS
from app.caching.shared import ROWS, SharedRegion, region_of
from local import ROOT

A: Final = "asin_stats:a"
B: Final = "asin_stats:b"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder in which regions are kept; nothing is in it yet."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    region_of.cache_clear()
    yield tmp_path
    region_of.cache_clear()


def _in_a_fork(work: Callable[[], object]) -> None:
    """Do `work` in a child that then dies without any clean-up."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


_ELSEWHERE: Final = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from app.caching.shared import region_of
region = region_of("redis")
exec(sys.argv[2])
sys.stdin.read()
"""


def _elsewhere(folder: Path, code: str) -> "subprocess.Popen[str]":
    """Run `code` in another process, one that is not forked from this; it lives until it is killed."""
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", _ELSEWHERE, str(folder), f"{code}\nprint('done', flush=True)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "done\n"
    return process


def _kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_mark_is_seen_in_all_processes_and_outlives_a_killed_one(folder: Path) -> None:
    """A worker killed with an undelivered end still protects its key, in workers that never knew it."""
    _kill(_elsewhere(folder, f"region.mark({A!r}, seconds=60)"))

    assert region_of("redis").is_marked(A)
    assert not region_of("redis").is_marked(B)
    assert not region_of("another redis").is_marked(A)


@pytest.mark.usefixtures("folder")
def test_a_forked_process_shares_and_owns_a_row_of_its_own() -> None:
    """As gunicorn's workers do under --preload."""
    region = region_of("redis")
    region.mark(A, seconds=60)
    _in_a_fork(lambda: _owes_both(region))

    region.unmark()

    assert region.is_marked(A)
    assert region.is_marked(B)


def test_no_process_takes_back_the_marks_of_a_living_one(folder: Path) -> None:
    """However many have come and gone: a row has one owner at a time."""
    region = region_of("redis")
    others = [_elsewhere(folder, f"region.mark({A!r}, seconds=60)") for _ in range(2)]
    for _ in range(ROWS + 5):
        _in_a_fork(lambda: _owes_for_a_moment(region))

    assert region.is_marked(A)
    for other in others:
        _kill(other)


def _owes_both(region: SharedRegion) -> None:
    for key in (A, B):
        region.mark(key, seconds=60)


def _owes_for_a_moment(region: SharedRegion) -> None:
    region.mark(A, seconds=60)
    region.unmark()


def test_the_next_owner_of_a_row_does_not_take_back_the_marks_of_the_last(folder: Path) -> None:
    """The debts of a killed worker are nobody's, so its marks stay until their time is over."""
    _kill(_elsewhere(folder, f"region.mark({A!r}, seconds=60)"))
    region = region_of("redis")
    region.mark(A, seconds=30)

    region.unmark()

    assert region.is_marked(A)


@pytest.mark.usefixtures("folder")
def test_processes_beyond_the_last_row_still_share_their_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their marks are never taken back, as nobody knows whose they are; they lapse."""
    monkeypatch.setattr(shared, "ROWS", 0)
    region = region_of("redis")
    region.mark(A, seconds=60)

    region.unmark()

    assert region.is_marked(A)


def test_marks_lapse() -> None:
    """After their time no mark stands, delivered or not."""
    now = 100.0
    region = SharedRegion(clock=lambda: now)
    region.mark(A, seconds=10)
    assert region.is_marked(A)

    now = 111.0

    assert not region.is_marked(A)


def test_marks_from_before_the_machine_restarted_are_dropped(folder: Path) -> None:
    """Its clock began anew, so they would stand for days."""
    _kill(_elsewhere(folder, f"region._clock = lambda: 1e9; region.mark({A!r}, seconds=60)"))

    assert not region_of("redis").is_marked(A)


def test_counts_are_summed_over_processes_dead_ones_included(folder: Path) -> None:
    """Diagnostics speak for the whole server, not for the worker that happens to answer."""
    region = region_of("redis")
    region.count("hit")
    _kill(_elsewhere(folder, "region.count('hit')"))
    _in_a_fork(lambda: region.count("hit"))

    assert region.counts()["hit"] == 3
    assert set(region.counts()) == set(COUNTERS)


def test_counts_begin_anew_with_the_first_process(folder: Path) -> None:
    """A server that starts counts from zero and says since when."""
    _kill(_elsewhere(folder, "region.count('hit')"))

    region = region_of("redis")

    assert region.counts()["hit"] == 0
    assert region.since > 1_700_000_000


def test_a_file_that_others_can_change_is_refused(folder: Path) -> None:
    """Whoever could write there could have old numbers served, or none at all."""
    region_of("redis")
    (path,) = folder.iterdir()
    region_of.cache_clear()
    path.chmod(0o666)

    with pytest.raises(RuntimeError, match="can be changed by others"):
        region_of("redis")


def test_a_folder_that_cannot_be_written_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without shared marks the promise would not hold, so the application does not start."""
    (folder / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "file"))

    with pytest.raises(RuntimeError, match="set TMPDIR"):
        region_of("redis")
