"""A bounded stack of redis-py connections to one server: the one used last is used next.

It does for single commands what redis-py's pools do, and looks at a connection only when there is a reason to: looking
is a system call that gives up the interpreter, which costs a cached read more than everything else Redis costs it.
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
"""Text, bytes and numbers."""

TRUSTED_SECONDS = 0.1
"""How long after its last reply a connection is used without looking whether it still stands."""
HEALTH_CHECK_SECONDS = 30.0
"""How long after its last reply a connection is tried with a PING: a peer that vanished shows only when asked."""


class ConnectionStack:
    """Sends commands over at most so many connections, each used by one thread at a time.

    A connection's own timeout is the one of whoever opened it. A caller with a shorter one opens it anew, so in the end
    all have the shortest; a longer one is set for the one reply (two system calls, which readers are thus spared).
    """

    def __init__(
        self, make: Callable[[], Connection], *, at_most: int, owns: Callable[[Connection], object] | None = None
    ) -> None:
        """Open connections when they are needed.

        Args:
            make: returns a new connection that is not open yet.
            at_most: how many connections there may be.
            owns: says whether a connection still leads to the right server; by default it always does.

        """
        self._make, self._at_most, self._owns = make, at_most, owns
        self.forget()
        _stacks.add(self)

    def forget(self) -> None:
        """Start anew without any connection: after a fork those of the parent are not ours."""
        self._idle = deque[tuple[Connection | None, float]]([(None, 0.0)] * self._at_most)
        # One permit for each: a queue written in C makes a thread wait without a lock of Python's.
        self._permits = SimpleQueue[None]()
        for _ in range(self._at_most):
            self._permits.put(None)
        self._broken_at = 0.0

    def exchange(self, command: Command, *, seconds: float) -> Any:  # noqa: ANN401 - a Redis reply
        """Send a command and return its reply, not decoded. Bytes stay bytes.

        Waiting for a free connection, each step of opening it, and the reply may each take up to `seconds`.

        Raises:
            redis.RedisError, OSError: as redis-py does; MaxConnectionsError when no connection became free in time.

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
            if slower or self._owns or used_at < time.monotonic() - TRUSTED_SECONDS or used_at <= self._broken_at:
                self._prepare(connection, seconds, used_at=used_at, slower=slower)
            # What redis-py's `send_command` does, in fewer calls: this is the path of every hit.
            connection.send_packed_command([pack_command(command)], check_health=False)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            reply = connection.read_response() if timeout == seconds else connection.read_response(timeout=seconds)
            used_at = time.monotonic()
        except ResponseError:
            raise  # a reply like any other: the connection is as good as before
        except BaseException:
            used_at = self._broken(connection)
            raise
        finally:
            self._idle.append((connection, used_at))
            self._permits.put(None)
        return reply

    def _prepare(self, connection: Connection, seconds: float, *, used_at: float, slower: bool) -> None:
        """Open a connection that is closed, no longer fit, or slower to give up than `seconds`; try an idle one."""
        if slower or not connection.is_connected or not self._is_fit(connection):
            _open(connection, seconds)
        elif used_at < time.monotonic() - HEALTH_CHECK_SECONDS:
            connection.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]  # same
            with suppress(ResponseError):  # any reply will do
                connection.read_response(timeout=seconds)

    def _is_fit(self, connection: Connection) -> bool:
        """Say whether the connection leads to the right server and holds no reply that nobody waited for."""
        if self._owns and not self._owns(connection):
            return False
        try:
            return not connection.can_read()
        except RedisConnectionError:  # the server has closed it
            return False

    def _broken(self, connection: Connection | None) -> float:
        """Close a connection, or its reply would be taken for that to another command; have all others looked at."""
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]  # same
        self._broken_at = time.monotonic()
        return 0.0


def _open(connection: Connection, seconds: float) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]  # same
    connection.socket_timeout = connection.socket_connect_timeout = seconds
    connection.connect()  # type: ignore[no-untyped-call]  # same


_stacks = weakref.WeakSet[ConnectionStack]()


def _forget_all() -> None:
    for stack in _stacks:
        stack.forget()


os.register_at_fork(after_in_child=_forget_all)
