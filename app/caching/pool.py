"""Connections to one Redis server, kept open: taken, looked after, used and taken back at the least cost.

Under a worker's threads each call of Python costs twice what it costs alone, so this is where a cached read can be made
cheaper: redis-py's own pool and its way of sending a command take longer than the network.
"""

import os
import time
from collections import deque
from queue import Empty, Full, SimpleQueue
from typing import Any

from hiredis import pack_command
from redis import BlockingConnectionPool
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

HEALTH_CHECK_SECONDS = 30
_MOMENT = 0.1  # seconds


class Stack:
    """What the standard library's LifoQueue is to the pool, for a tenth of its time: nothing here takes a Python lock.

    There is a permit in a queue that is written in C for each item: wait for one, then pop an item off `queue`.
    """

    def __init__(self, maxsize: int) -> None:
        """Hold at most `maxsize` items."""
        self._maxsize, self.queue, self.permits = maxsize, deque[Any](), SimpleQueue[None]()

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - whatever the pool keeps
        """Put an item on top. Raises queue.Full."""
        if len(self.queue) >= self._maxsize:
            raise Full
        self.queue.append(item)
        self.permits.put(None)


class Pool(BlockingConnectionPool):
    """A pool that trusts a connection that was used a moment ago, and keeps no statistics about any.

    Looking whether a connection still stands is a system call that gives up the interpreter: more processor time than
    all else Redis costs a cached read. Once one is found broken, all others are looked at too before their next use.
    """

    _broken_at = 0.0  # monotonic seconds
    pool: Stack

    def get_connection(self, command_name: str | None = None, *keys: object, **options: object) -> Connection:  # noqa: ARG002 - redis-py's signature
        """Lend a connection, waiting up to `timeout` seconds for a free one; make or mend it where needed.

        Raises:
            redis.RedisError: none became free, or the server cannot be reached.

        """
        connection = self._take(None)
        _let_wait(connection)
        return connection  # type: ignore[no-any-return]

    def _take(self, seconds: float | None) -> Any:  # noqa: ANN401 - insides of redis-py's connections are looked at
        if self.pid != _process_id:  # after a fork the parent's connections are not ours
            self._checkpid()
        try:
            self.pool.permits.get(timeout=self.timeout)
        except Empty:
            raise RedisConnectionError("No connection available.")  # noqa: B904 - the context tells what it is
        connection: Any = self.pool.queue.pop() or self.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        last_used = connection.next_health_check - HEALTH_CHECK_SECONDS  # monotonic seconds; never: 0 or less
        if last_used < time.monotonic() - _MOMENT or last_used <= self._broken_at or connection._sock is None:  # noqa: SLF001 - the only way in
            self._make_fit(connection, seconds)
        return connection

    def release(self, connection: Any) -> None:  # noqa: ANN401 - redis-py's interface lacks what is looked at here
        """Take a connection back; a broken one has closed itself and connects anew when it is next used."""
        if self.pid != _process_id:
            self._checkpid()
        if connection._sock is None:  # noqa: SLF001 - same
            self._broken_at = time.monotonic()
        if connection.pid != self.pid:  # made before a fork: its socket is the parent's as well
            connection.disconnect()
            connection = None
        self.pool.put_nowait(connection)

    def exchange(self, command: Any, seconds: float | None = None) -> Any:  # noqa: ANN401 - strings, bytes and numbers; a Redis reply
        """Send one command over a connection of this pool and return its reply, decoded no further.

        `seconds` bounds the wait for it; by default the pool's socket time-out does.

        Does what redis-py's `send_command` and `read_response` do for RESP2 and hiredis. Their nine calls would cost a
        third of the round trip.

        Raises:
            redis.RedisError, OSError: as redis-py does; the connection is then closed, unless the server only refused.

        """
        connection = self._take(seconds)
        reply = NOT_ENOUGH_DATA
        try:
            sock, reader, buffer = connection._sock, connection._parser._reader, connection._parser._buffer  # noqa: SLF001 - same
            if sock.gettimeout() != (seconds or connection.socket_timeout):  # setting it is a system call
                _let_wait(connection, seconds)
            sock.sendall(pack_command(command))
            while reply is NOT_ENOUGH_DATA:
                if not (received := sock.recv_into(buffer)):
                    raise RedisConnectionError("The server closed the connection.")  # noqa: TRY301 - as if the socket did
                reader.feed(buffer, 0, received)
                reply = reader.gets()
            connection.next_health_check = time.monotonic() + HEALTH_CHECK_SECONDS
            if isinstance(reply, RedisError):
                raise reply  # noqa: TRY301 - one that is a ConnectionError (still loading, say) is treated as one
        except ResponseError:
            raise
        except BaseException as error:
            connection.disconnect()  # or the answer would be taken for that to another question
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("No answer within the time-out.") from None
            raise
        finally:
            self.release(connection)
        return reply

    def _make_fit(self, connection: Connection, seconds: float | None) -> None:
        """Connect where needed: at first, after the server closed it, or when an answer nobody waited for is in it.

        `seconds` bounds the wait for a sign of life; a new connection is set up under the pool's own time-out.
        """
        try:
            connection.connect()  # type: ignore[no-untyped-call]  # same
            _let_wait(connection, seconds)
            if _is_spoilt(connection):
                connection.disconnect()  # type: ignore[no-untyped-call]  # same
                connection.connect()  # type: ignore[no-untyped-call]  # same
            connection.check_health()  # type: ignore[no-untyped-call]  # same
        except BaseException:
            self.release(connection)
            raise


def _let_wait(connection: Any, seconds: float | None = None) -> None:  # noqa: ANN401 - same
    connection._sock.settimeout(seconds or connection.socket_timeout)  # noqa: SLF001 - same


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
