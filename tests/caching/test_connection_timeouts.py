"""Tests of how long readers and writers wait for Redis, and of the number of connections."""

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching.connection import RESERVED_CONNECTIONS, Link, Topology, connect
from local.processes import wait_until
from local.server import LOOPBACK
from local.valkey import ValkeyServer
from tests.caching.deployments import unresponsive_port
from tests.caching.engines import engine, fetch, mark_connections_idle

_READ_TIMEOUT = 0.5  # seconds; a busy server answers in less


@pytest.mark.parametrize("idle", [False, True])
def test_reader_waits_no_longer_than_the_read_timeout(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """Also if the connection must be checked first, or was opened by a writer."""
    link = _link(valkey)
    link.send_as_writer(("PING",))
    if idle:
        mark_connections_idle(monkeypatch)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(link.send_as_reader, ("PING",))
        waited = wait_until(future.done, seconds=10)
        valkey.resume()
    assert waited
    assert isinstance(future.exception(), RedisTimeoutError)


def _link(valkey: ValkeyServer) -> Link:
    return connect(Topology(url=valkey.url), max_connections=3, timeout=60, read_timeout=_READ_TIMEOUT)


@pytest.mark.parametrize("idle", [False, True])
def test_writer_waits_longer_on_a_connection_that_a_reader_opened(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """The read timeout does not apply to a writer."""
    link = _link(valkey)
    link.send_as_reader(("PING",))
    if idle:
        mark_connections_idle(monkeypatch)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(link.send_as_writer, ("PING",))
        with pytest.raises(FuturesTimeoutError):
            future.result(2 * _READ_TIMEOUT)
        valkey.resume()
        assert future.result(10) == b"PONG"


def test_reader_replaces_a_connection_of_a_writer_once(valkey: ValkeyServer) -> None:
    """The new connection has the reader's timeout, and later readers and writers reuse it."""
    link = _link(valkey)
    opened = link.send_as_writer(("CLIENT", "ID"))

    replaced = link.send_as_reader(("CLIENT", "ID"))

    assert replaced != opened
    sends = (link.send_as_reader, link.send_as_writer, link.send_as_reader)
    assert [send(("CLIENT", "ID")) for send in sends] == [replaced] * 3


def test_reader_connects_within_the_read_timeout() -> None:
    """A host that drops packets costs a reader the read timeout, not the longer timeout of writers."""
    with unresponsive_port() as port:
        link = connect(Topology(url=f"redis://{LOOPBACK}:{port}"), timeout=60, read_timeout=0.05)
        with ThreadPoolExecutor(1) as threads:
            future = threads.submit(link.send_as_reader, ("PING",))
            assert isinstance(future.exception(10), RedisTimeoutError)


def test_reader_never_waits_longer_than_a_writer(valkey: ValkeyServer) -> None:
    """A read timeout above the writers' timeout is reduced to it."""
    link = connect(Topology(url=valkey.url), timeout=_READ_TIMEOUT, read_timeout=60)
    link.send_as_reader(("PING",))
    valkey.pause()
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(link.send_as_reader, ("PING",))
        assert isinstance(future.exception(10), RedisTimeoutError)


def test_process_never_exceeds_its_maximum_of_connections(valkey: ValkeyServer) -> None:
    """The limit covers the protocol and redis-py's client together, for any number of threads."""
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
