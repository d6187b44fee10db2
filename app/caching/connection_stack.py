"""A bounded stack of redis-py connections to one server. The most recently used connection is used next.

It replaces redis-py's connection pool for single commands. It checks a connection only after 0.1 s without use or after
a connection error. A check is a system call that releases the interpreter lock. On a cached read it would cost more
than all other Redis work.
"""

import os
import time
import weakref
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from hiredis import pack_command
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, ResponseError

Command = tuple[Any, ...]
"""The parts of a command: strings, bytes and numbers."""

IDLE_CHECK_SECONDS = 0.1
"""A connection that was idle for longer is checked for a closed socket before use."""
HEALTH_CHECK_SECONDS = 30.0
"""A connection that was idle for longer is checked with a PING: the socket of a vanished peer still looks open."""

BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5)
"""Upper bounds, in seconds, of the classes by which the durations of commands are counted."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The use that one process makes of its connections.

    Attributes:
        counts: the number of commands so far by duration: a number for each of `BOUNDS`, and one for longer durations.
        seconds: the sum of their durations, each with the wait for a free connection.
        in_use: connections that run a command now.
        at_most: connections that commands may use.

    """

    counts: tuple[int, ...]
    seconds: float
    in_use: int
    at_most: int


class ConnectionStack:
    """Sends commands over a limited number of connections. Each connection serves one thread at a time.

    A connection has the timeout of the caller that opened it. A caller with a shorter timeout reopens the connection. A
    caller with a longer timeout sets it for one reply, which takes two system calls. So all connections end up with the
    timeout of the readers, and only writers need these calls.
    """

    def __init__(
        self, make: Callable[[], Connection], *, at_most: int, owns: Callable[[Connection], object] | None = None
    ) -> None:
        """Create the stack. Connections are opened when they are needed.

        Args:
            make: returns a new connection that is not open yet.
            at_most: the largest number of connections.
            owns: returns whether a connection still goes to the right server. By default every connection does.

        """
        self._make, self._at_most, self._owns = make, at_most, owns
        self.reset()
        _stacks.add(self)

    def reset(self) -> None:
        """Discard all connections. A forked process must not use the connections of its parent."""
        # Each place for a connection has its own counts of durations. The thread that holds the place needs no lock.
        self._durations = [[*([0] * (len(BOUNDS) + 1)), 0.0] for _ in range(self._at_most)]
        self._idle = deque[tuple[Connection | None, float, list[float]]](
            [(None, 0.0, durations) for durations in self._durations]
        )
        # One permit per connection. SimpleQueue is written in C: waiting needs no Python lock.
        self._permits = SimpleQueue[None]()
        for _ in range(self._at_most):
            self._permits.put(None)
        self._broken_at = 0.0

    def usage(self) -> Usage:
        """Return the present use, and the counts since the process started. Takes no lock."""
        *counts, seconds = map(sum, zip(*self._durations, strict=True))
        in_use = self._at_most - self._permits.qsize()
        return Usage(tuple(map(int, counts)), seconds, in_use, self._at_most)

    def exchange(self, command: Command, *, seconds: float) -> Any:  # noqa: ANN401 - a Redis reply
        """Send a command and return the raw reply (bytes are not decoded).

        `seconds` limits each wait separately: for a free connection, for each step of opening it, and for the reply.

        Raises:
            redis.RedisError, OSError: as redis-py does.
            MaxConnectionsError: no connection became free in time.

        """
        started = time.monotonic()
        try:
            self._permits.get(timeout=seconds)
        except Empty:
            raise MaxConnectionsError("No connection became free in time.") from None
        connection, used_at, durations = self._idle.pop()
        try:
            if connection is None:
                connection = self._make()
            timeout = connection.socket_timeout
            slower = timeout is None or timeout > seconds
            if slower or self._owns or used_at < started - IDLE_CHECK_SECONDS or used_at <= self._broken_at:
                self._prepare(connection, seconds, used_at=used_at, slower=slower)
            # Same as redis-py's `send_command`, in fewer calls: every hit runs this code.
            connection.send_packed_command([pack_command(command)], check_health=False)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            reply = connection.read_response() if timeout == seconds else connection.read_response(timeout=seconds)
            used_at = time.monotonic()
        except ResponseError:
            raise  # an error reply: the connection is still usable
        except BaseException:
            used_at = self._discard(connection)
            raise
        finally:
            took = time.monotonic() - started
            durations[bisect_left(BOUNDS, took)] += 1
            durations[-1] += took
            self._idle.append((connection, used_at, durations))
            self._permits.put(None)
        return reply

    def _prepare(self, connection: Connection, seconds: float, *, used_at: float, slower: bool) -> None:
        """Reopen a connection that is closed, unusable, or has a longer timeout than `seconds`. PING an idle one."""
        if slower or not connection.is_connected or not self._is_usable(connection):
            _open(connection, seconds)
        elif used_at < time.monotonic() - HEALTH_CHECK_SECONDS:
            connection.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]  # same
            with suppress(ResponseError):  # any reply shows that the server is there
                connection.read_response(timeout=seconds)

    def _is_usable(self, connection: Connection) -> bool:
        """Return whether the connection is open, goes to the right server and has no unread reply buffered."""
        if self._owns and not self._owns(connection):
            return False
        try:
            return not connection.can_read()
        except RedisConnectionError:  # the server has closed it
            return False

    def _discard(self, connection: Connection | None) -> float:
        """Close a connection, so that a late reply is not read as the reply to another command.

        All other connections are checked before their next use. Return the new `used_at` of this connection.
        """
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]  # same
        self._broken_at = time.monotonic()
        return 0.0


def _open(connection: Connection, seconds: float) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]  # same
    connection.socket_timeout = connection.socket_connect_timeout = seconds
    connection.connect()  # type: ignore[no-untyped-call]  # same


_stacks = weakref.WeakSet[ConnectionStack]()


def _reset_all() -> None:
    for stack in _stacks:
        stack.reset()


os.register_at_fork(after_in_child=_reset_all)
