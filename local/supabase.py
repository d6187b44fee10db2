"""An embedded Supabase: Supabase Lite on PGlite (real PostgreSQL in WebAssembly), run by local/supabase.mjs."""

import json
import os
import secrets
import select
import shutil
import signal
import threading
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TextIO

from local import ROOT
from local.files import AlreadyLockedError, lock, read_or_create
from local.npm import NODE
from local.processes import ChildProcess
from local.server import LOOPBACK, Server, ServerError

__all__ = ["SqlError", "SupabaseServer"]

_SCRIPT: Final = Path(__file__).with_name("supabase.mjs")
_DATA: Final = "data"
_KEYS: Final = "keys.json"


class SqlError(RuntimeError):
    """PostgreSQL refused a statement."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the SQLSTATE beside the message."""
        super().__init__(f"{code}: {message}")
        self.code = code


class SupabaseServer(Server):
    """A Supabase with its own data folder, keys and signing secret, migrated when it starts.

    The folder is locked for as long as the server process lives: two of them on one folder would lose data.

    Attributes:
        directory: the folder.

    """

    name: ClassVar[str] = "Supabase"

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        migrations: Path = ROOT / "supabase" / "migrations",
        bcrypt_cost: int = 10,
    ) -> None:
        """Describe the server.

        Args:
            directory: its data, keys, lock and log are there; created when missing.
            port: 0: any free one.
            migrations: the folder of those to apply.
            bcrypt_cost: of hashing a password: 10 takes about 70 ms of its only thread, 4 takes 2 ms.

        """
        super().__init__(port=port, log=directory / "supabase.log")
        self.directory = directory
        self._migrations = migrations
        self._bcrypt_cost = bcrypt_cost
        self._keys = json.loads(read_or_create(directory / _KEYS, _new_keys))
        self._replies: TextIO | None = None
        self._turn = threading.Lock()

    @classmethod
    def on_copy_of(cls, source: Path, directory: Path, *, port: int = 0) -> Self:
        """Describe a server on a copy, in the new folder `directory`, of the data and keys of a stopped one.

        Raises:
            ServerError: a server runs on `source`.

        """
        held = _lock_data(source)
        try:
            shutil.copytree(source, directory, ignore=shutil.ignore_patterns("*.log", "*.lock"))
        finally:
            os.close(held)
        return cls(directory, port=port)

    @property
    def url(self) -> str:
        """Its address, as SUPABASE_URL wants it."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def publishable_key(self) -> str:
        """The key that clients send as `apikey`."""
        return str(self._keys["publishable_key"])

    @property
    def jwt_secret(self) -> str:
        """The HS256 secret of its access tokens."""
        return str(self._keys["jwt_secret"])

    def sql(self, text: str, *parameters: object) -> list[dict[str, Any]]:
        """Run SQL as the superuser, beyond row level security, and return the (last statement's) rows.

        Timestamps come as text, numeric as text or number. Several statements need an empty `parameters`.

        Raises:
            SqlError: PostgreSQL refused it.
            ServerError: the server is not running.

        """
        request = json.dumps({"sql": text, "parameters": parameters}, default=str)
        with self._turn:
            _write_line(self._running().stdin, request)
            reply = self._read_reply()
        if "error" in reply:
            raise SqlError(reply["error"]["code"], reply["error"]["message"])
        rows: list[dict[str, Any]] = reply["rows"]
        return rows

    def _spawn(self, port: int) -> ChildProcess:
        held = _lock_data(self.directory)
        replies, reply_end = os.pipe()
        self._replies = os.fdopen(replies)
        try:
            process = ChildProcess(
                [NODE, _SCRIPT],
                environment={
                    "PATH": os.defpath,
                    "TZ": "UTC",
                    "DO_NOT_TRACK": "1",
                    "LITE_AUTH_BCRYPT_COST": str(self._bcrypt_cost),
                },
                directory=ROOT,
                log=self._log,
                pass_fds=(held, reply_end),
            )
        finally:
            os.close(held)  # the child's copy holds the lock now, exactly as long as it lives
            os.close(reply_end)
        _write_line(process.stdin, self._configuration(port, reply_end))
        return process

    def _configuration(self, port: int, reply_end: int) -> str:
        return json.dumps(
            {
                "port": port,
                "dataDir": str(self.directory / _DATA),
                "migrationsDir": str(self._migrations),
                "jwtSecret": self.jwt_secret,
                "publishableKey": self.publishable_key,
                "replyFd": reply_end,
            }
        )

    def _is_ready(self) -> bool:
        if self._replies is None or not select.select([self._replies], [], [], 0)[0]:
            return False
        reply = self._read_reply()
        if "fatal" in reply:
            raise ServerError(f"{self.name}: {reply['fatal']}")
        return True

    def _read_reply(self) -> dict[str, Any]:
        line = self._replies.readline() if self._replies else ""
        if not line:
            raise ServerError(f"{self.name} ended{self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _end(self, number: signal.Signals, *, seconds: float) -> None:
        super()._end(number, seconds=seconds)
        if self._replies is not None:
            self._replies.close()


def _new_keys() -> str:
    return json.dumps(
        {"publishable_key": f"sb_publishable_{secrets.token_urlsafe(24)}", "jwt_secret": secrets.token_urlsafe(48)}
    )


def _lock_data(directory: Path) -> int:
    try:
        return lock(directory / "data.lock")
    except AlreadyLockedError:
        raise ServerError(f"Supabase: the data in {directory} is in use by another process") from None


def _write_line(descriptor: int, text: str) -> None:
    data = f"{text}\n".encode()
    while data:
        data = data[os.write(descriptor, data) :]
