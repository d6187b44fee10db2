"""What the pool lends is fit for use, and an answer never reaches another question."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError
from queue import Full

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching.connection import Topology, connect, sender
from app.caching.incarnation import Incarnation
from app.caching.pool import Pool
from local.processes import wait_until
from local.valkey import ValkeyServer


@pytest.fixture
def pool(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Return a pool of two connections to `valkey`, which trusts one that was used in the last minute."""
    monkeypatch.setattr("app.caching.pool._MOMENT", 60.0)
    client = connect(Topology(url=valkey.url), Incarnation(), max_connections=2, timeout=0.5)
    assert isinstance(client.connection_pool, Pool)
    yield client.connection_pool
    client.close()


def test_an_answer_that_came_too_late_is_no_answer_to_the_next_question(valkey: ValkeyServer, pool: Pool) -> None:
    """A connection whose answer nobody waited for is closed, not lent again."""
    pool.exchange(("ECHO", "before"))
    valkey.pause()
    with pytest.raises(RedisTimeoutError):
        pool.exchange(("ECHO", "too late"))
    valkey.resume()

    assert [pool.exchange(("ECHO", word)) for word in ("a", "b")] == [b"a", b"b"]


@pytest.mark.parametrize("idle", [False, True])
def test_a_question_waits_no_longer_than_it_is_told_to(valkey: ValkeyServer, *, idle: bool) -> None:
    """Readers are in more of a hurry than writers, also when the connection has to be tried first."""
    client = _patient_client(valkey)
    ask = sender(client, seconds=0.05)
    ask(("PING",))
    if idle:
        _was_idle(client.connection_pool)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask, ("PING",))
        waited = wait_until(asked.done, seconds=10)
        valkey.resume()
    assert waited
    assert isinstance(asked.exception(), RedisTimeoutError)


def _patient_client(valkey: ValkeyServer) -> Redis:
    return connect(Topology(url=valkey.url), Incarnation(), max_connections=1, timeout=60)


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("ask", [lambda client: sender(client)(("PING",)), Redis.ping])
def test_one_hurried_question_does_not_hurry_the_next(
    valkey: ValkeyServer, ask: Callable[[Redis], object], *, idle: bool
) -> None:
    """On the same connection, ours and redis-py's own alike."""
    client = _patient_client(valkey)
    sender(client, seconds=0.05)(("PING",))
    if idle:
        _was_idle(client.connection_pool)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask, client)
        with pytest.raises(FuturesTimeoutError):
            asked.result(0.2)
        valkey.resume()
        assert asked.result(10) in (b"PONG", True)


def test_a_connection_that_just_answered_need_not_be_tried(pool: Pool) -> None:
    """Each answer starts its time anew."""
    pool.exchange(("PING",))
    connection = pool.get_connection()
    connection.next_health_check = due = math.ceil(time.monotonic())  # so it was used half a minute ago
    pool.release(connection)

    pool.exchange(("PING",))

    assert connection.next_health_check > due


def test_who_finds_no_server_takes_no_connection_away(valkey: ValkeyServer, pool: Pool) -> None:
    """However often it happens, the pool is whole when the server is back."""
    valkey.kill()
    for _ in range(3):
        with pytest.raises(RedisConnectionError, match="refused"):
            pool.exchange(("PING",))
    valkey.restart()

    assert pool.exchange(("PING",)) == b"PONG"


def test_only_one_question_fails_when_the_server_restarts(valkey: ValkeyServer, pool: Pool) -> None:
    """The connection that was found closed is opened anew for the next."""
    pool.exchange(("PING",))
    valkey.kill()
    valkey.restart()

    with pytest.raises((RedisError, OSError)):
        pool.exchange(("PING",))
    assert pool.exchange(("PING",)) == b"PONG"


def test_a_refusal_is_raised_and_costs_no_connection(pool: Pool) -> None:
    """The server answered, so the connection is as good as before."""
    before = pool.exchange(("CLIENT", "ID"))

    with pytest.raises(ResponseError, match="unknown command"):
        pool.exchange(("NO-SUCH-COMMAND",))

    assert pool.exchange(("CLIENT", "ID")) == before


def test_an_answer_of_any_length_is_read_to_its_end(pool: Pool) -> None:
    """Megabytes come in many pieces."""
    value = os.urandom(3 << 20)

    assert pool.exchange(("ECHO", value)) == value


def test_a_connection_that_was_idle_for_long_is_tried_first(valkey: ValkeyServer, pool: Pool) -> None:
    """A peer that vanished without a word shows only when it is asked."""
    pool.exchange(("ECHO", "once"))
    _was_idle(pool)
    pings = _pings(valkey)

    pool.exchange(("ECHO", "again"))

    assert _pings(valkey) == pings + 1


def _was_idle(pool: ConnectionPool) -> None:
    """Let the connection that comes next have been idle for long."""
    connection = pool.get_connection()
    connection.next_health_check = 0
    pool.release(connection)


def _pings(valkey: ValkeyServer) -> int:
    with Redis.from_url(valkey.url) as admin:
        return int(admin.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))


def test_a_forked_process_opens_connections_of_its_own(pool: Pool) -> None:
    """Two processes on one socket would read each other's answers."""
    ours = pool.exchange(("CLIENT", "ID"))

    theirs = _in_child(lambda: int(pool.exchange(("CLIENT", "ID"))))

    assert theirs not in (ours, -1)
    assert pool.exchange(("CLIENT", "ID")) == ours


def _in_child(question: Callable[[], int]) -> int:
    """Return what `question` returns in a forked process; -1 when it fails there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(question()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return int(said or -1)


def test_the_connection_that_came_back_last_is_lent_first(pool: Pool) -> None:
    """So that few connections do the work, and stay warm."""
    first, second = pool.get_connection(), pool.get_connection()
    pool.release(first)
    pool.release(second)

    assert [pool.get_connection(), pool.get_connection()] == [second, first]


def test_a_pool_holds_no_more_connections_than_it_may(pool: Pool) -> None:
    """Who finds none free in time is told so; nobody can give back more than was lent."""
    lent = [pool.get_connection(), pool.get_connection()]
    pool.timeout = 0.01
    with pytest.raises(RedisError, match="No connection available"):
        pool.get_connection()

    for connection in lent:
        pool.release(connection)
    with pytest.raises(Full):
        pool.release(lent[0])


def test_who_waits_at_an_empty_pool_gets_the_next_that_comes_back(pool: Pool) -> None:
    """A thread without a connection goes on as soon as another gives one back."""
    lent, got = [pool.get_connection(), pool.get_connection()], list[object]()
    waiting = threading.Thread(target=lambda: got.append(pool.get_connection()))
    waiting.start()

    pool.release(lent[0])

    assert wait_until(lambda: got == [lent[0]], seconds=5)
    waiting.join()
