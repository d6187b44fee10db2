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
    """PostgreSQL returned an error for a statement."""

    def __init__(self, code: str, message: str) -> None:
        """Store the SQLSTATE in `code`."""
        super().__init__(f"{code}: {message}")
        self.code = code


class SupabaseServer(Server):
    """A Supabase with its own data folder, keys and signing secret. Each start applies the missing migrations.

    The folder is locked while the server process runs, because two servers on one folder would lose data.

    Attributes:
        directory: the folder that contains the data, keys, lock and log.

    """

    name: ClassVar[str] = "Supabase"

    def __init__(  # noqa: PLR0913 - all but the folder are optional
        self,
        directory: Path,
        *,
        port: int = 0,
        migrations: Path = ROOT / "supabase" / "migrations",
        bcrypt_cost: int = 10,
        site_url: str = f"http://{LOOPBACK}:8000",
        confirm_email: bool = False,
    ) -> None:
        """Describe the server.

        Args:
            directory: the folder for data, keys, lock and log; created when missing.
            port: the port to listen on; 0 selects a free one.
            migrations: the folder with the migrations to apply.
            bcrypt_cost: the cost of a password hash. 10 blocks the only thread for about 70 ms, 4 for 2 ms.
            site_url: the address of the desk, for the links in e-mails.
            confirm_email: whether a new account must confirm its e-mail address before the first sign-in.

        """
        super().__init__(port=port, log=directory / "supabase.log")
        self.directory = directory
        self._migrations = migrations
        self._bcrypt_cost = bcrypt_cost
        self._site_url, self._confirm_email = site_url, confirm_email
        self._keys = json.loads(read_or_create(directory / _KEYS, _new_keys))
        self._replies: TextIO | None = None
        self._lock = threading.Lock()

    @classmethod
    def on_copy_of(cls, source: Path, directory: Path, *, port: int = 0) -> Self:
        """Copy the data and keys of a stopped server to the new folder `directory` and describe a server on the copy.

        Raises:
            ServerError: a server is running on `source`.

        """
        held = _lock_data(source)
        try:
            shutil.copytree(source, directory, ignore=shutil.ignore_patterns("*.log", "*.lock"))
        finally:
            os.close(held)
        return cls(directory, port=port)

    @property
    def url(self) -> str:
        """The base URL, in the form of SUPABASE_URL."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def mail_file(self) -> Path:
        """The file with the e-mails: one JSON object {to, subject, html} per line. Nothing is sent."""
        return self.directory / "mails.jsonl"

    @property
    def publishable_key(self) -> str:
        """The key that clients send as `apikey`."""
        return str(self._keys["publishable_key"])

    @property
    def jwt_secret(self) -> str:
        """The HS256 secret that signs its access tokens."""
        return str(self._keys["jwt_secret"])

    def sql(self, text: str, *parameters: object) -> list[dict[str, Any]]:
        """Run SQL as the superuser, without row level security, and return the rows of the last statement.

        Timestamps are returned as text, numeric values as text or number. Several statements are allowed only without
        `parameters`.

        Raises:
            SqlError: PostgreSQL returned an error.
            ServerError: the server is not running.

        """
        request = json.dumps({"sql": text, "parameters": parameters}, default=str)
        with self._lock:
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
            os.close(held)  # the child's copy holds the lock until the child ends
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
                "siteUrl": self._site_url,
                "confirmEmail": self._confirm_email,
                "mailFile": str(self.mail_file),
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
            raise ServerError(f"{self.name} ended{self._log_tail()}")
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
