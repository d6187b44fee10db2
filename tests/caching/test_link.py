"""How long readers and writers wait for Redis, and over how many connections."""

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
from tests.caching.engines import all_are_idle, engine, fetch
from tests.caching.places import deaf_port


@pytest.mark.parametrize("idle", [False, True])
def test_a_reader_waits_only_for_the_read_timeout(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """Also when the connection has to be tried first, or was opened by a writer."""
    link = _patient_link(valkey)
    link.send(("PING",))
    if idle:
        all_are_idle(monkeypatch)
    valkey.pause()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(link.ask, ("PING",))
        waited = wait_until(asked.done, seconds=10)
        valkey.resume()
    assert waited
    assert isinstance(asked.exception(), RedisTimeoutError)


def _patient_link(valkey: ValkeyServer) -> Link:
    return connect(Topology(url=valkey.url), max_connections=3, timeout=60, read_timeout=0.05)


@pytest.mark.parametrize("idle", [False, True])
def test_a_writer_waits_longer_on_a_connection_that_a_reader_opened(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    """The read timeout does not hurry a writer."""
    link = _patient_link(valkey)
    link.ask(("PING",))
    if idle:
        all_are_idle(monkeypatch)
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
