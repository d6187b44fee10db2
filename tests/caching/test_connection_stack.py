"""A connection that is lent is fit for use, and a reply never reaches another command."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching import connection_stack
from app.caching.connection import RESERVED_CONNECTIONS, Link, Topology, connect
from app.caching.connection_stack import ConnectionStack
from local.processes import wait_until
from local.server import LOOPBACK
from local.valkey import ValkeyServer
from tests.caching.engines import engine, fetch
from tests.caching.places import deaf_port, watched

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


@pytest.mark.parametrize("idle", [False, True])
def test_a_reader_waits_only_for_the_read_timeout(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """Also when the connection has to be tried first, or was opened by a writer."""
    link = _patient_link(valkey)
    link.send(("PING",))
    if idle:
        _all_are_idle(monkeypatch)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(link.ask, ("PING",))
        waited = wait_until(asked.done, seconds=10)
        valkey.resume()
    assert waited
    assert isinstance(asked.exception(), RedisTimeoutError)


def _patient_link(valkey: ValkeyServer) -> Link:
    return connect(Topology(url=valkey.url), max_connections=3, timeout=60, read_timeout=0.05)


def _all_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection count as not used for long."""
    monkeypatch.setattr(connection_stack, "TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr(connection_stack, "HEALTH_CHECK_SECONDS", 0.0)


@pytest.mark.parametrize("idle", [False, True])
def test_a_writer_waits_longer_on_a_connection_that_a_reader_opened(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """The read timeout does not hurry a writer."""
    link = _patient_link(valkey)
    link.ask(("PING",))
    if idle:
        _all_are_idle(monkeypatch)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(link.send, ("PING",))
        with pytest.raises(FuturesTimeoutError):
            asked.result(0.2)
        valkey.resume()
        assert asked.result(10) == b"PONG"


def test_a_reader_has_one_connection_opened_anew_and_keeps_it(valkey: ValkeyServer) -> None:
    """A connection that a writer opened gets the reader's timeout by being replaced, once."""
    link = _patient_link(valkey)
    opened = link.send(("CLIENT", "ID"))

    replaced = link.ask(("CLIENT", "ID"))

    assert replaced != opened
    assert [send(("CLIENT", "ID")) for send in (link.ask, link.send, link.ask)] == [replaced] * 3


def test_a_reader_waits_only_for_the_read_timeout_to_connect() -> None:
    """A host that drops packets costs a reader the read timeout, not a writer's."""
    with deaf_port() as port:
        link = connect(Topology(url=f"redis://{LOOPBACK}:{port}"), timeout=60, read_timeout=0.05)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(link.ask, ("PING",))
            assert isinstance(asked.exception(10), RedisTimeoutError)


def test_a_reader_never_waits_longer_than_a_writer(valkey: ValkeyServer) -> None:
    """A read timeout above the other one is as good as that."""
    link = connect(Topology(url=valkey.url), timeout=0.05, read_timeout=60)
    link.ask(("PING",))
    valkey.pause()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(link.ask, ("PING",))
        assert isinstance(asked.exception(10), RedisTimeoutError)


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
    _all_are_idle(monkeypatch)
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


def test_a_process_stays_within_its_connections(valkey: ValkeyServer) -> None:
    """Commands of the protocol and of redis-py's client together, from as many threads as you like."""
    with Redis.from_url(valkey.url) as admin:
        before = {client["id"] for client in admin.client_list()}
        protocol = engine(valkey.url, connections=5)
        barrier = threading.Barrier(20)

        def work(number: int) -> None:
            barrier.wait(10)
            for turn in range(20):
                fetch(protocol, lambda: number, key=f"asin_stats:{turn % 3}")
                protocol.client.ping()

        with ThreadPoolExecutor(20) as threads:
            list(threads.map(work, range(20)))

        opened = {client["id"] for client in admin.client_list()} - before
    assert RESERVED_CONNECTIONS < len(opened) <= 5
