"""The servers of the local stack: start, stop, crash recovery, and safety checks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local import ROOT
from local.processes import wait_until
from local.restarter import Restarter
from local.server import LOOPBACK, PortTakenError, ServerError, port_is_free
from local.supabase import SqlError, SupabaseServer
from local.valkey import ValkeyServer
from tests.local_run import STOP_SECONDS, all_gone, process_tree

MIGRATIONS = ROOT / "supabase" / "migrations"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a stopped, migrated Supabase. Tests work on copies of it."""
    directory = tmp_path_factory.mktemp("prepared") / "supabase"
    with SupabaseServer(directory):
        pass
    return directory


@pytest.fixture(scope="module")
def supabase(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """Run one Supabase for the tests that do not stop it."""
    with SupabaseServer.on_copy_of(prepared, tmp_path_factory.mktemp("copy") / "supabase") as server:
        yield server


def answers(server: ValkeyServer) -> bool:
    """Return whether a PING is answered within 0.5 s."""
    with redis.Redis(port=server.port, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def test_a_paused_valkey_does_not_answer_until_it_is_resumed(valkey: ValkeyServer) -> None:
    """The process stays alive, as in a hang."""
    valkey.pause()
    assert not answers(valkey)
    assert valkey.is_running()
    valkey.resume()
    assert wait_until(lambda: answers(valkey), seconds=STOP_SECONDS)


def test_a_killed_valkey_restarts_empty_on_the_same_port(valkey: ValkeyServer) -> None:
    """It stores nothing on disk."""
    port = valkey.port
    with redis.Redis(port=port) as client:
        client.set("key", "value")
    valkey.kill()
    assert not answers(valkey)
    valkey.start()
    assert valkey.port == port
    with redis.Redis(port=port) as client:
        assert client.dbsize() == 0


def test_a_paused_valkey_can_be_stopped(valkey: ValkeyServer, tmp_path: Path) -> None:
    """A paused process does not handle SIGTERM, so it is resumed first and shuts down normally."""
    pid = valkey.pid
    valkey.pause()
    valkey.stop()
    assert all_gone({pid})
    assert "ready to exit" in (tmp_path / "valkey" / "valkey.log").read_text()


def test_a_taken_port_is_reported(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The server that uses the port is not disturbed."""
    with pytest.raises(PortTakenError, match=rf"^Valkey: port {valkey.port} is taken$"):
        ValkeyServer(tmp_path / "second", port=valkey.port).start()
    assert wait_until(lambda: answers(valkey), seconds=STOP_SECONDS)


def test_a_crashing_server_is_restarted_once_per_pause(
    valkey: ValkeyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A taken port or a crash causes one log line and one pause, no matter how often `check` is called."""
    ids, pause = [valkey.pid], 0.3
    restarter = Restarter(
        valkey, meanwhile="The rest keeps running.", restarted=lambda: ids.append(valkey.pid), pause=pause
    )

    def runs_again() -> bool:
        restarter.check()
        return valkey.is_running()

    os.kill(valkey.pid, signal.SIGKILL)
    assert wait_until(lambda: not runs_again(), seconds=STOP_SECONDS)
    assert wait_until(lambda: port_is_free(valkey.port), seconds=STOP_SECONDS)
    with socket.create_server((LOOPBACK, valkey.port)):
        assert not wait_until(runs_again, seconds=3)
    for crashes in (1, 2):
        assert wait_until(runs_again, seconds=STOP_SECONDS)
        assert len(set(ids)) == 1 + crashes
        killed_at = time.monotonic()
        os.kill(valkey.pid, signal.SIGKILL)
        assert wait_until(lambda: not runs_again(), seconds=STOP_SECONDS)
    assert wait_until(runs_again, seconds=STOP_SECONDS)
    assert time.monotonic() - killed_at > pause
    output = capsys.readouterr().out
    assert output.count("Valkey has ended. The rest keeps running.\nValkey will be restarted in 0.3 s.") == 3
    assert 1 <= output.count(f"Valkey: port {valkey.port} is taken") <= 2
    assert output.count("Valkey is ready again on port") == 3


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The error contains the reason, and the port is released."""
    server = ValkeyServer(tmp_path, options=("--no-such-option", "1"))
    with pytest.raises(ServerError, match="Bad directive or wrong number of arguments"):
        server.start()
    assert not server.is_running()
    assert port_is_free(server.port)


def test_children_die_with_a_killed_parent_even_when_paused(tmp_path: Path) -> None:
    """A test run that is killed with SIGKILL leaves no process."""
    program = (
        "import pathlib, sys, time; from local.valkey import ValkeyServer;"
        "server = ValkeyServer(pathlib.Path(sys.argv[1])).start(); server.pause(); print('ready', flush=True);"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:  # noqa: S603 - our own program
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        processes = process_tree(parent.pid)
        assert len(processes) == 3  # with the guardian
        os.kill(parent.pid, signal.SIGKILL)
    assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)


def test_two_servers_never_share_a_data_folder(supabase: SupabaseServer, tmp_path: Path) -> None:
    """PGlite would allow it and lose the writes of one. A copy of a folder in use is refused too."""
    with pytest.raises(ServerError, match="is in use by another process"):
        SupabaseServer(supabase.directory).start()
    with pytest.raises(ServerError, match="is in use by another process"):
        SupabaseServer.on_copy_of(supabase.directory, tmp_path / "copy")


def test_acknowledged_writes_and_keys_survive_a_killed_server(prepared: Path, tmp_path: Path) -> None:
    """Tokens that were issued before stay valid."""
    server = SupabaseServer.on_copy_of(prepared, tmp_path / "copy")
    keys = (server.publishable_key, server.jwt_secret)
    with server:
        server.sql("create table kept (n int); insert into kept values (1)")
        server.kill()
        server.start()
        assert server.sql("select n from kept") == [{"n": 1}]
    again = SupabaseServer(tmp_path / "copy")
    assert (again.publishable_key, again.jwt_secret) == keys


def test_sql_reports_errors_of_postgresql_and_stays_usable(supabase: SupabaseServer) -> None:
    """The error has the SQLSTATE, and the next statement works."""
    with pytest.raises(SqlError, match="division by zero") as refusal:
        supabase.sql("select 1 / $1::int", 0)
    assert refusal.value.code == "22012"
    assert supabase.sql("select $1::uuid as id", "0" * 32) == [{"id": "00000000-0000-0000-0000-000000000000"}]


def test_a_broken_migration_is_named_and_rolled_back(prepared: Path, tmp_path: Path) -> None:
    """Each migration is one transaction. After a correction it is applied at the next start."""
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    SupabaseServer.on_copy_of(prepared, tmp_path / "copy")
    server = SupabaseServer(tmp_path / "copy", migrations=migrations)
    broken = migrations / "29990101000000_broken.sql"
    broken.write_text("create table half (n int); select nonsense")
    with pytest.raises(ServerError, match=r'migration 29990101000000_broken: column "nonsense" does not exist'):
        server.start()
    broken.write_text("create table half (n int)")
    with server:
        assert server.sql("select count(*)::int as n from half") == [{"n": 0}]


def test_a_migration_edited_after_it_was_applied_is_refused(prepared: Path, tmp_path: Path) -> None:
    """The schema would no longer match the files."""
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    SupabaseServer.on_copy_of(prepared, tmp_path / "copy")
    first = min(migrations.glob("*.sql"))
    first.write_text(first.read_text() + "\n-- edited")
    with pytest.raises(ServerError, match=f"{first.name} was edited after .* run `rm -r .local/supabase`, "):
        SupabaseServer(tmp_path / "copy", migrations=migrations).start()


def test_only_the_two_apis_are_served_without_elevated_rights(supabase: SupabaseServer) -> None:
    """No introspection, no admin mode for callers without a key, and no grants that the migrations revoke."""
    products = f"{supabase.url}/rest/v1/products"
    assert httpx.get(f"{supabase.url}/_system/introspect").status_code == 404
    assert httpx.get(products).status_code == 401
    anonymous = httpx.get(products, headers={"apikey": supabase.publishable_key})
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "42501")


def test_timestamps_are_rfc_3339_with_microseconds(supabase: SupabaseServer) -> None:
    """Supabase's Python client accepts no other format."""
    rows = supabase.sql("select timestamptz '2026-11-23 07:44:00.123456+00' as t, timestamptz '1999-01-01' as u")
    assert rows == [{"t": "2026-11-23T07:44:00.123456+00:00", "u": "1999-01-01T00:00:00+00:00"}]
