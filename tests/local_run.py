"""Starts `make run` for a test, observes it from outside, and stops it with any signal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from local import ROOT
from local.processes import wait_until

START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 15.0


class LocalRun:
    """`python -m local run` with a directory of its own. It runs inside a `with` block."""

    def __init__(self, directory: Path, *, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        """Prepare the run. With port 0 it chooses a free port, starting at the default one."""
        self.directory = directory
        self._command = [sys.executable, "-m", "local", "run", "--follow-parent", "--directory", str(directory)]
        self._command += ["--port", str(port)] if port else []
        # --follow-parent, as under `make run`: a killed test run leaves no stack behind.
        self._environment = {"PATH": os.environ["PATH"], **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.output = directory.with_suffix(".out")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None
        return self._process

    @property
    def announced(self) -> Any:  # noqa: ANN401 - JSON
        """The current contents of stack.json."""
        return json.loads((self.directory / "stack.json").read_text())

    def sign_in(self, account: str) -> dict[str, str]:
        """Sign in the account "demo" or "operator" at Supabase; return the headers for the app."""
        announced = self.announced
        answer = httpx.post(
            f"{announced['supabase_url']}/auth/v1/token?grant_type=password",
            json=announced[account],
            headers={"apikey": announced["publishable_key"]},
        ).raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def spawn(self) -> Self:
        """Start the supervisor and return at once."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, cwd=ROOT, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        return self

    def is_announced(self) -> bool:
        """Return whether stack.json was written by this run."""
        file = self.directory / "stack.json"
        return file.exists() and self.announced["pids"]["supervisor"] == self.process.pid

    def end(self, number: signal.Signals) -> int:
        """Send a signal to the supervisor and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        """Start, and wait for stack.json, which is written when every part answers."""
        self.spawn()
        wait_until(lambda: self.is_announced() or self.process.poll() is not None, seconds=START_SECONDS)
        assert self.process.poll() is None, self.output.read_text()
        assert self.is_announced(), self.output.read_text()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, unless the test has already stopped it."""
        if self.process.poll() is None:
            self.end(signal.SIGTERM)


def process_tree(pid: int) -> set[int]:
    """Return the process and all its running descendants."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)  # noqa: S607
    rows = [line.split() for line in listing.stdout.splitlines()]
    parents = {int(child): int(parent) for child, parent, state in rows if not state.startswith("Z")}
    found = {pid} & parents.keys()
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def all_gone(pids: set[int]) -> bool:
    """Return whether all of the processes have ended. A zombie counts as ended."""
    return not set().union(*(process_tree(pid) for pid in pids))
