"""The benchmarks' own instruments, as far as they need no contender's packages: what they say must be so."""

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from benchmarks import __main__ as command
from benchmarks import document, report, saturation
from benchmarks.arena import BREAKDOWN, Arena, User, arena_on
from benchmarks.lineup import OURS, UNCACHED
from benchmarks.load import Answer, Visitor, change, percentile, read
from benchmarks.meters import HAVE_PROC, RedisUse, cpu_seconds, worker_megabytes
from benchmarks.remote import RemoteDatabase
from benchmarks.serving import ContenderServer
from local.processes import ChildProcess, wait_until
from local.stack import Stack

_HITS: Final = 50
_LEADER: Final = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
_WORKER: Final = """
import pathlib, sys, time
held = b"x" * 100_000_000
while time.process_time() < 0.5:
    pass
pathlib.Path(sys.argv[1]).touch()
input()
"""


@pytest.fixture(scope="module")
def arena(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Return where contenders meet, on the session's servers."""
    with arena_on(stack, tmp_path_factory.mktemp("arena")) as complete:
        yield complete


@pytest.fixture(scope="module")
def ours(arena: Arena) -> Iterator[ContenderServer]:
    """Run the whole application as the benchmarks do, with entries that outlive the tests."""
    with arena.server(OURS, ttl=3600) as server:
        yield server


@pytest.fixture
def user(arena: Arena) -> User:
    """Return a new user with the usual products."""
    return arena.users(1)[0]


def test_the_remote_database_is_as_far_away_as_it_is_told(stack: Stack, tmp_path: Path) -> None:
    """The fastest of some calls is taken: what a call itself takes must not make up for a delay that is too short."""
    times, headers = [], {"apikey": stack.supabase.publishable_key}
    with RemoteDatabase(stack.supabase.port, delay=0.6, log=tmp_path / "remote.log") as database:
        for _ in range(4):
            started = time.monotonic()
            answer = httpx.post(f"{database.url('me')}/rest/v1/rpc/health", headers=headers)
            times.append(time.monotonic() - started)
            assert answer.json() == "ok"

        assert database.calls("me", "health") == 4
        assert database.calls("somebody else", "health") == 0

    assert min(times) >= 0.6


def test_each_call_of_the_remote_database_is_counted(arena: Arena, user: User) -> None:
    """Under a contender's own server, with the settings that gunicorn gets from ours."""
    with arena.server(UNCACHED) as server:
        calls = arena.database.calls(UNCACHED.name)
        first, second = _asks(server, read(user), read(user))

    assert json.loads(first.body) == json.loads(second.body) == BREAKDOWN
    assert arena.database.calls(UNCACHED.name) - calls == 2


def test_meters_tell_what_hits_cost(arena: Arena, ours: ContenderServer, user: User) -> None:
    """One round trip to Redis each, and no call of the database."""
    _asks(ours, read(user))
    before, calls = RedisUse.read(arena.redis), arena.database.calls(OURS.name)

    answers = _asks(ours, *[read(user)] * _HITS)
    used = RedisUse.read(arena.redis).since(before, requests=_HITS)

    assert all(json.loads(answer.body) == BREAKDOWN for answer in answers)
    # One more connection, or one health check of the pool, may fall into it.
    assert used.round_trips == pytest.approx(1, abs=3 / _HITS)
    assert arena.database.calls(OURS.name) == calls


def test_meters_see_the_work_and_the_memory_of_a_whole_process_group(tmp_path: Path) -> None:
    """A worker that has worked for half a second and holds 100 MB, below a leader that does nothing."""
    done = tmp_path / "done"
    leader = [sys.executable, "-c", _LEADER, _WORKER, str(done)]
    process = ChildProcess(leader, environment={}, directory=tmp_path)
    try:
        assert wait_until(done.exists, seconds=60)
        if HAVE_PROC:
            assert 0.5 <= cpu_seconds(process.pid) < 2
            assert 100 < worker_megabytes(process.pid) < 200
        else:
            with pytest.raises(FileNotFoundError):
                cpu_seconds(process.pid)
    finally:
        process.end(signal.SIGKILL, seconds=10)


def test_a_change_adds_what_later_reads_must_tell(ours: ContenderServer, user: User) -> None:
    """The scenario of changes takes a read that tells less for stale."""
    before, changed, after = _asks(ours, read(user), change(user), read(user))

    assert (before.status, changed.status, after.status) == (200, 201, 200)
    assert after.total() == before.total() + 1


@pytest.mark.parametrize("generator", ["wrk, where it is installed", "our own"])
def test_no_wrong_answer_goes_unnoticed_under_saturation(
    ours: ContenderServer, arena: Arena, monkeypatch: pytest.MonkeyPatch, generator: str
) -> None:
    """Every body is compared, not a sample."""
    if generator == "our own":
        monkeypatch.setattr(saturation, "WRK", None)
    users = arena.users(3)
    body = _asks(ours, *map(read, users))[-1].body

    right = saturation.saturate(ours.port, users, body, connections=2, seconds=1)
    wrong = saturation.saturate(ours.port, users, body.replace(b"63", b"64"), connections=2, seconds=1)

    assert right.requests > 0
    assert (right.wrong, right.failed) == (0, 0)
    assert wrong.wrong == wrong.requests > 0


def test_a_visitor_says_when_nobody_answers(user: User) -> None:
    """A status of 0, not an exception: outages are what some scenarios are about."""
    answer = asyncio.run(Visitor(port=1).ask(read(user)))

    assert (answer.status, answer.body) == (0, b"")


def test_every_part_of_the_document_is_made_and_every_made_part_is_in_it() -> None:
    """Or a table would never be renewed."""
    marked = re.findall(r"<!-- figures: (\w+) -->", "".join(each.read_text("utf-8") for each in document.DOCUMENTS))

    assert sorted(marked) == sorted(document.PARTS)


def test_figures_replace_what_stands_between_the_marks_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part without results keeps what it has."""
    monkeypatch.setattr(document, "PARTS", {"one": (str, ["first"]), "two": (str, ["second"])})
    text = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n<!-- figures: two -->\nold\n<!-- end -->\nc"

    def results(name: str) -> Any:  # noqa: ANN401 - JSON
        if name == "second":
            raise FileNotFoundError
        return 42

    assert document.filled(text, results) == text.replace("old", "42", 1)


def test_tables_are_markdown_and_spreads_show_their_extremes() -> None:
    """Numbers stand to the right and say no more than they know."""
    text = report.table(["who", "rate"], [["a", 1234.5], ["bcd", 0.12345]])

    assert text.splitlines() == ["| who |  rate |", "|-----|------:|", "| a   | 1,234 |", "| bcd | 0.123 |"]
    assert report.spread([3.0, 1.0, 2.0]) == "2 (1-3)"
    assert percentile(range(100), 99) == 99


def test_what_nobody_can_measure_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, as for any wrong argument."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 2


def _asks(server: ContenderServer, *requests: bytes) -> list[Answer]:
    """Send requests one after the other over one connection."""

    async def visit() -> list[Answer]:
        visitor = Visitor(server.port)
        answers = [await visitor.ask(request) for request in requests]
        visitor.leave()
        return answers

    return asyncio.run(visit())
