"""Start a process in a group of its own and stop the group as one; nothing outlives this process."""

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
"""What asks the supervisor to stop."""

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
    """The process of :mod:`local.guardian`, started with the first child; it ends when we do."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("guardian.py")
        # A session of its own: Ctrl-C at the terminal must not take it away before its work is done.
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", script], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        atexit.register(self._process.communicate)

    def _tell(self, line: str) -> None:
        _pipe(self._process).write(f"{line}\n".encode())

    def watch(self, group: int) -> None:
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}")


@functools.cache
def _guardian() -> _Guardian:
    return _Guardian()


class ChildProcess:
    """A running process, leader of its own session and group, so that a Ctrl-C at the terminal does not reach it."""

    def __init__(  # noqa: PLR0913 - how a process starts has that many sides
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
            environment: all of it.
            directory: where it runs.
            log: where its output is appended (mode 0600: logs may quote data); None: our own output.
            pass_fds: file descriptors it inherits, under the same numbers.
            user: the user and group id it runs as, for programs that refuse to be root; None: ours.

        """
        guardian = _guardian()
        with _stop_signals_held() as restore, _opened(log) as output:
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
        """The process id, which is also that of the group."""
        return self._process.pid

    @property
    def stdin(self) -> int:
        """The write end of its standard input, which ends when we do."""
        return _pipe(self._process).fileno()

    def is_running(self) -> bool:
        """Say whether the leader still runs (a paused process does)."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if any of it is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
            os.killpg(self.pid, number)

    def end(self, number: signal.Signals, *, seconds: float) -> None:
        """Send `number` to the leader, give it `seconds`, then kill what is left of the group and reap the leader."""
        if self.is_running():
            self._process.send_signal(number)
            self.send(signal.SIGCONT)  # a paused process would not notice
            wait_until(lambda: not self.is_running(), seconds=seconds)
        self.send(signal.SIGKILL)
        _pipe(self._process).close()
        self._process.wait()
        _guardian().forget(self.pid)


@contextlib.contextmanager
def _stop_signals_held() -> Iterator[Callable[[], object]]:
    """Hold stop signals back inside the block; yield what gives a child our own mask.

    One that came between a fork and the guardian's knowledge of the child would leave an orphan.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield functools.partial(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _opened(log: Path | None) -> Iterator[int | None]:
    """Yield a file descriptor that appends to the private file `log`; None for None."""
    if log is None:
        yield None
        return
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield output
    finally:
        os.close(output)


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Return the pipe to a process that was started with one."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    return process.stdin
