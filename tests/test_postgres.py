"""The native PostgreSQL is what the tests that use it take it for: migrated, isolated, several sessions at once."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from local import ROOT
from local.processes import wait_until
from tests.postgres import PostgresServer, acting_as, execute, new_user


def test_it_isolates_users_like_the_embedded_one(postgres: PostgresServer) -> None:
    """Row level security and grants hold for whoever acts as a user."""
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


def test_nothing_of_it_outlives_a_test_run_that_is_killed() -> None:
    """Not even a busy backend, which is in a process group of its own, where no kill of the server reaches it."""
    with subprocess.Popen([sys.executable, "-c", _BUSY], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:  # noqa: S603 - our own script
        assert run.stdout
        backend = Path("/proc", run.stdout.readline().strip())
        assert wait_until(lambda: "DO" in (backend / "cmdline").read_text(), seconds=20)
        run.kill()

    assert wait_until(lambda: not backend.exists(), seconds=20)
