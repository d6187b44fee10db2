"""Tests of every kind of Redis error, produced by a real server, and its documented effect. None reaches the caller."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from redis import Redis

from app.caching.connection import RESERVED_CONNECTIONS, Topology, connect
from app.caching.events import BreakerState
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from local.server import LOOPBACK, free_port
from local.valkey import ValkeyServer
from tests.caching.deployments import cluster_node
from tests.caching.engines import KEY, SHORT_TIMING, Computation, engine, fetch

FailingRedis: TypeAlias = Callable[[Path], AbstractContextManager[LeaseProtocol]]


@contextmanager
def _refused(_: Path) -> Iterator[LeaseProtocol]:
    yield _engine(f"redis://{LOOPBACK}:{free_port()}")


@contextmanager
def _hung(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory) as server:
        server.pause()
        yield _engine(server.url, timeout=0.3)


@contextmanager
def _wrong_password(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory, options=("--requirepass", "right")) as server:
        yield _engine(server.url.replace("//", "//:hunter2@"))


@contextmanager
def _no_password(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory, options=("--requirepass", "right")) as server:
        yield _engine(server.url)


@contextmanager
def _no_permission(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory) as server:
        admin = Redis.from_url(server.url)
        admin.acl_setuser("weak", enabled=True, passwords=["+weak"], commands=["+ping", "+get"], keys=["*"])
        yield _engine(server.url.replace("//", "//weak:weak@"))


@contextmanager
def _full(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory, options=("--maxmemory-policy", "noeviction")) as server:
        Redis.from_url(server.url).config_set("maxmemory", "1")
        yield _engine(server.url)


@contextmanager
def _replica(directory: Path) -> Iterator[LeaseProtocol]:
    with ValkeyServer(directory / "master", options=("--repl-diskless-sync-delay", "0")) as master:
        options = ("--replicaof", f"{LOOPBACK} {master.port}")
        with ValkeyServer(directory / "replica", options=options) as replica:
            info = Redis.from_url(replica.url)
            assert wait_until(lambda: info.info("replication")["master_link_status"] == "up", seconds=20)
            yield _engine(replica.url)


@contextmanager
def _loading(directory: Path) -> Iterator[LeaseProtocol]:
    server = ValkeyServer(directory)
    with server:
        client = Redis.from_url(server.url)
        client.mset(
            {f"key:{number}": os.urandom(1100) for number in range(2000)}
        )  # makes loading slow enough to observe
        client.save()
    # 2000 keys at 5 ms each, so the engine connects while the server is loading. It logs that it is ready only later.
    with _LoadingServer(directory, port=server.port, options=_SLOW_LOADING) as slow:
        yield _engine(slow.url)


_SLOW_LOADING = ("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")


class _LoadingServer(ValkeyServer):
    """A server that counts as started while it is still loading its data."""

    def _is_ready(self) -> bool:
        return "Loading RDB" in self._output()


@contextmanager
def _cluster_down(directory: Path) -> Iterator[LeaseProtocol]:
    with cluster_node(directory) as server:
        yield _engine(server.url)


@contextmanager
def _moved(directory: Path) -> Iterator[LeaseProtocol]:
    option = ("--cluster-require-full-coverage", "no")
    with cluster_node(directory / "a", *option) as server, cluster_node(directory / "b", *option) as other:
        admin = Redis.from_url(server.url)
        admin.cluster("MEET", LOOPBACK, other.port)
        Redis.from_url(other.url).cluster("ADDSLOTSRANGE", 0, 16383)
        assert wait_until(lambda: b"cluster_slots_assigned:16384" in _cluster_info(admin), seconds=20)
        assert wait_until(lambda: b"cluster_state:ok" in _cluster_info(admin), seconds=20)
        yield _engine(server.url)


def _cluster_info(client: Redis) -> bytes:
    info: bytes = client.execute_command("CLUSTER INFO", NEVER_DECODE=True)  # type: ignore[no-untyped-call]
    return info if isinstance(info, bytes) else str(info).replace("': '", ":").encode()


def _engine(url: str, *, timeout: float = 10.0) -> LeaseProtocol:
    return engine(url, timeout=timeout, known_server=False)


@pytest.mark.parametrize(
    ("failing_redis", "label", "state", "log_text"),
    [
        (_refused, "connection", BreakerState.OPEN, "refused or lost"),
        (_hung, "timeout", BreakerState.OPEN, "no answer within"),
        (_wrong_password, "authentication", BreakerState.OPEN, "password was refused"),
        (_no_password, "authentication", BreakerState.OPEN, "password was refused"),
        (_loading, "loading", BreakerState.OPEN, "loading its data set"),
        (_replica, "read-only", BreakerState.OPEN, "read-only replica"),
        (_cluster_down, "cluster", BreakerState.OPEN, "no cluster is configured"),
        (_moved, "cluster", BreakerState.OPEN, "no cluster is configured"),
        (_no_permission, "permission", BreakerState.CLOSED, "lacks a permission"),
        (_full, "out-of-memory", BreakerState.CLOSED, "maxmemory"),
    ],
)
def test_redis_error_is_bypassed_counted_and_logged(  # noqa: PLR0913, PLR0917 - parameters of a test
    failing_redis: FailingRedis,
    label: str,
    state: BreakerState,
    log_text: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller gets the computed value. The log explains the error and contains no secret."""
    caplog.set_level(logging.WARNING, logger="app.caching")
    with failing_redis(tmp_path) as protocol:
        answers = [fetch(protocol, Computation("db")) for _ in range(3)]

        assert {(answer.value, answer.outcome) for answer in answers} == {("db", Outcome.BYPASS)}
        assert answers[0].detail == f"redis-{label}"
        assert protocol.region.counts()[f"error:{label}"] >= 1
        # A server that answers pings lets the breaker retry, so it may be in any state now. The counter is reliable.
        assert (protocol.region.counts()["breaker-open"] > 0) is (state is BreakerState.OPEN)
        assert log_text in caplog.text
        assert "hunter2" not in caplog.text
        assert caplog.text.count(log_text) <= 3


