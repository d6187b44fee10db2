"""Engines under test, computations for them, and a client that inspects the server directly."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from redis import RedisCluster

from app.caching import connection_stack
from app.caching.codec import JsonCodec
from app.caching.connection import Link, Topology, connect
from app.caching.events import BreakerState
from app.caching.policy import Policy, Timing
from app.caching.protocol import LeaseProtocol
from app.caching.shared import SharedRegion
from app.caching.states import Answer, Replacement

KEY: Final = "asin_stats:00000000-0000-4000-8000-000000000001"
SHORT_TIMING: Final = Timing(lease=1.0, wait=0.4, writer=1.5, owed=1.5)
LONG_TIMING: Final = Timing(lease=60, wait=50, writer=60, owed=60)
"""For tests in which no wait may time out, even on a slow machine."""


class SharedFailureError(Exception):
    """A computation error that the engine shares with concurrent readers (`Policy.failing_with`)."""


POLICY: Final[Policy[Any]] = Policy(codec=JsonCodec(), ttl=10, failing_with=SharedFailureError)


def engine(  # noqa: PLR0913 - what tests vary
    where: str | Topology,
    *,
    timeout: float = 2.0,
    read_timeout: float | None = None,
    connections: int = 10,
    timing: Timing = SHORT_TIMING,
    region: SharedRegion | None = None,
    known_server: bool = True,
) -> LeaseProtocol:
    """Return a new engine with timeouts short enough for tests.

    With `known_server` the engine treats the server as known for long, so it accepts entries that tests write directly.
    """
    topology = Topology(url=where) if isinstance(where, str) else where
    waiting = timeout if read_timeout is None else read_timeout
    link = connect(topology, max_connections=connections, timeout=timeout, read_timeout=waiting)
    if known_server:
        _met(link, topology)
    return LeaseProtocol(link, timing=timing, region=region)


def _met(link: Link, topology: Topology) -> None:
    link.client.ping(**({"target_nodes": RedisCluster.ALL_NODES} if topology.cluster else {}))
    link.send_as_reader(("PING",))  # opens the connection
    link.incarnation.first_seen = 0.0


def has_recovered(protocol: LeaseProtocol) -> bool:
    """Return whether the engine uses Redis again: its circuit breaker is closed."""
    return protocol.breaker.state is BreakerState.CLOSED


def mark_connections_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the engine treat every connection as idle for too long, so it checks the connection before use."""
    monkeypatch.setattr(connection_stack, "IDLE_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(connection_stack, "HEALTH_CHECK_SECONDS", 0.0)


class Computation:
    """A computation that counts its calls, and that can be blocked or made to fail."""

    def __init__(self, value: object = 1, *, error: Exception | None = None) -> None:
        """Return `value` or raise `error` when called. Calls block while `release` is not set; it is set at first."""
        self.value, self.error, self.calls = value, error, 0
        self.started, self.release = threading.Event(), threading.Event()
        self.release.set()

    def __call__(self) -> Any:  # noqa: ANN401 - any value the test chooses
        """Count the call, wait for `release`, and return the value."""
        self.calls += 1
        self.started.set()
        assert self.release.wait(20)
        if self.error:
            raise self.error
        return self.value


def fetch(protocol: LeaseProtocol, compute: Callable[[], Any], *, key: str = KEY) -> Answer[Any]:
    """Fetch `key` with the default policy of these tests."""
    return protocol.fetch(key, compute, POLICY)


def replacement(value: object, version: int) -> Replacement:
    """Return what a write leaves that ends with `value`."""
    return Replacement(version, POLICY.codec.encode(value), POLICY.ttl)


@contextmanager
def fetching(protocol: LeaseProtocol, compute: Computation, *, key: str = KEY) -> Iterator[list[Answer[Any]]]:
    """Fetch in another thread. The computation blocks inside the block; the list holds the answer afterwards."""
    answers: list[Answer[Any]] = []
    compute.release.clear()
    thread = threading.Thread(target=lambda: answers.append(fetch(protocol, compute, key=key)))
    thread.start()
    assert compute.started.wait(20)
    try:
        yield answers
    finally:
        compute.release.set()
        thread.join(10)


class Spy:
    """A plain Redis client that reads and writes entries directly."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        """Use clients that `make_client` returns."""
        self.redis, self._marker = make_client(), make_client()

    def raw(self, key: str = KEY) -> bytes | None:
        """Return the stored bytes, or None if the key is absent."""
        found: bytes | None = self.redis.get(key)
        return found

    def stores(self, payload: object, *, key: str = KEY, seconds: float = 9) -> None:
        """Store `payload` with a TTL: bytes unchanged, anything else as JSON."""
        self.redis.set(key, payload if isinstance(payload, bytes) else json.dumps(payload), px=round(seconds * 1000))

    def now(self) -> int:
        """Return the server's clock in milliseconds."""
        seconds, micros = self.redis.time()
        return int(seconds * 1000 + micros // 1000)

    def expires(self, key: str) -> int:
        """Return when `key` expires on the server's clock, in milliseconds; -1 without a TTL. Needs Redis 7."""
        return int(self.redis.pexpiretime(key))

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Collect the names of the commands that clients send inside the block, without those that scripts call."""
        names: list[str] = []
        self._marker.ping()  # connect before MONITOR starts
        with self.redis.monitor() as monitor:
            yield names
            self._marker.echo("the end")
            for command in monitor.listen():
                if command["command"].startswith("ECHO"):
                    return
                if command["client_type"] != "lua":
                    names.append(command["command"].split()[0])
