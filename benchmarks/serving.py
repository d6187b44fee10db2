"""Start a contender as a server on the core reserved for servers."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from benchmarks.cores import SERVER, pinned
from benchmarks.lineup import Contender
from local import ROOT
from local.application import AppServer
from local.processes import ChildProcess
from local.server import LOOPBACK

__all__ = ["ContenderServer", "write_gunicorn_settings"]

# Prints the settings of our gunicorn.conf.py, without hooks, our logging and the command-line options.
_READ_SETTINGS: Final = """
import json, runpy
from gunicorn.config import KNOWN_SETTINGS
known = {setting.name for setting in KNOWN_SETTINGS} - {"bind", "workers", "threads"}
settings = runpy.run_path("gunicorn.conf.py").items()
print(json.dumps({name: value for name, value in settings if name in known and type(value) in (bool, int, float, str)}))
"""


def write_gunicorn_settings(environment: Mapping[str, str], path: Path) -> None:
    """Write a gunicorn configuration with our settings and our worker class, but without our application's hooks."""
    command = [sys.executable, "-c", _READ_SETTINGS]
    output = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in json.loads(output).items()))


class ContenderServer(AppServer):
    """One contender under gunicorn or uvicorn. Our application runs under gunicorn exactly as deployed."""

    name: ClassVar[str] = "contender"

    def __init__(  # noqa: PLR0913 - the application and its server options
        self,
        contender: Contender,
        environment: Mapping[str, str],
        *,
        gunicorn_settings: Path,
        workers: int,
        threads: int,
        log: Path,
    ) -> None:
        """Describe the server; `gunicorn_settings` applies to the other contenders, not to our application."""
        super().__init__({**environment, **contender.environment}, workers=workers, threads=threads, log=log)
        self.contender, self._settings = contender, gunicorn_settings
        self._workers, self._threads = workers, threads

    def _spawn(self, port: int) -> ChildProcess:
        with pinned(SERVER):
            if self.contender.application == self.application:
                return super()._spawn(port)
            return ChildProcess(
                [sys.executable, "-m", *self._command(port), self.contender.application],
                environment=self._environment,
                directory=ROOT,
                log=self._log,
            )

    def _command(self, port: int) -> list[str]:
        if self.contender.is_asgi:
            fast = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
            return ["uvicorn", "--host", LOOPBACK, "--port", str(port), "--workers", str(self._workers), *fast]
        counts = ["--workers", str(self._workers), "--threads", str(self._threads)]
        return ["gunicorn", "--config", str(self._settings), "--bind", f"{LOOPBACK}:{port}", *counts]
