"""Start a process in its own process group and stop the whole group. All groups end when this process ends."""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

__all__ = ["STOP_SIGNALS", "ChildProcess", "wait_until"]

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop the supervisor."""

_POLL_SECONDS: Final = 0.02


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Call `condition` until it is true or `seconds` have passed; return whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class _Guardian:
    """The process of :mod:`local.guardian`. It is started with the first child and ends after this process."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("guardian.py")
        # In its own session: Ctrl-C at the terminal must not stop it before it has killed the remaining groups.
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", script], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        atexit.register(self._process.communicate)

    def _send(self, line: str) -> None:
        _pipe(self._process).write(f"{line}\n".encode())

    def watch(self, group: int) -> None:
        self._send(f"+{group}")

    def forget(self, group: int) -> None:
        self._send(f"-{group}")


@functools.cache
def _guardian() -> _Guardian:
    return _Guardian()


class ChildProcess:
    """A running process that leads its own session and process group. Ctrl-C at the terminal does not reach it."""

    def __init__(  # noqa: PLR0913 - these are options of subprocess.Popen
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path | None = None,
        pass_fds: Sequence[int] = (),
        user: int | None = None,
    ) -> None:
        """Start `command` with exactly `environment`.

        Args:
            command: the program and its arguments.
            environment: its complete environment.
            directory: its working directory.
            log: the file its output is appended to (mode 0600, because logs may contain data); None: our own output.
            pass_fds: file descriptors that it inherits under the same numbers.
            user: the user and group id to run as, for programs that refuse to run as root; None: our own.

        """
        guardian = _guardian()
        with _stop_signals_blocked() as restore, _open_log(log) as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                env=environment,
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                user=user,
                group=user,
                extra_groups=None if user is None else (),
                start_new_session=True,
                preexec_fn=restore,  # noqa: PLW1509 - one C function, no Python code after the fork
            )
            guardian.watch(self.pid)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def stdin(self) -> int:
        """The write end of its standard input. The pipe closes when this process ends."""
        return _pipe(self._process).fileno()

    def is_running(self) -> bool:
        """Return whether the group leader has not ended. A paused process counts as running."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group, if it still exists."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
            os.killpg(self.pid, number)

    def end(self, number: signal.Signals, *, seconds: float) -> None:
        """Send `number` to the leader, wait at most `seconds`, then kill the rest of the group and reap the leader."""
        if self.is_running():
            self._process.send_signal(number)
            self.send(signal.SIGCONT)  # a paused process would not handle the signal
            wait_until(lambda: not self.is_running(), seconds=seconds)
        self.send(signal.SIGKILL)
        _pipe(self._process).close()
        self._process.wait()
        _guardian().forget(self.pid)


@contextlib.contextmanager
def _stop_signals_blocked() -> Iterator[Callable[[], object]]:
    """Block stop signals inside the block; yield a function that restores the signal mask in a child.

    A stop signal after the fork, but before the guardian knows about the child, would leave an orphan.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield functools.partial(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _open_log(log: Path | None) -> Iterator[int | None]:
    """Yield a file descriptor that appends to the private file `log`, or None if `log` is None."""
    if log is None:
        yield None
        return
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield output
    finally:
        os.close(output)


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Return the pipe to the standard input of a process."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    return process.stdin