@pytest.mark.parametrize(
    "failing_redis", [_refused, _hung, _wrong_password, _loading, _replica, _cluster_down, _moved, _full]
)
def test_begin_and_end_never_raise(failing_redis: FailingRedis, tmp_path: Path) -> None:
    """A delete that could not be delivered is owed."""
    with failing_redis(tmp_path) as protocol:
        protocol.end(KEY, protocol.begin(KEY))

        counts = protocol.region.counts()
        assert counts["owed"] + counts["invalidated"] == 1


def test_server_at_maxmemory_still_serves_hits(tmp_path: Path) -> None:
    """Only new entries are refused."""
    with ValkeyServer(tmp_path, options=("--maxmemory-policy", "noeviction")) as server:
        protocol = engine(server.url)  # `known_server` is on: entries stored right after the first contact are accepted
        assert fetch(protocol, Computation("stored")).outcome is Outcome.STORED
        Redis.from_url(server.url).config_set("maxmemory", "1")

        assert fetch(protocol, Computation("db")).value == "stored"
        protocol.end(KEY, protocol.begin(KEY))
        assert fetch(protocol, Computation("db")).value == "db"


def test_exhausted_connections_do_not_open_the_breaker(valkey: ValkeyServer) -> None:
    """With more threads than connections some reads bypass the cache."""
    link = connect(Topology(url=valkey.url), max_connections=RESERVED_CONNECTIONS + 1, timeout=60, read_timeout=0.5)
    protocol = LeaseProtocol(link, timing=SHORT_TIMING)
    fetch(protocol, Computation(), key=f"{KEY}:other")
    with ThreadPoolExecutor(1) as threads, Redis.from_url(valkey.url) as admin:
        waiting = threads.submit(link.send_as_writer, ("BLPOP", "list", "30"))  # uses the only connection
        assert wait_until(lambda: "blpop" in {client["cmd"] for client in admin.client_list()}, seconds=20)
        assert fetch(protocol, Computation("db")).detail == "redis-pool-exhausted"
        admin.rpush("list", "x")
        waiting.result(30)

    assert protocol.breaker.state is BreakerState.CLOSED
    assert fetch(protocol, Computation()).outcome is Outcome.STORED
