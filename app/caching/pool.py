"""Connections to one Redis server, kept open: taken, looked after, used and taken back at the least cost.

Under a worker's threads each call of Python costs twice what it costs alone, so this is where a cached read can be made
cheaper: redis-py's own pool and its way of sending a command take longer than the network.
"""

import os
import time
from collections import deque
from queue import Empty, Full, SimpleQueue
from typing import Any, cast

from hiredis import pack_command
from redis import BlockingConnectionPool
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import Connection, ConnectionInterface
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

HEALTH_CHECK_SECONDS = 30
_MOMENT = 0.1  # seconds


class Stack:
    """What the standard library's LifoQueue is to the pool, for a tenth of its time: nothing here takes a Python lock.

    There is a permit in the queue, which is written in C, for each item; it is the permits that callers wait for.
    """

    def __init__(self, maxsize: int) -> None:
        """Hold at most `maxsize` items."""
        self._maxsize, self.queue, self._permits = maxsize, deque[Any](), SimpleQueue[None]()

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - whatever the pool keeps
        """Put an item on top. Raises queue.Full."""
        if len(self.queue) >= self._maxsize:
            raise Full
        self.queue.append(item)
        self._permits.put(None)

    def get(self, timeout: float) -> Any:  # noqa: ANN401 - same
        """Take the item on top, waiting up to `timeout` seconds for one. Raises queue.Empty."""
        self._permits.get(timeout=timeout)
        return self.queue.pop()


class Pool(BlockingConnectionPool):
    """A pool that trusts a connection that was used a moment ago, and keeps no statistics about any.

    Looking whether a connection still stands is a system call that gives up the interpreter: more processor time than
    all else Redis costs a cached read. Once one is found broken, all others are looked at too before their next use.
    """

    _broken_at = 0.0  # monotonic seconds

    def get_connection(self, command_name: str | None = None, *keys: object, **options: object) -> Connection:  # noqa: ARG002 - redis-py's signature
        """Take a connection, waiting up to `timeout` seconds for a free one; make or mend it where needed.

        Raises:
            redis.RedisError: none became free, or the server cannot be reached.

        """
        if self.pid != _process_id:  # after a fork the parent's connections are not ours
            self._checkpid()
        try:
            connection: Connection = self.pool.get(timeout=self.timeout) or self.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except Empty:
            raise RedisConnectionError("No connection available.")  # noqa: B904 - the context tells what it is
        last_used = connection.next_health_check - HEALTH_CHECK_SECONDS  # monotonic seconds; never: 0 or less
        if last_used < time.monotonic() - _MOMENT or last_used <= self._broken_at or not connection.is_connected:
            self._make_fit(connection)
        return connection

    def release(self, connection: ConnectionInterface) -> None:
        """Take a connection back; a broken one has closed itself and connects anew when it is next used."""
        if self.pid != _process_id:
            self._checkpid()
        if not connection.is_connected:
            self._broken_at = time.monotonic()
        if cast("Connection", connection).pid == self.pid:
            self.pool.put_nowait(connection)
        else:  # made before a fork: its socket is the parent's as well
            connection.disconnect()  # type: ignore[no-untyped-call]  # same
            self.pool.put_nowait(None)

    def exchange(self, command: tuple[str | bytes | int, ...]) -> Any:  # noqa: ANN401 - a Redis reply
        """Send one command over a connection of this pool and return its reply, decoded no further.

        Raises:
            redis.RedisError, OSError: as redis-py does; the connection is then closed, unless the server only refused.

        """
        connection = self.get_connection()
        try:
            reply = _exchanged(connection, command)
        except TimeoutError:
            raise RedisTimeoutError("No answer within the time-out.") from None
        finally:
            self.release(connection)
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def _make_fit(self, connection: Connection) -> None:
        """Connect where needed: at first, after the server closed it, or when an answer nobody waited for is in it."""
        try:
            connection.connect()  # type: ignore[no-untyped-call]  # same
            if _is_spoilt(connection):
                connection.disconnect()  # type: ignore[no-untyped-call]  # same
                connection.connect()  # type: ignore[no-untyped-call]  # same
            connection.check_health()  # type: ignore[no-untyped-call]  # same
        except BaseException:
            self.release(connection)
            raise


def _exchanged(connection: Any, command: Any) -> Any:  # noqa: ANN401 - insides of redis-py; hiredis names no useful type
    """Do what redis-py's `send_command` and `read_response` do for RESP2 and hiredis, without their nine calls.

    Those cost a third of the round trip. What the server refuses is returned, not raised.
    """
    reply = NOT_ENOUGH_DATA
    try:
        sock, reader, buffer = connection._sock, connection._parser._reader, connection._parser._buffer  # noqa: SLF001 - the only way in
        sock.sendall(pack_command(command))
        while reply is NOT_ENOUGH_DATA:
            if not (received := sock.recv_into(buffer)):
                reply = RedisConnectionError("The server closed the connection.")
                break
            reader.feed(buffer, 0, received)
            reply = reader.gets()
    except BaseException:
        connection.disconnect()  # or the answer would be taken for that to another question
        raise
    if isinstance(reply, RedisConnectionError):  # or the server is still loading, or the like
        connection.disconnect()
    connection.next_health_check = time.monotonic() + HEALTH_CHECK_SECONDS
    return reply


def _is_spoilt(connection: Connection) -> bool:
    try:
        return connection.can_read()
    except RedisConnectionError:
        return True


_process_id = os.getpid()


def _note_fork() -> None:
    global _process_id  # noqa: PLW0603 - asking the kernel in each request costs more than the rest of the pool
    _process_id = os.getpid()


os.register_at_fork(after_in_child=_note_fork)
