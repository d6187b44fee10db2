"""What every server of the local stack has in common: its life, from start to however it ends."""

import errno
import signal
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from local.processes import ChildProcess, wait_until

__all__ = ["LOOPBACK", "PortTakenError", "Server", "ServerError", "free_port", "port_is_free"]

LOOPBACK: Final = "127.0.0.1"
"""The only address anything here listens on."""

_LOG_LINES_SHOWN: Final = 15
_PORT_SECONDS: Final = 2.0


class ServerError(RuntimeError):
    """A server did not start, or is gone; the message ends with the last lines of its log."""


class PortTakenError(ServerError):
    """The port that was asked for belongs to somebody else."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on `port` now."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return False
        raise
    return True


class Server(ABC):
    """A server on loopback, leader of a process group of its own. As a context manager it runs inside the block.

    Port 0 means: a free port, chosen at the first start and kept for every later one.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 10

    def __init__(self, *, port: int, log: Path | None) -> None:
        """Describe the server; nothing is started yet. Without a `log` its output goes where ours goes."""
        self._port = port
        self._log = log
        self._log_start = 0
        self._process: ChildProcess | None = None

    @abstractmethod
    def _spawn(self, port: int) -> ChildProcess:
        """Start the process, told to listen on `port`."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether this very process answers on its port."""

    @property
    def port(self) -> int:
        """The port, known from the first start on."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            ServerError: it was not started, or was stopped.

        """
        return self._running().pid

    def is_running(self) -> bool:
        """Say whether the process exists; a paused one does."""
        return self._process is not None and self._process.is_running()

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            ServerError: it has ended by itself.

        """
        if not self.is_running():
            raise ServerError(f"{self.name} has ended{self._last_words()}")

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            PortTakenError: the port asked for, or kept from an earlier start, is not free.
            ServerError: it ended, or did not answer within `start_seconds`; it is not running then.

        """
        if self._process is not None:
            raise ServerError(f"{self.name} was already started")
        # After a kill the kernel needs a moment to take the port back from the last process of the group.
        if self._port and not wait_until(lambda: port_is_free(self._port), seconds=_PORT_SECONDS):
            raise PortTakenError(f"{self.name}: port {self._port} is taken")
        self._port = self._port or free_port()
        self._log_start = self._log.stat().st_size if self._log and self._log.exists() else 0
        try:
            self._process = self._spawn(self._port)
            self._wait_until_ready()
        except BaseException:  # a Ctrl-C too must not leave it half started
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end, after `stop_seconds` kill it. Harmless when it is not running."""
        self._end(signal.SIGTERM, seconds=self.stop_seconds)

    def kill(self) -> None:
        """End it at once, as a crash would. Harmless when it is not running."""
        self._end(signal.SIGKILL, seconds=self.stop_seconds)

    def restart(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._running().send(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever happened inside."""
        self.stop()

    def _running(self) -> ChildProcess:
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process

    def _wait_until_ready(self) -> None:
        done = wait_until(lambda: not self.is_running() or self._is_ready(), seconds=self.start_seconds)
        if not self.is_running():
            raise ServerError(f"{self.name} ended while starting{self._last_words()}")
        if not done:
            raise ServerError(f"{self.name} did not answer within {self.start_seconds:g} s{self._last_words()}")

    def _end(self, number: signal.Signals, *, seconds: float) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(number, seconds=seconds)

    def _output(self) -> str:
        """Return what it has logged since its last start."""
        if self._log is None or not self._log.exists():
            return ""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def _last_words(self) -> str:
        """Return the end of its log, as what follows a message; only a full stop where there is none."""
        lines = self._output().splitlines()[-_LOG_LINES_SHOWN:]
        return ":\n" + "\n".join(lines) if lines else "."
