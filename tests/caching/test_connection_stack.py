"""A connection that is lent is fit for use, and a reply never reaches another command."""

import os
from collections.abc import Callable
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
from app.caching.connection import Topology, connect
from app.caching.connection_stack import ConnectionStack
from local.valkey import ValkeyServer
from tests.caching.engines import all_are_idle
from tests.caching.places import watched

Ask = Callable[..., Any]


@pytest.fixture
def stack(valkey: ValkeyServer) -> ConnectionStack:
    """Return a stack of at most two connections to `valkey`."""
    make: Any = ConnectionPool.from_url(valkey.url).make_connection
    return ConnectionStack(make, at_most=2)


@pytest.fixture
def ask(stack: ConnectionStack, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return what sends a command over that stack, which trusts a connection that was used in the last minute."""
    monkeypatch.setattr(connection_stack, "TRUSTED_SECONDS", 60.0)
    return lambda *command, seconds=0.5: stack.exchange(command, seconds=seconds)


def test_a_late_reply_is_not_taken_for_the_next_one(valkey: ValkeyServer, ask: Ask) -> None:
    """A connection whose reply nobody waited for is closed, not lent again."""
    ask("ECHO", "before")
    valkey.pause()
    with pytest.raises(RedisTimeoutError):
        ask("ECHO", "too late")
    valkey.resume()

    assert [ask("ECHO", word) for word in ("a", "b")] == [b"a", b"b"]


@pytest.mark.parametrize("kind", ["Valkey 9", "sentinels"])
def test_a_connection_is_closed_when_its_reply_did_not_come(kind: str, tmp_path: Path) -> None:
    """Also where redis-py leaves it open: the reply may come after the next command was sent."""
    with ExitStack() as running:
        if kind == "sentinels":
            scene = running.enter_context(watched(tmp_path))
            topology, server = scene.place.topology, scene.master
        else:
            server = running.enter_context(ValkeyServer(tmp_path))
            topology = Topology(url=server.url)
        link = connect(topology, max_connections=3, timeout=10, read_timeout=0.05)
        link.ask(("ECHO", "before"))
        server.pause()
        with pytest.raises(RedisTimeoutError):
            link.ask(("ECHO", "too late"))
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(link.send, ("ECHO", "next"))
            server.resume()

            assert answer.result(10) == b"next"


def test_a_failed_connect_does_not_leak_a_connection(valkey: ValkeyServer, ask: Ask) -> None:
    """However often it happens, all connections are there when the server is back."""
    valkey.kill()
    for _ in range(3):
        with pytest.raises(RedisConnectionError, match="refused"):
            ask("PING")
    valkey.restart()

    assert ask("PING") == b"PONG"


def test_only_one_command_fails_when_the_server_restarts(valkey: ValkeyServer, ask: Ask) -> None:
    """The connection that was found closed is opened anew for the next."""
    ask("PING")
    valkey.kill()
    valkey.restart()

    with pytest.raises((RedisError, OSError)):
        ask("PING")
    assert ask("PING") == b"PONG"


def test_a_refusal_costs_no_connection(ask: Ask) -> None:
    """The server answered, so the connection is as good as before."""
    before = ask("CLIENT", "ID")

    with pytest.raises(ResponseError, match="unknown command"):
        ask("NO-SUCH-COMMAND")

    assert ask("CLIENT", "ID") == before


def test_a_reply_of_any_length_is_read_to_its_end(ask: Ask) -> None:
    """Megabytes come in many pieces."""
    value = os.urandom(3 << 20)

    assert ask("ECHO", value, seconds=10) == value


def test_a_connection_that_was_idle_for_long_is_tried_first(
    valkey: ValkeyServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that vanished without a word shows only when it is asked."""
    ask("ECHO", "once")
    all_are_idle(monkeypatch)
    pings = _pings(valkey)

    ask("ECHO", "again")

    assert _pings(valkey) == pings + 1


def test_a_connection_in_use_is_not_tried(valkey: ValkeyServer, ask: Ask) -> None:
    """Each reply starts its time anew: a hit costs one round trip."""
    ask("ECHO", "once")
    pings = _pings(valkey)

    ask("ECHO", "again")

    assert _pings(valkey) == pings


def _pings(valkey: ValkeyServer) -> int:
    with Redis.from_url(valkey.url) as admin:
        return int(admin.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))


def test_a_forked_process_opens_connections_of_its_own(ask: Ask) -> None:
    """Two processes on one socket would read each other's replies."""
    ours = ask("CLIENT", "ID")

    theirs = _in_child(lambda: int(ask("CLIENT", "ID")))

    assert theirs not in (ours, -1)
    assert ask("CLIENT", "ID") == ours


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


def test_one_after_the_other_is_sent_over_one_connection(ask: Ask) -> None:
    """Few connections do the work and stay warm."""
    assert len({ask("CLIENT", "ID") for _ in range(5)}) == 1


def test_no_more_connections_are_opened_than_allowed(valkey: ValkeyServer, ask: Ask) -> None:
    """A caller that finds none free in time is told so; the next goes on as soon as one is."""
    ask("PING")
    valkey.pause()
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(ask, "CLIENT", "ID", seconds=30) for _ in range(2)]
        with pytest.raises(MaxConnectionsError):
            _until_refused(ask)
        last = threads.submit(ask, "CLIENT", "ID", seconds=30)
        valkey.resume()

        assert last.result(30) in {each.result(30) for each in waiting}


def _until_refused(ask: Ask) -> None:
    """Ask until both connections are in use."""
    while True:
        try:
            ask("PING", seconds=0.01)
        except RedisTimeoutError:
            continue
