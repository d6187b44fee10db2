"""Tests of the memory that processes share: marks and counts outlive their process; only a mark's owner removes it."""

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
    """Return the folder of the shared files. It is empty."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    region_of.cache_clear()
    yield tmp_path
    region_of.cache_clear()


def _in_fork(work: Callable[[], object]) -> None:
    """Run `work` in a forked process that then exits without any cleanup."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


_SCRIPT: Final = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from app.caching.shared import region_of
region = region_of("redis")
exec(sys.argv[2])
sys.stdin.read()
"""


def _start_process(folder: Path, code: str) -> "subprocess.Popen[str]":
    """Run `code` in a new process that is not a fork of this one. It lives until it is killed."""
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", _SCRIPT, str(folder), f"{code}\nprint('done', flush=True)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "done\n"
    return process


def _kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_mark_is_visible_to_all_processes_and_outlives_its_own(folder: Path) -> None:
    """The mark of a worker that was killed with an owed delete still protects the key in other workers."""
    _kill(_start_process(folder, f"region.mark({A!r}, seconds=60)"))

    assert region_of("redis").is_marked(A)
    assert not region_of("redis").is_marked(B)
    assert not region_of("another redis").is_marked(A)


@pytest.mark.usefixtures("folder")
def test_forked_process_shares_marks_and_has_its_own_row() -> None:
    """Gunicorn's workers are forked processes under --preload."""
    region = region_of("redis")
    region.mark(A, seconds=60)
    _in_fork(lambda: _mark_both(region))

    region.unmark()

    assert region.is_marked(A)
    assert region.is_marked(B)


def test_process_never_removes_marks_of_a_living_one(folder: Path) -> None:
    """A row has one owner at a time, however many processes have used it."""
    region = region_of("redis")
    others = [_start_process(folder, f"region.mark({A!r}, seconds=60)") for _ in range(2)]
    for _ in range(ROWS + 5):
        _in_fork(lambda: _mark_and_unmark(region))

    assert region.is_marked(A)
    for other in others:
        _kill(other)


def _mark_both(region: SharedRegion) -> None:
    for key in (A, B):
        region.mark(key, seconds=60)


def _mark_and_unmark(region: SharedRegion) -> None:
    region.mark(A, seconds=60)
    region.unmark()


def test_next_owner_of_a_row_does_not_remove_the_previous_owners_marks(folder: Path) -> None:
    """No process delivers the owed deletes of a killed worker, so its marks stay until they expire."""
    _kill(_start_process(folder, f"region.mark({A!r}, seconds=60)"))
    region = region_of("redis")
    region.mark(A, seconds=30)

    region.unmark()

    assert region.is_marked(A)


@pytest.mark.usefixtures("folder")
def test_process_without_a_row_still_shares_its_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marks have no owner, so they are never removed; they expire."""
    monkeypatch.setattr(shared, "ROWS", 0)
    region = region_of("redis")
    region.mark(A, seconds=60)

    region.unmark()

    assert region.is_marked(A)


def test_marks_expire() -> None:
    """A mark disappears after its time even if the owed delete was not delivered."""
    now = 100.0
    region = SharedRegion(clock=lambda: now)
    region.mark(A, seconds=10)
    assert region.is_marked(A)

    now = 111.0

    assert not region.is_marked(A)


def test_marks_from_before_the_machine_restarted_are_dropped(folder: Path) -> None:
    """The monotonic clock restarted, so the marks would otherwise last for days."""
    _kill(_start_process(folder, f"region._clock = lambda: 1e9; region.mark({A!r}, seconds=60)"))

    assert not region_of("redis").is_marked(A)


def test_counts_are_summed_over_all_processes(folder: Path) -> None:
    """Processes that have ended are included, so diagnostics describe the whole server and not one worker."""
    region = region_of("redis")
    region.count("hit")
    _kill(_start_process(folder, "region.count('hit')"))
    _in_fork(lambda: region.count("hit"))

    assert region.counts()["hit"] == 3
    assert set(region.counts()) == set(COUNTERS)


def test_counts_restart_at_zero_with_the_first_process(folder: Path) -> None:
    """`since` is the time at which it started."""
    _kill(_start_process(folder, "region.count('hit')"))

    region = region_of("redis")

    assert region.counts()["hit"] == 0
    assert region.since > 1_700_000_000


def test_file_that_other_users_can_write_is_refused(folder: Path) -> None:
    """Another user could remove marks, which makes reads stale, or set marks, which turns caching off."""
    region_of("redis")
    (path,) = folder.iterdir()
    region_of.cache_clear()
    path.chmod(0o666)

    with pytest.raises(RuntimeError, match="can be changed by others"):
        region_of("redis")


def test_folder_that_is_not_writable_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without shared marks reads could be stale, so the application does not start."""
    (folder / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "file"))

    with pytest.raises(RuntimeError, match="set TMPDIR"):
        region_of("redis")
