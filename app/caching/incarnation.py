"""Detection of a new incarnation of the Redis server: a promoted replica, or a server that restored a snapshot.

Replication is asynchronous and snapshots are old. The new server may therefore still hold a value whose deletion the
old server acknowledged. For this reason every new connection asks the server for its run id. The engine does not use
values that are older than the time at which it first saw the current run id. One TTL later all such values have
expired.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from redis.connection import Connection
from redis.exceptions import ResponseError

_RUN_ID = b"run_id:"


class Incarnation:
    """Time at which this process first saw the current run id. One object per server, cluster or sentinel group."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any known server. `clock` returns monotonic seconds."""
        self._clock, self._lock = clock, threading.Lock()
        self._known: set[bytes] = set()
        self.first_seen = 0.0
        """Monotonic seconds at which the last unknown run id was seen. Values stored before are not used."""

    def set_up(self, connection: Connection) -> None:
        """Set up a new connection (redis-py's `redis_connect_func`) and check the server's run id."""
        connection.on_connect()  # type: ignore[no-untyped-call]  # redis-py leaves these two untyped
        self.check(connection)

    def check(self, connection: Connection) -> None:
        """Ask for the run id of the server behind a connection that is already set up, and record it."""
        with suppress(ResponseError):  # the Redis user lacks the INFO permission: new incarnations go undetected
            connection.send_command("INFO", "server", check_health=False)  # type: ignore[no-untyped-call]
            reply = connection.read_response(disable_decoding=True)
            self.record(next((line for line in bytes(reply).split() if line.startswith(_RUN_ID)), b""))

    def record(self, run_id: bytes) -> None:
        """Record a run id. If it is new, set `first_seen` to the current time."""
        with self._lock:
            if run_id not in self._known:
                self._known.add(run_id)
                self.first_seen = self._clock()
