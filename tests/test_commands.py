"""`flask cache …` run as an operator would: in its own process, with only the settings in its environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis

from local import ROOT
from local.server import free_port
from local.valkey import ValkeyServer

_PASSWORD = "pw-that-must-not-be-shown"
_KEY = "publishable-key-that-must-not-be-shown"
_ENTRY_MS = 60_000  # lifetime of the entries in these tests; a command takes seconds on a busy machine
_NUMBERS = '{"all":1,"asin_found":1,"needs_selection":0,"needs_asin":0,"manual_entry":0}'


@dataclass(frozen=True)
class Ran:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.err.splitlines()


def flask(*arguments: str, redis_url: str | None) -> Ran:
    """Run `flask cache …` in the project's directory, without FLASK_APP."""
    environment = {"PATH": os.environ["PATH"], "SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_KEY": _KEY}
    ran = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("flask"), "cache", *arguments],
        cwd=ROOT,
        env={**environment, "REDIS_URL": redis_url or ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr + ran.stdout
    assert not [secret for secret in (_PASSWORD, _KEY) if secret in ran.stderr + ran.stdout]
    error_lines = [line for line in ran.stderr.splitlines(keepends=True) if " app.audit " not in line]
    return Ran(ran.returncode, ran.stdout, "".join(error_lines))


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a Valkey with a password."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey"), options=("--requirepass", _PASSWORD)) as running:
        yield running


@pytest.fixture(scope="module")
def url(valkey: ValkeyServer) -> str:
    """Return the REDIS_URL of `valkey`."""
    return f"redis://:{_PASSWORD}@127.0.0.1:{valkey.port}/0"


@pytest.fixture
def contents(url: str) -> Iterator[Redis]:
    """Empty `valkey` and return a client of it."""
    with Redis.from_url(url, decode_responses=True) as client:
        client.flushall()
        yield client


def test_status_prints_a_table(contents: Redis, url: str) -> None:
    """The table has the server, the number of entries, and one user's entry if requested."""
    user = uuid4()
    contents.set(f"asin_stats:{user}", _NUMBERS, px=_ENTRY_MS)
    contents.set("session:x", "1")
    ran = flask("status", "--user", str(user).upper(), redis_url=url)
    assert (ran.status, ran.err) == (0, "")
    rows = dict(line.split("  ", 1) for line in ran.out.splitlines())
    shown = {name: value.strip() for name, value in rows.items()}
    assert shown["server"].startswith("valkey 9.")
    assert (shown["entries"], shown["state"], shown["cache key"]) == ("1", "value", f"asin_stats:{user}")
    assert len({len(line) - len(line.split("  ", 1)[1].lstrip()) for line in ran.out.splitlines()}) == 1, "one column"


def test_status_prints_json_with_the_option(contents: Redis, url: str) -> None:
    """The same facts as one document, and no other output."""
    user = uuid4()
    contents.set(f"asin_stats:{user}", _NUMBERS, px=_ENTRY_MS)
    ran = flask("status", "--user", str(user), "--json", redis_url=url)
    document = json.loads(ran.out)
    assert (ran.status, document["entries"], document["state"], document["size_bytes"]) == (
        0,
        1,
        "value",
        len(_NUMBERS),
    )
    assert 0 < document["ttl_seconds"] <= _ENTRY_MS / 1000
    assert document["default_ttl_seconds"] == 10
    assert set(document) >= {"server", "latency_ms", "memory", "server_hit_rate_percent", "cache_key"}
    samples = {name: number for name, number in document.items() if name.startswith("samples_")}
    assert samples == dict.fromkeys(
        ("samples_verified", "samples_writer_in_flight", "samples_stale", "samples_skipped"), 0
    )


def test_flush_drops_one_users_entry(app: Flask, redis: Redis) -> None:
    """The output has the number of dropped entries: one, then none."""
    mine, other = f"asin_stats:{uuid4()}", f"asin_stats:{uuid4()}"
    for key in (mine, other):
        redis.set(key, _NUMBERS, px=_ENTRY_MS)
    runs = [app.test_cli_runner().invoke(args=["cache", "flush", "--user", mine[11:]]) for _ in range(2)]
    assert [(ran.exit_code, ran.output) for ran in runs] == [(0, "1 entry dropped\n"), (0, "0 entries dropped\n")]
    assert (redis.exists(mine), redis.exists(other)) == (0, 1)


