"""Start a server again that has ended by itself."""

import time
from collections.abc import Callable
from typing import Final

from local.announcement import say
from local.server import Server, ServerError

__all__ = ["Revival"]

PAUSE_SECONDS: Final = 5.0


class Revival:
    """Watch one server that the app can do without, and start it again on its port when it has ended.

    There is a pause before every attempt, so a server that dies again and again is started rarely and nothing spins.
    """

    def __init__(
        self, server: Server, *, meanwhile: str, restarted: Callable[[], None], pause: float = PAUSE_SECONDS
    ) -> None:
        """Watch `server`, which has been started.

        Args:
            server: what to start again.
            meanwhile: a sentence for the log: what the rest of the stack does without it.
            restarted: called when it answers again, under a new process id.
            pause: seconds between its end and the attempt, and between attempts.

        """
        self._server = server
        self._meanwhile = meanwhile
        self._restarted = restarted
        self._pause = pause
        self._next_attempt: float | None = None

    def look(self) -> None:
        """Note that the server has ended, or start it again when it is time. Call this often."""
        if self._next_attempt is None:
            if not self._server.is_running():
                self._server.stop()  # reaps the process, whose id may then be used again
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
        say(f"{why}\n{self._server.name} is started again in {self._pause:g} s.")
