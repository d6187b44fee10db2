"""Connections to one Redis. Every wait has a timeout, and nothing is sent before the first command.

No command is retried: redis-py nests retries and health checks, so with N retries a hung server would cost (N+1)²
timeouts. The connections use RESP2 and send neither client info nor maintenance notifications, because older servers
answer these with errors. All commands go to the master, because a replica may not have received a delete yet.
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

from app.caching.connection_stack import Command, ConnectionStack, Usage
from app.caching.incarnation import Incarnation

Send = Callable[[Command], Any]
"""Sends a command and returns the raw reply (bytes are not decoded). Raises the exceptions of redis-py."""

Observe = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Wraps the function that sends single commands: `exchange(command, *, seconds)`, see `ConnectionStack`."""

RESERVED_CONNECTIONS = 2
"""Connections reserved for the breaker's probe, for diagnostics and for explicit calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The address of Redis, given by exactly one of `url`, `sentinels` (with `master`) and `client`.

    `url`: redis://, rediss:// (the certificate is verified) or unix://; with `cluster`, the URL of any node. `nodes`:
    more nodes of the cluster, each as (host, port). `sentinels`: each as (host, port). `password` and `db`: of the
    master that the sentinels report. `sentinel_password`: of the sentinels themselves. `client`: a redis-py client; the
    engine uses its server, credentials and encryption.
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
    """The connections to one Redis.

    `send_as_reader` uses the timeout of a reader, `send_as_writer` the timeout of a writer. `client` is a redis-py
    client for all other commands; for a cluster it is an object with the same methods. `incarnation` checks the server
    behind each new connection. `max_connections` is the configured limit. `usage` returns the use of the connections;
    it is None in a cluster.
    """

    client: Redis
    max_connections: int
    send_as_reader: Send
    send_as_writer: Send
    incarnation: Incarnation
    usage: Callable[[], Usage] | None = None


def connect(
    topology: Topology,
    *,
    max_connections: int = 10,
    timeout: float = 2.0,
    read_timeout: float = 2.0,
    observe: Observe | None = None,
) -> Link:
    """Return the link to a Redis. Nothing is sent before the first command.

    Args:
        topology: the address of Redis.
        max_connections: limit for this process; at least 3. With sentinels the process may open twice as many, because
            redis-py's sentinel pool cannot wait for a free connection. In a cluster the limit applies to each node,
            separately for readers and for writers.
        timeout: seconds for connecting, for each reply, and for the wait of a writer for a free connection.
        read_timeout: the same for readers; on timeout the reader computes the value.
        observe: wraps the sending of single commands, except to a cluster. There redis-py sends them.

    Raises:
        ValueError: `max_connections` is too small, or `client` cannot be used.

    """
    if max_connections <= RESERVED_CONNECTIONS:
        raise ValueError(f"at least {RESERVED_CONNECTIONS + 1} connections are needed")
    incarnation, read_timeout, usage = Incarnation(), min(read_timeout, timeout), None
    if topology.cluster:
        readers, writers = (_cluster(topology, incarnation, max_connections, each) for each in (read_timeout, timeout))
        client, as_reader, as_writer = cast("Redis", writers), readers.exchange, writers.exchange
    else:
        client = _client(topology, incarnation, max_connections, timeout, read_timeout)
        stack = _stack(client.connection_pool, max_connections - RESERVED_CONNECTIONS)
        exchange = observe(stack.exchange) if observe else stack.exchange
        as_reader, as_writer = partial(exchange, seconds=read_timeout), partial(exchange, seconds=timeout)
        usage = stack.usage
    return Link(
        client=client,
        max_connections=max_connections,
        send_as_reader=as_reader,
        send_as_writer=as_writer,
        incarnation=incarnation,
        usage=usage,
    )


def is_cluster(client: Redis) -> bool:
    """Return whether `client`, made by `connect`, is a cluster client."""
    return isinstance(cast("object", client), _LazyCluster)


def _client(
    topology: Topology, incarnation: Incarnation, max_connections: int, timeout: float, read_timeout: float
) -> Redis:
    options = {"redis_connect_func": incarnation.set_up, "retry": Retry(NoBackoff(), 0), **_options(timeout)}
    if topology.sentinels:
        return _by_sentinel(topology, options, max_connections=2 * max_connections, query_timeout=read_timeout)
    pool_options = {"max_connections": RESERVED_CONNECTIONS, "timeout": timeout}
    if topology.client is not None:
        return Redis(connection_pool=_pool_like(topology.client, {**options, **pool_options}))
    if not topology.url.startswith("unix://"):
        options["socket_keepalive"] = True
    return Redis(connection_pool=BlockingConnectionPool.from_url(topology.url, **pool_options, **options))


def _options(timeout: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": 30,
        "protocol": 2,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _pool_like(client: Redis, options: dict[str, Any]) -> BlockingConnectionPool:
    """Return a new pool that connects to the server of `client`."""
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool) or hasattr(pool, "service_name"):
        raise ValueError("only a redis.Redis client of a single server can be used")
    return BlockingConnectionPool(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        connection_class=pool.connection_class, **{**pool.connection_kwargs, "decode_responses": False, **options}
    )


def _by_sentinel(topology: Topology, options: dict[str, Any], *, max_connections: int, query_timeout: float) -> Redis:
    query = {"socket_timeout": query_timeout, "socket_connect_timeout": query_timeout, "retry": options["retry"]}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        list(topology.sentinels), sentinel_kwargs={**query, "password": topology.sentinel_password}
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
    """Return a stack of connections made by `pool`."""
    by_sentinel = hasattr(pool, "service_name")  # the master may change; the pool knows which connections go to it
    make: Callable[[], Any] = pool.make_connection
    return ConnectionStack(make, at_most=at_most, owns=pool.owns_connection if by_sentinel else None)


def _cluster(topology: Topology, incarnation: Incarnation, max_connections: int, timeout: float) -> "_LazyCluster":
    options = {
        "redis_connect_func": incarnation.check,  # the cluster client sets the connection up itself
        "socket_keepalive": True,
        "max_connections": max_connections,
        "startup_nodes": [ClusterNode(host, port) for host, port in topology.nodes],  # type: ignore[no-untyped-call]  # same
        **_options(timeout),
    }
    return _LazyCluster(lambda: RedisCluster.from_url(topology.url, retry=Retry(NoBackoff(), 1), **options))


class _LazyCluster:
    """A cluster client that discovers the nodes on the first command, where the caller handles errors."""

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make, self._lock, self._client = make, threading.Lock(), cast("RedisCluster | None", None)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the client
        return getattr(self._client or self._connected(), name)

    def exchange(self, command: Command) -> Any:  # noqa: ANN401 - a Redis reply
        return (self._client or self._connected()).execute_command(*command)  # type: ignore[no-untyped-call]  # same

    def _connected(self) -> RedisCluster:
        # While one thread discovers the nodes, others fail at once. If they waited, their timeouts would add up.
        if not self._lock.acquire(blocking=False):
            raise RedisConnectionError("another thread is still discovering the nodes of the cluster")
        try:
            self._client = self._client or self._make()
        finally:
            self._lock.release()
        return self._client
