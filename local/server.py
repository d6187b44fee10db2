"""The base class of all servers of the local stack: start, readiness check, pause, restart, stop."""

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
"""The only address that the servers listen on."""

_LOG_LINES_SHOWN: Final = 15
_PORT_SECONDS: Final = 2.0


class ServerError(RuntimeError):
    """A server did not start or has ended. The message ends with the last lines of the server's log, if it has one."""


class PortTakenError(ServerError):
    """Another process uses the requested port."""


def free_port() -> int:
    """Return a port that is free now; another process may still take it."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on `port` now."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return False
        raise
    return True


class Server(ABC):
    """A server on loopback in its own process group. As a context manager, it runs inside the block.

    Port 0 selects a free port at the first start. Later starts use the same port.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 10

    def __init__(self, *, port: int, log: Path | None) -> None:
        """Describe the server without starting it. If `log` is None, it writes to our own output."""
        self._port = port
        self._log = log
        self._log_start = 0
        self._process: ChildProcess | None = None

    @abstractmethod
    def _spawn(self, port: int) -> ChildProcess:
        """Start the process so that it listens on `port`."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Return whether the process started here, and no other one, answers on the port."""

    @property
    def port(self) -> int:
        """The port; 0 before the first start if no port was requested."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            ServerError: the server is not running.

        """
        return self._running().pid

    def is_running(self) -> bool:
        """Return whether the process exists. A paused process counts as running."""
        return self._process is not None and self._process.is_running()

    def check(self) -> None:
        """Verify that the server is running.

        Raises:
            ServerError: the server has ended.

        """
        if not self.is_running():
            raise ServerError(f"{self.name} has ended{self._log_tail()}")

    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            PortTakenError: the requested port, or the port of an earlier start, is not free.
            ServerError: the server ended or did not answer within `start_seconds`. It is stopped in both cases.

        """
        if self._process is not None:
            raise ServerError(f"{self.name} was already started")
        # After a kill, the kernel needs a moment to free the port of the last process of the group.
        if self._port and not wait_until(lambda: port_is_free(self._port), seconds=_PORT_SECONDS):
            raise PortTakenError(f"{self.name}: port {self._port} is taken")
        self._port = self._port or free_port()
        self._log_start = self._log.stat().st_size if self._log and self._log.exists() else 0
        try:
            self._process = self._spawn(self._port)
            self._wait_until_ready()
        except BaseException:  # Ctrl-C must not leave a server half started either
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Send SIGTERM and, after `stop_seconds`, SIGKILL. Does nothing when the server is not running."""
        self._end(signal.SIGTERM, seconds=self.stop_seconds)

    def kill(self) -> None:
        """Send SIGKILL, which simulates a crash. Does nothing when the server is not running."""
        self._end(signal.SIGKILL, seconds=self.stop_seconds)

    def restart(self) -> None:
        """Stop the server and start it again on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Send SIGSTOP: connections stay open, but the server does not answer."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT: a paused server continues."""
        self._running().send(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server, also after an error in the block."""
        self.stop()

    def _running(self) -> ChildProcess:
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process

    def _wait_until_ready(self) -> None:
        done = wait_until(lambda: not self.is_running() or self._is_ready(), seconds=self.start_seconds)
        if not self.is_running():
            raise ServerError(f"{self.name} ended while starting{self._log_tail()}")
        if not done:
            raise ServerError(f"{self.name} did not answer within {self.start_seconds:g} s{self._log_tail()}")

    def _end(self, number: signal.Signals, *, seconds: float) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(number, seconds=seconds)

    def _output(self) -> str:
        """Return the log since the last start."""
        if self._log is None or not self._log.exists():
            return ""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def _log_tail(self) -> str:
        """Return the last log lines as the end of an error message; only a full stop if there are none."""
        lines = self._output().splitlines()[-_LOG_LINES_SHOWN:]
        return ":\n" + "\n".join(lines) if lines else "."
