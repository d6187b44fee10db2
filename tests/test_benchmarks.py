"""The parts of the benchmarks that run without the packages of the other contenders."""

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
from benchmarks.environment import BREAKDOWN, BenchmarkEnvironment, User, environment_on
from benchmarks.lineup import OURS, UNCACHED
from benchmarks.load import Answer, LoadClient, change, percentile, read
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
def environment(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkEnvironment]:
    """Return the environment on the session's servers."""
    with environment_on(stack, tmp_path_factory.mktemp("environment")) as complete:
        yield complete


@pytest.fixture(scope="module")
def ours(environment: BenchmarkEnvironment) -> Iterator[ContenderServer]:
    """Run the whole application as the benchmarks do, with a TTL longer than the tests."""
    with environment.server(OURS, ttl=3600) as server:
        yield server


@pytest.fixture
def user(environment: BenchmarkEnvironment) -> User:
    """Return a new user with the products of the benchmarks."""
    return environment.users(1)[0]


def test_the_remote_database_adds_the_configured_delay(stack: Stack, tmp_path: Path) -> None:
    """Checks the fastest of several calls, so that the duration of a call cannot hide a delay that is too short."""
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


def test_each_call_of_the_remote_database_is_counted(environment: BenchmarkEnvironment, user: User) -> None:
    """The server is that of a contender, with the settings that gunicorn gets from our configuration."""
    with environment.server(UNCACHED) as server:
        calls = environment.database.calls(UNCACHED.name)
        first, second = _responses(server, read(user), read(user))

    assert json.loads(first.body) == json.loads(second.body) == BREAKDOWN
    assert environment.database.calls(UNCACHED.name) - calls == 2


def test_meters_measure_the_cost_of_hits(environment: BenchmarkEnvironment, ours: ContenderServer, user: User) -> None:
    """Each hit is one Redis round trip and no database call."""
    _responses(ours, read(user))
    before, calls = RedisUse.read(environment.redis), environment.database.calls(OURS.name)

    answers = _responses(ours, *[read(user)] * _HITS)
    used = RedisUse.read(environment.redis).since(before, requests=_HITS)

    assert all(json.loads(answer.body) == BREAKDOWN for answer in answers)
    # The interval may contain one more connection, or one health check of the pool.
    assert used.round_trips == pytest.approx(1, abs=3 / _HITS)
    assert environment.database.calls(OURS.name) == calls


def test_meters_measure_the_cpu_and_memory_of_a_whole_process_group(tmp_path: Path) -> None:
    """A worker process that has used 0.5 s of CPU and 100 MB of memory, below an idle leader."""
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


def test_a_change_increases_the_number_in_later_reads(ours: ContenderServer, user: User) -> None:
    """The scenario of changes treats a read with a smaller number as stale."""
    before, changed, after = _responses(ours, read(user), change(user), read(user))

    assert (before.status, changed.status, after.status) == (200, 201, 200)
    assert after.total() == before.total() + 1


@pytest.mark.parametrize("generator", ["wrk, where it is installed", "our own"])
def test_every_wrong_answer_is_detected_under_saturation(
    ours: ContenderServer, environment: BenchmarkEnvironment, monkeypatch: pytest.MonkeyPatch, generator: str
) -> None:
    """Every body is compared, not only a sample."""
    if generator == "our own":
        monkeypatch.setattr(saturation, "WRK", None)
    users = environment.users(3)
    body = _responses(ours, *map(read, users))[-1].body

    right = saturation.saturate(ours.port, users, body, connections=2, seconds=1)
    wrong = saturation.saturate(ours.port, users, body.replace(b"63", b"64"), connections=2, seconds=1)

    assert right.requests > 0
    assert (right.wrong, right.failed) == (0, 0)
    assert wrong.wrong == wrong.requests > 0


def test_a_load_client_reports_a_refused_connection(user: User) -> None:
    """The status is 0 and no exception is raised, because some scenarios include outages."""
    answer = asyncio.run(LoadClient(port=1).send(read(user)))

    assert (answer.status, answer.body) == (0, b"")


def test_every_part_of_the_document_is_generated_and_used() -> None:
    """Otherwise a table would never be updated."""
    marked = re.findall(r"<!-- figures: (\w+) -->", "".join(each.read_text("utf-8") for each in document.DOCUMENTS))

    assert sorted(marked) == sorted(document.PARTS)


def test_figures_replace_only_the_text_between_the_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part without results keeps its text."""
    monkeypatch.setattr(document, "PARTS", {"one": (str, ["first"]), "two": (str, ["second"])})
    text = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n<!-- figures: two -->\nold\n<!-- end -->\nc"

    def results(name: str) -> Any:  # noqa: ANN401 - JSON
        if name == "second":
            raise FileNotFoundError
        return 42

    assert document.filled(text, results) == text.replace("old", "42", 1)


def test_tables_are_markdown_and_spreads_show_their_extremes() -> None:
    """Numbers are right-aligned and rounded to their precision."""
    text = report.table(["who", "rate"], [["a", 1234.5], ["bcd", 0.12345]])

    assert text.splitlines() == ["| who |  rate |", "|-----|------:|", "| a   | 1,234 |", "| bcd | 0.123 |"]
    assert report.spread([3.0, 1.0, 2.0]) == "2 (1-3)"
    assert percentile(range(100), 99) == 99


def test_an_unknown_benchmark_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 2, as for any wrong argument."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 2


def _responses(server: ContenderServer, *requests: bytes) -> list[Answer]:
    """Send requests one at a time on one connection."""

    async def visit() -> list[Answer]:
        client = LoadClient(server.port)
        answers = [await client.send(request) for request in requests]
        client.close()
        return answers

    return asyncio.run(visit())
