"""What the pool lends is fit for use, and an answer never reaches another question."""

import os
import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full

import pytest
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching.connection import Topology, connect
from app.caching.incarnation import Incarnation
from app.caching.pool import Pool, Stack
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
    connection = pool.get_connection()
    connection.next_health_check = 0  # long ago
    pool.release(connection)
    pings = _pings(valkey)

    pool.exchange(("ECHO", "again"))

    assert _pings(valkey) == pings + 1


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


def test_a_stack_gives_the_last_first_and_holds_no_more_than_it_may() -> None:
    """So that few connections do the work, and stay warm."""
    stack = Stack(2)
    stack.put_nowait("a")
    stack.put_nowait("b")

    with pytest.raises(Full):
        stack.put_nowait("c")
    assert [stack.get(1), stack.get(1)] == ["b", "a"]
    with pytest.raises(Empty):
        stack.get(0.01)


def test_who_waits_at_an_empty_stack_gets_what_is_put_there() -> None:
    """A thread without a connection goes on as soon as another gives one back."""
    stack, got = Stack(1), list[str]()
    waiting = threading.Thread(target=lambda: got.append(stack.get(30)))
    waiting.start()

    stack.put_nowait("a")

    assert wait_until(lambda: got == ["a"], seconds=5)
    waiting.join()