def test_flush_all_drops_100_000_entries_without_blocking_the_server(contents: Redis, url: str) -> None:
    """Keys of other applications in the same database are kept, even with similar names."""
    contents.eval("for i = 1, 100000 do redis.call('SET', 'asin_stats:' .. i, '{}', 'EX', 600) end", 0)
    foreign = {"session:x": "1", "asin_stats": "2", "xasin_stats:1": "3", "ASIN_STATS:1": "4"}
    contents.mset(foreign)
    contents.slowlog_reset()
    contents.config_resetstat()
    ran = flask("flush", "--all", "--yes", redis_url=url)
    assert (ran.status, ran.out, ran.err) == (0, "100000 entries dropped\n", "")
    assert {key: contents.get(key) for key in contents.keys()} == foreign  # noqa: SIM118 - not a dict
    longest = max([entry["duration"] for entry in contents.slowlog_get(128)], default=0)
    assert longest < 100_000, "microseconds of one command"
    commands = contents.info("commandstats")
    assert not {"cmdstat_flushdb", "cmdstat_flushall", "cmdstat_del"} & set(commands)


@pytest.mark.parametrize("scope", ["--user", "--all"])
def test_only_force_drops_entries_with_writers_in_flight(app: Flask, redis: Redis, scope: str) -> None:
    """Without --force the list of writers is kept, so that no reader stores a value during a change."""
    user = uuid4()
    arguments = ["cache", "flush", *([scope, str(user)] if scope == "--user" else [scope, "--yes"])]
    deadline = 1000 * redis.time()[0] + 20_000
    redis.set(f"asin_stats:{user}", f"write:closed somebody@{deadline} 0 0 ", px=20_000)
    for more, left in (([], 1), (["--force"], 0)):
        ran = app.test_cli_runner().invoke(args=[*arguments, *more])
        assert (ran.exit_code, redis.exists(f"asin_stats:{user}")) == (0, left)


def test_flush_all_asks_for_confirmation(app: Flask, redis: Redis) -> None:
    """Only "y" confirms. Without input the answer is no."""
    redis.set("asin_stats:x", "{}", px=_ENTRY_MS)
    for typed, status, left in (("n\n", 1, 1), ("", 1, 1), ("y\n", 0, 0)):
        ran = app.test_cli_runner().invoke(args=["cache", "flush", "--all"], input=typed)
        assert "Delete all cached breakdowns?" in ran.output
        assert (ran.exit_code, redis.exists("asin_stats:x")) == (status, left)


@pytest.mark.parametrize(
    "arguments",
    [
        ("flush",),
        ("flush", "--all", "--user", str(uuid4())),
        ("flush", "--user", "everybody"),
        ("status", "--user", "5"),
        ("status", "--loud"),
        ("explode",),
    ],
)
def test_wrong_usage_exits_with_2_and_prints_the_usage(app: Flask, redis: Redis, arguments: tuple[str, ...]) -> None:
    """No entry is changed."""
    redis.set("asin_stats:x", "{}", px=_ENTRY_MS)
    ran = app.test_cli_runner().invoke(args=["cache", *arguments])
    lines = ran.stderr.splitlines()
    assert (ran.exit_code, ran.stdout, lines[0][:7], lines[-1][:7]) == (2, "", "Usage: ", "Error: ")
    assert redis.exists("asin_stats:x")


def test_help_documents_both_commands(app: Flask) -> None:
    """The help lists every option and the exit statuses."""
    runner = app.test_cli_runner()
    assert {"status", "flush"} <= set(runner.invoke(args=["cache", "--help"]).stdout.split())
    for command, options in (("status", {"--user", "--json"}), ("flush", {"--user", "--all", "--force", "--yes"})):
        shown = runner.invoke(args=["cache", command, "--help"])
        assert shown.exit_code == 0
        assert options <= set(shown.stdout.split())
        assert "Exit status: 0" in shown.stdout


@pytest.mark.parametrize(
    ("trouble", "command", "words"),
    [
        ("none configured", ("status", "--json"), "REDIS_URL"),
        ("not running", ("flush", "--all", "--yes"), "refused or lost"),
        ("wrong password", ("status",), "password was refused"),
    ],
)
def test_without_redis_the_command_exits_with_1_and_one_line(
    valkey: ValkeyServer, trouble: str, command: tuple[str, ...], words: str
) -> None:
    """The line names the cause."""
    urls = {
        "none configured": None,
        "not running": f"redis://:{_PASSWORD}@127.0.0.1:{free_port()}/0",
        "wrong password": f"redis://:{_PASSWORD}x@127.0.0.1:{valkey.port}/0",
    }
    ran = flask(*command, redis_url=urls[trouble])
    assert (ran.status, ran.out, len(ran.lines)) == (1, "", 1)
    assert words in ran.err


def test_a_hanging_server_times_out(valkey: ValkeyServer, url: str) -> None:
    """The command fails after REDIS_TIMEOUT, with one line."""
    valkey.pause()
    try:
        ran = flask("status", redis_url=url)
    finally:
        valkey.resume()
    assert (ran.status, ran.lines) == (1, ["Redis is not available: no answer within the timeout."])
