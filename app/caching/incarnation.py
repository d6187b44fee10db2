"""Which server we are talking to: a promoted replica or a restored snapshot may hold values that were deleted since.

Replication is asynchronous and snapshots are old, so a delete that was acknowledged by one server can be missing from
its successor. Every new connection therefore asks the server for its run id. Values older than our first contact with a
run id are not used. After one TTL there are none left, and the check never fires again.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from redis.connection import Connection
from redis.exceptions import ResponseError

_RUN_ID = b"run_id:"


class Incarnation:
    """When this process first met the server it talks to. One object for each server, cluster or sentinel group."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no server yet; `clock` gives monotonic seconds."""
        self._clock, self._lock = clock, threading.Lock()
        self._known: set[bytes] = set()
        self.first_met = 0.0
        """Monotonic seconds of the last time an unknown server answered; values stored before are not used."""

    def meet(self, connection: Connection) -> None:
        """Set up a new connection (redis-py's `redis_connect_func`) and ask whose it is."""
        connection.on_connect()  # type: ignore[no-untyped-call]  # redis-py leaves these two untyped
        self.ask(connection)

    def ask(self, connection: Connection) -> None:
        """Ask the server behind a connection that is set up who it is, and note it."""
        with suppress(ResponseError):  # a Redis user without the right to INFO: nothing can be told apart
            connection.send_command("INFO", "server", check_health=False)  # type: ignore[no-untyped-call]
            reply = connection.read_response(disable_decoding=True)
            self.note(next((line for line in bytes(reply).split() if line.startswith(_RUN_ID)), b""))

    def note(self, run_id: bytes) -> None:
        """Remember a server by its run id; a new one starts the clock anew."""
        with self._lock:
            if run_id not in self._known:
                self._known.add(run_id)
                self.first_met = self._clock()
