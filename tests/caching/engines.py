"""Engines under test, and eyes on the server behind them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from redis import RedisCluster

from app.caching import connection_stack
from app.caching.codec import JsonCodec, Policy
from app.caching.connection import Link, Topology, connect
from app.caching.events import BreakerState
from app.caching.protocol import LeaseProtocol
from app.caching.shared import SharedRegion
from app.caching.states import Answer
from app.caching.timing import Timing

KEY: Final = "asin_stats:00000000-0000-4000-8000-000000000001"
QUICK: Final = Timing(lease=1.0, wait=0.4, writer=1.5, owed=1.5)
PATIENT: Final = Timing(lease=60, wait=50, writer=60, owed=60)
"""For tests in which nobody may give up, however slow the machine is at the moment."""


class TroubleError(Exception):
    """A computation failed for everybody."""


POLICY: Final[Policy[Any]] = Policy(codec=JsonCodec(), ttl=10, failing_with=TroubleError)


def engine(  # noqa: PLR0913 - what tests vary
    where: str | Topology,
    *,
    timeout: float = 2.0,
    read_timeout: float | None = None,
    connections: int = 10,
    timing: Timing = QUICK,
    region: SharedRegion | None = None,
    meet: bool = True,
) -> LeaseProtocol:
    """Return an engine of its own, with waits short enough for tests.

    With `meet` the server is an old acquaintance, so that what tests plant is believed.
    """
    topology = Topology(url=where) if isinstance(where, str) else where
    waiting = timeout if read_timeout is None else read_timeout
    link = connect(topology, max_connections=connections, timeout=timeout, read_timeout=waiting)
    if meet:
        _met(link, topology)
    return LeaseProtocol(link, timing=timing, region=region)


def _met(link: Link, topology: Topology) -> None:
    link.client.ping(**({"target_nodes": RedisCluster.ALL_NODES} if topology.cluster else {}))
    link.ask(("PING",))  # connected from now on, as an engine that is in use
    link.incarnation.first_met = 0.0


def recovered(protocol: LeaseProtocol) -> bool:
    """Say whether the engine uses Redis again."""
    return protocol.breaker.state is BreakerState.CLOSED


def all_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection count as not used for long."""
    monkeypatch.setattr(connection_stack, "TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr(connection_stack, "HEALTH_CHECK_SECONDS", 0.0)


class Computation:
    """A computation that counts its calls and can be held up or made to fail."""

    def __init__(self, value: object = 1, *, error: Exception | None = None) -> None:
        """Return `value`, or raise `error`, once `release` is set (it is at first)."""
        self.value, self.error, self.calls = value, error, 0
        self.started, self.release = threading.Event(), threading.Event()
        self.release.set()

    def __call__(self) -> Any:  # noqa: ANN401 - whatever the test wants computed
        """Compute."""
        self.calls += 1
        self.started.set()
        assert self.release.wait(20)
        if self.error:
            raise self.error
        return self.value


def fetch(protocol: LeaseProtocol, compute: Callable[[], Any], *, key: str = KEY) -> Answer[Any]:
    """Fetch `key` under the usual policy."""
    return protocol.fetch(key, compute, POLICY)


@contextmanager
def fetching(protocol: LeaseProtocol, compute: Computation, *, key: str = KEY) -> Iterator[list[Answer[Any]]]:
    """Fetch in another thread; inside, the computation is held up; afterwards the answer is in the list."""
    answers: list[Answer[Any]] = []
    compute.release.clear()
    thread = threading.Thread(target=lambda: answers.append(fetch(protocol, compute, key=key)))
    thread.start()
    assert compute.started.wait(5)
    try:
        yield answers
    finally:
        compute.release.set()
        thread.join(10)


class Spy:
    """A plain client that sees the server as it is."""

    def __init__(self, look: Callable[[], Any]) -> None:
        """See through the clients `look` makes."""
        self.redis, self._marker = look(), look()

    def raw(self, key: str = KEY) -> bytes | None:
        """Return what is stored, byte for byte."""
        found: bytes | None = self.redis.get(key)
        return found

    def plants(self, payload: object, *, key: str = KEY, seconds: float = 9) -> None:
        """Store `payload` (bytes as they are, else as JSON) with a TTL."""
        self.redis.set(key, payload if isinstance(payload, bytes) else json.dumps(payload), px=round(seconds * 1000))

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Collect the name of each command clients send meanwhile; what scripts call inside does not count."""
        names: list[str] = []
        self._marker.ping()  # connect now, not under observation
        with self.redis.monitor() as monitor:
            yield names
            self._marker.echo("the end")
            for command in monitor.listen():
                if command["command"].startswith("ECHO"):
                    return
                if command["client_type"] != "lua":
                    names.append(command["command"].split()[0])
