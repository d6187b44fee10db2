"""Restart a server that ended without being stopped."""

import time
from collections.abc import Callable
from typing import Final

from local.announcement import say
from local.server import Server, ServerError

__all__ = ["Restarter"]

PAUSE_SECONDS: Final = 5.0


class Restarter:
    """Watch one server that the app can run without, and restart it on the same port after it has ended.

    Every attempt waits for a pause first. This limits how often a failing server is restarted.
    """

    def __init__(
        self, server: Server, *, meanwhile: str, restarted: Callable[[], None], pause: float = PAUSE_SECONDS
    ) -> None:
        """Watch `server`, which must already be started.

        Args:
            server: the server to restart.
            meanwhile: a sentence for the log that says how the rest of the stack behaves without it.
            restarted: called after each restart, because the process id is a new one.
            pause: seconds between the server's end and the first attempt, and between attempts.

        """
        self._server = server
        self._meanwhile = meanwhile
        self._restarted = restarted
        self._pause = pause
        self._next_attempt: float | None = None

    def check(self) -> None:
        """Detect that the server has ended, or restart it when the pause is over. Call this often."""
        if self._next_attempt is None:
            if not self._server.is_running():
                self._server.stop()  # reaps the process
                self._wait(f"{self._server.name} has ended. {self._meanwhile}")
        elif time.monotonic() >= self._next_attempt:
            self._attempt()

    def _attempt(self) -> None:
        try:
            self._server.start()
        except ServerError as error:
            self._wait(str(error))
            return
        self._next_attempt = None
        self._restarted()
        say(f"{self._server.name} is ready again on port {self._server.port}.")

    def _wait(self, why: str) -> None:
        self._next_attempt = time.monotonic() + self._pause
        say(f"{why}\n{self._server.name} will be restarted in {self._pause:g} s.")
