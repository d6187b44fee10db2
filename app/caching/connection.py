"""Ways to one Redis, with every timeout bounded and no surprise at the start.

No command is retried: with retries and health checks nested, a hung server costs minutes, (N+1)² timeouts. RESP2 and
neither client info nor maintenance notifications: older servers answer those with errors. The master is always asked:
a replica may not have seen a delete yet.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from redis import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from app.caching.connection_stack import Command, ConnectionStack
from app.caching.incarnation import Incarnation

Send = Callable[[Command], Any]
"""Sends a command and returns its reply, not decoded. Raises what redis-py raises."""

RESERVED_CONNECTIONS = 2
"""Connections kept apart for the breaker's probe, for diagnostics and for explicit calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Where Redis is: exactly one of `url` (with `cluster`, any node of one), `sentinels` with `master`, and `client`.

    `url`: redis://, rediss:// (the certificate is verified) or unix://. `nodes`: further nodes of the cluster, (host,
    port) each. `sentinels`: (host, port) each. `password` and `db`: of the master that the sentinels name;
    `sentinel_password`: of the sentinels themselves. `client`: a redis-py client whose server, credentials and
    encryption are taken over.
    """

    url: str = ""
    cluster: bool = False
    nodes: Sequence[tuple[str, int]] = ()
    sentinels: Sequence[tuple[str, int]] = ()
    master: str = ""
    password: str | None = None
    sentinel_password: str | None = None
    db: int = 0
    client: Redis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way to one Redis; nothing is sent until the first command.

    `ask` waits as long as a reader may, `send` as long as a writer; `client` is redis-py's (for a cluster it only
    behaves like a Redis), for everything that happens rarely. `incarnation` is told of the server behind each new
    connection. `max_connections` is the setting.
    """

    client: Redis
    max_connections: int
    ask: Send
    send: Send
    incarnation: Incarnation


def connect(topology: Topology, *, max_connections: int = 10, timeout: float = 2.0, read_timeout: float = 2.0) -> Link:
    """Return a link.

    Args:
        topology: where Redis is.
        max_connections: of this process; at least 3. Behind sentinels up to twice as many, as redis-py's pool for them
            cannot wait; in a cluster as many to each node, for readers and for writers.
        timeout: seconds for connecting and for each reply; also how long a writer waits for a free connection.
        read_timeout: the same for a reader, who can compute instead.

    Raises:
        ValueError: too few connections, or a client that cannot be taken over.

    """
    if max_connections <= RESERVED_CONNECTIONS:
        raise ValueError(f"at least {RESERVED_CONNECTIONS + 1} connections are needed")
    incarnation, read_timeout = Incarnation(), min(read_timeout, timeout)
    if topology.cluster:
        readers, writers = (_cluster(topology, incarnation, max_connections, each) for each in (read_timeout, timeout))
        client, ask, send = cast("Redis", writers), readers.exchange, writers.exchange
    else:
        client = _client(topology, incarnation, max_connections, timeout, read_timeout)
        exchange = _stack(client.connection_pool, max_connections - RESERVED_CONNECTIONS).exchange
        ask, send = partial(exchange, seconds=read_timeout), partial(exchange, seconds=timeout)
    return Link(client=client, max_connections=max_connections, ask=ask, send=send, incarnation=incarnation)


def is_cluster(client: Redis) -> bool:
    """Say whether `client`, as `connect` made it, speaks to a cluster."""
    return isinstance(cast("object", client), _LazyCluster)


def _client(
    topology: Topology, incarnation: Incarnation, max_connections: int, timeout: float, read_timeout: float
) -> Redis:
    options = {"redis_connect_func": incarnation.meet, "retry": Retry(NoBackoff(), 0), **_options(timeout)}
    if topology.sentinels:
        return _by_sentinel(topology, options, max_connections=2 * max_connections, asking=read_timeout)
    waiting = {"max_connections": RESERVED_CONNECTIONS, "timeout": timeout}
    if topology.client is not None:
        return Redis(connection_pool=_taken_over(topology.client, {**options, **waiting}))
    if not topology.url.startswith("unix://"):
        options["socket_keepalive"] = True
    return Redis(connection_pool=BlockingConnectionPool.from_url(topology.url, **waiting, **options))


def _options(timeout: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": 30,
        "protocol": 2,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _taken_over(client: Redis, options: dict[str, Any]) -> BlockingConnectionPool:
    """Return a pool of ours to the server of somebody else's client."""
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool) or hasattr(pool, "service_name"):
        raise ValueError("only a redis.Redis client of a single server can be taken over")
    return BlockingConnectionPool(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        connection_class=pool.connection_class, **{**pool.connection_kwargs, "decode_responses": False, **options}
    )


def _by_sentinel(topology: Topology, options: dict[str, Any], *, max_connections: int, asking: float) -> Redis:
    ask = {"socket_timeout": asking, "socket_connect_timeout": asking, "retry": options["retry"]}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        list(topology.sentinels), sentinel_kwargs={**ask, "password": topology.sentinel_password}
    )
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        topology.master,
        password=topology.password,
        db=topology.db,
        max_connections=max_connections,
        socket_keepalive=True,
        **options,
    )
    return client


def _stack(pool: ConnectionPool, at_most: int) -> ConnectionStack:
    """Return a stack of connections as `pool` makes them."""
    by_sentinel = hasattr(pool, "service_name")  # its master may change, and it knows which connections lead there
    make: Callable[[], Any] = pool.make_connection
    return ConnectionStack(make, at_most=at_most, owns=pool.owns_connection if by_sentinel else None)


def _cluster(topology: Topology, incarnation: Incarnation, max_connections: int, timeout: float) -> "_LazyCluster":
    options = {
        "redis_connect_func": incarnation.ask,  # the cluster client has set the connection up already
        "socket_keepalive": True,
        "max_connections": max_connections,
        "startup_nodes": [ClusterNode(host, port) for host, port in topology.nodes],  # type: ignore[no-untyped-call]  # same
        **_options(timeout),
    }
    return _LazyCluster(lambda: RedisCluster.from_url(topology.url, retry=Retry(NoBackoff(), 1), **options))


class _LazyCluster:
    """A cluster client that looks for its nodes with the first command, where failing is provided for."""

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make, self._lock, self._client = make, threading.Lock(), cast("RedisCluster | None", None)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has there
        return getattr(self._client or self._connected(), name)

    def exchange(self, command: Command) -> Any:  # noqa: ANN401 - a Redis reply
        return (self._client or self._connected()).execute_command(*command)  # type: ignore[no-untyped-call]  # same

    def _connected(self) -> RedisCluster:
        # Who comes while another is looking is turned away: queueing here would add up the timeouts.
        if not self._lock.acquire(blocking=False):
            raise RedisConnectionError("the cluster's nodes are still being looked for")
        try:
            self._client = self._client or self._make()
        finally:
            self._lock.release()
        return self._client
