"""Tests of the connection stack: it hands out working connections, and a reply never reaches another command."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching import connection_stack
from app.caching.connection import Link, Topology, connect
from app.caching.connection_stack import ConnectionStack
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.deployments import sentinel_setup
from tests.caching.engines import mark_connections_idle

SendCommand = Callable[..., Any]


@pytest.fixture
def stack(valkey: ValkeyServer) -> Iterator[ConnectionStack]:
    """Return a stack with at most two connections to `valkey`. They are closed after the test."""
    pool: Any = ConnectionPool.from_url(valkey.url)
    made: list[Any] = []

    def make() -> Any:  # noqa: ANN401 - redis-py leaves it untyped
        made.append(pool.make_connection())
        return made[-1]

    yield ConnectionStack(make, at_most=2)
    for connection in made:
        connection.disconnect()


@pytest.fixture
def send(stack: ConnectionStack, monkeypatch: pytest.MonkeyPatch) -> SendCommand:
    """Return a function that sends a command over the stack, which checks only connections idle for over a minute."""
    monkeypatch.setattr(connection_stack, "IDLE_CHECK_SECONDS", 60.0)
    return lambda *command, seconds=10: stack.exchange(command, seconds=seconds)


def test_late_reply_is_not_read_by_the_next_command(valkey: ValkeyServer, send: SendCommand) -> None:
    """After a timeout the connection is closed and not reused."""
    send("ECHO", "before")
    valkey.pause()
    with pytest.raises(RedisTimeoutError):
        send("ECHO", "too late", seconds=0.2)
    valkey.resume()

    assert [send("ECHO", word) for word in ("a", "b")] == [b"a", b"b"]


@pytest.mark.parametrize("kind", ["Valkey 9", "sentinels"])
def test_connection_is_closed_when_its_reply_times_out(kind: str, tmp_path: Path) -> None:
    """Also where redis-py keeps it open: the late reply could be read by the next command."""
    with ExitStack() as running:
        if kind == "sentinels":
            # While the sentinels treat the paused master as down, no connection to it can be opened.
            setup = running.enter_context(sentinel_setup(tmp_path, down_after_ms=60_000))
            topology, server = setup.deployment.topology, setup.master
        else:
            server = running.enter_context(ValkeyServer(tmp_path))
            topology = Topology(url=server.url)
        link = connect(topology, max_connections=3, timeout=10, read_timeout=1.0)
        assert wait_until(lambda: _is_answered(link), seconds=30)  # on a busy machine, a reader may time out
        server.pause()
        with pytest.raises(RedisTimeoutError):
            link.send_as_reader(("ECHO", "too late"))
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(link.send_as_writer, ("ECHO", "next"))
            server.resume()

            assert answer.result(30) == b"next"


def _is_answered(link: Link) -> bool:
    try:
        return bool(link.send_as_reader(("ECHO", "before")) == b"before")
    except RedisTimeoutError:
        return False


def test_failed_connect_does_not_leak_a_connection(valkey: ValkeyServer, send: SendCommand) -> None:
    """After repeated failures every connection of the stack is available again."""
    valkey.kill()
    for _ in range(3):
        with pytest.raises(RedisConnectionError, match="refused"):
            send("PING")
    valkey.restart()

    assert send("PING") == b"PONG"


def test_one_command_fails_after_a_server_restart(valkey: ValkeyServer, send: SendCommand) -> None:
    """The next command reopens the closed connection."""
    send("PING")
    valkey.kill()
    valkey.restart()

    with pytest.raises((RedisError, OSError)):
        send("PING")
    assert send("PING") == b"PONG"


def test_error_reply_keeps_the_connection_open(send: SendCommand) -> None:
    """The server answered, so the connection can be reused."""
    before = send("CLIENT", "ID")

    with pytest.raises(ResponseError, match="unknown command"):
        send("NO-SUCH-COMMAND")

    assert send("CLIENT", "ID") == before


def test_long_reply_is_read_completely(send: SendCommand) -> None:
    """A reply of 3 MB arrives in many parts."""
    value = os.urandom(3 << 20)

    assert send("ECHO", value, seconds=10) == value


def test_idle_connection_is_checked_before_use(
    valkey: ValkeyServer, send: SendCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that disappeared without closing the connection is detected only by a PING."""
    send("ECHO", "once")
    mark_connections_idle(monkeypatch)
    pings = _pings(valkey)

    send("ECHO", "again")

    assert _pings(valkey) == pings + 1


def test_recently_used_connection_is_not_checked(valkey: ValkeyServer, send: SendCommand) -> None:
    """Every reply resets the idle time, so a hit costs one round trip."""
    send("ECHO", "once")
    pings = _pings(valkey)

    send("ECHO", "again")

    assert _pings(valkey) == pings


def _pings(valkey: ValkeyServer) -> int:
    with Redis.from_url(valkey.url) as admin:
        return int(admin.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))


def test_forked_process_opens_its_own_connections(send: SendCommand) -> None:
    """Two processes on one socket would read each other's replies."""
    ours = send("CLIENT", "ID")

    theirs = _in_child(lambda: int(send("CLIENT", "ID")))

    assert theirs not in (ours, -1)
    assert send("CLIENT", "ID") == ours


def _in_child(question: Callable[[], int]) -> int:
    """Return the result of `question` in a forked process, or -1 if it fails there."""
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


def test_sequential_commands_share_one_connection(send: SendCommand) -> None:
    """The most recently used connection is reused first."""
    assert len({send("CLIENT", "ID") for _ in range(5)}) == 1


def test_stack_never_exceeds_its_maximum_of_connections(valkey: ValkeyServer, send: SendCommand) -> None:
    """A caller that gets no free connection in time raises MaxConnectionsError; a later one gets the next free one."""
    send("PING")
    valkey.pause()
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(send, "CLIENT", "ID", seconds=30) for _ in range(2)]
        with pytest.raises(MaxConnectionsError):
            _send_until_stack_is_exhausted(send)
        last = threads.submit(send, "CLIENT", "ID", seconds=30)
        valkey.resume()

        assert last.result(30) in {each.result(30) for each in waiting}


def _send_until_stack_is_exhausted(send: SendCommand) -> None:
    """Send commands until both connections are in use."""
    while True:
        try:
            send("PING", seconds=0.01)
        except RedisTimeoutError:
            continue
