"""A bounded stack of redis-py connections to one server. The most recently used connection is used next.

It replaces redis-py's connection pool for single commands. It checks a connection only after 0.1 s without use or after
a connection error. A check is a system call that releases the interpreter lock. On a cached read it would cost more
than all other Redis work.
"""

import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

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
        self._idle = deque[tuple[Connection | None, float]]([(None, 0.0)] * self._at_most)
        # One permit per connection. SimpleQueue is written in C: waiting needs no Python lock.
        self._permits = SimpleQueue[None]()
        for _ in range(self._at_most):
            self._permits.put(None)
        self._broken_at = 0.0

    def exchange(self, command: Command, *, seconds: float) -> Any:  # noqa: ANN401 - a Redis reply
        """Send a command and return the raw reply (bytes are not decoded).

        `seconds` limits each wait separately: for a free connection, for each step of opening it, and for the reply.

        Raises:
            redis.RedisError, OSError: as redis-py does.
            MaxConnectionsError: no connection became free in time.

        """
        try:
            self._permits.get(timeout=seconds)
        except Empty:
            raise MaxConnectionsError("No connection became free in time.") from None
        connection, used_at = self._idle.pop()
        try:
            if connection is None:
                connection = self._make()
            timeout = connection.socket_timeout
            slower = timeout is None or timeout > seconds
            if slower or self._owns or used_at < time.monotonic() - IDLE_CHECK_SECONDS or used_at <= self._broken_at:
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
            self._idle.append((connection, used_at))
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
