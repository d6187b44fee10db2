"""The native PostgreSQL of the tests: row level security, no orphan processes, and the choice of a folder."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from local import ROOT
from local.processes import wait_until
from local.server import ServerError
from tests.postgres import PostgresServer, acting_as, execute, new_user, open_to_all


def test_users_are_isolated_as_in_the_embedded_postgresql(postgres: PostgresServer) -> None:
    """Row level security and grants apply in a session that acts as a user."""
    with postgres.session() as superuser, postgres.session() as session:
        owner, other = new_user(superuser), new_user(superuser)
        with acting_as(session, owner):
            execute(session, "select public.create_product('{\"title\": \"Lamp\"}', '{}')")
            assert execute(session, "select title from public.products") == [{"title": "Lamp"}]
        with acting_as(session, other):
            assert execute(session, "select title from public.products") == []
            with pytest.raises(psycopg.Error, match="permission denied"):
                execute(session, "select * from auth.users")


_BUSY = """
from tests.postgres import PostgresServer
server = PostgresServer().start()
session = server.session()
print(session.info.backend_pid, flush=True)
session.execute("do 'begin loop end loop; end'")
"""


def test_a_killed_test_run_leaves_no_process_of_the_server() -> None:
    """A busy backend ends too, although it leads its own process group and is not killed with the server."""
    with subprocess.Popen([sys.executable, "-c", _BUSY], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:  # noqa: S603 - our own script
        assert run.stdout
        backend = Path("/proc", run.stdout.readline().strip())
        assert wait_until(lambda: "DO" in (backend / "cmdline").read_text(), seconds=20)
        run.kill()

    assert wait_until(lambda: not backend.exists(), seconds=20)


_ALIVE = """
from tests.postgres import PostgresServer
with PostgresServer() as server, server.session() as session:
    print(session.execute("select 1 as alive").fetchone())
"""


def test_the_server_runs_when_only_the_owner_can_enter_tmpdir(tmp_path: Path) -> None:
    """On some machines each user, including root, has a TMPDIR with mode 0700."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    environment = os.environ | {"TMPDIR": str(folder)}
    ran = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", _ALIVE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "{'alive': 1}\n"), ran.stderr


def test_without_a_folder_that_every_user_can_enter_the_error_names_tmpdir(tmp_path: Path) -> None:
    """A folder is usable only if every user can enter its parents too."""
    private, inside, public = tmp_path / "private", tmp_path / "private" / "inside", Path("/")
    private.mkdir(mode=0o700)
    inside.mkdir(mode=0o777)
    assert open_to_all([private, inside, tmp_path / "missing", public]) == public
    with pytest.raises(ServerError, match=rf"cannot enter {private}, {inside}: set TMPDIR to .*$"):
        open_to_all([private, inside])
