"""The app itself, served by gunicorn as in production."""

import http.client
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from local import ROOT
from local.processes import ChildProcess
from local.server import LOOPBACK, Server

__all__ = ["AppServer"]

_PROBE_SECONDS: Final = 1.0


class AppServer(Server):
    """gunicorn with `wsgi:app` and gunicorn.conf.py; it is ready when `GET /healthz` answers 200."""

    name: ClassVar[str] = "gunicorn"
    application: ClassVar[str] = "wsgi:app"
    stop_seconds: ClassVar[float] = 5  # gunicorn finishes requests in flight; idle connections are closed

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        port: int = 0,
        workers: int | None = None,
        threads: int | None = None,
        log: Path | None = None,
    ) -> None:
        """Describe the server.

        Args:
            environment: the app's environment variables. Of our own environment, only PATH is added.
            port: the port to listen on; 0 selects a free one.
            workers: sets WEB_CONCURRENCY; None keeps the value of `environment` or the app's default.
            threads: sets THREADS, in the same way.
            log: the file for its output; None: it writes to our own output.

        """
        super().__init__(port=port, log=log)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            **environment,
            **({} if workers is None else {"WEB_CONCURRENCY": str(workers)}),
            **({} if threads is None else {"THREADS": str(threads)}),
        }

    @property
    def url(self) -> str:
        """The base URL of the app."""
        return f"http://{LOOPBACK}:{self.port}"

    def _spawn(self, port: int) -> ChildProcess:
        # We open the socket and gunicorn inherits it, so only this gunicorn can answer on the port.
        with socket.create_server((LOOPBACK, port)) as listener:
            return ChildProcess(
                [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", self.application],
                environment={**self._environment, "PORT": str(port)},
                directory=ROOT,
                log=self._log,
                pass_fds=(listener.fileno(),),
            )

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
