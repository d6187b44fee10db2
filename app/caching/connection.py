"""Connections to Redis with every time-out bounded and no surprise at the start.

No command is retried: with retries and health checks nested, a hung server costs minutes, (N+1)² time-outs. RESP2 and
neither client info nor maintenance notifications: older servers answer those with errors. Always the master is asked:
a replica may not have seen a delete yet.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from redis import Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from app.caching.incarnation import Incarnation
from app.caching.pool import HEALTH_CHECK_SECONDS, Pool, Stack

Send = Callable[[tuple[str | bytes | int, ...]], Any]

_PROBE_CONNECTIONS = 2  # besides one for each thread, where a pool cannot block


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Where Redis is. Either `url` (alone, or with `cluster` any node of one), or `sentinels` and `master`.

    `url`: redis://, rediss:// (the certificate is verified) or unix://. `nodes`: further nodes of the cluster, (host,
    port) each. `sentinels`: (host, port) each. `password`, `db`: of the master that the sentinels name.
    `sentinel_password`: of the sentinels themselves.
    """

    url: str = ""
    cluster: bool = False
    nodes: Sequence[tuple[str, int]] = ()
    sentinels: Sequence[tuple[str, int]] = ()
    master: str = ""
    password: str | None = None
    db: int = 0
    sentinel_password: str | None = None


def connect(topology: Topology, incarnation: Incarnation, *, max_connections: int, timeout: float) -> Redis:
    """Return a client; nothing is sent until the first command. For a cluster it only behaves as a Redis.

    Args:
        topology: where Redis is.
        incarnation: is told of the server behind each new connection.
        max_connections: size of the pool (of each node's, in a cluster); a thread waits for a free one up to `timeout`.
        timeout: seconds for connecting and for each reply.

    """
    options = {"redis_connect_func": incarnation.meet, **_options(timeout)}
    if topology.sentinels:
        return _by_sentinel(topology, {**options, "socket_keepalive": True}, max_connections=max_connections)
    if not topology.url.startswith("unix://"):
        options["socket_keepalive"] = True
    if topology.cluster:
        options["redis_connect_func"] = incarnation.ask  # the cluster client has set the connection up already
        options["startup_nodes"] = [ClusterNode(host, port) for host, port in topology.nodes]  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return cast("Redis", _LazyCluster(topology.url, max_connections, options))
    pool = Pool.from_url(
        topology.url,
        max_connections=max_connections,
        timeout=timeout,
        queue_class=Stack,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return Redis(connection_pool=pool)


def _options(timeout: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "protocol": 2,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _by_sentinel(topology: Topology, options: dict[str, Any], *, max_connections: int) -> Redis:
    asking = {name: value for name, value in options.items() if name.startswith("socket_")}
    if topology.sentinel_password:
        asking["password"] = topology.sentinel_password
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        list(topology.sentinels), sentinel_kwargs={**asking, "retry": Retry(NoBackoff(), 0)}
    )
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        topology.master,
        password=topology.password,
        db=topology.db,
        max_connections=max_connections + _PROBE_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return client


def sender(client: Redis, *, seconds: float | None = None) -> Send:
    """Return what sends one command of `client` and returns its reply, decoded no further.

    It waits for up to `seconds`; by default, and where `client` speaks to a cluster or to a master that sentinels name,
    for the time-out of the client.

    What `Redis.execute_command` does besides (retries, metrics, reply callbacks) costs a third of a cached read.
    """
    if is_cluster(client) or isinstance(client.connection_pool, SentinelConnectionPool):
        return lambda command: client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return partial(cast("Pool", client.connection_pool).exchange, seconds=seconds)


def is_cluster(client: Redis) -> bool:
    """Say whether `client`, as `connect` made it, speaks to a cluster."""
    return isinstance(cast("object", client), _LazyCluster)


class _LazyCluster:
    """A cluster client that looks for its nodes with the first command, where failing is provided for."""

    def __init__(self, url: str, max_connections: int, options: dict[str, Any]) -> None:
        self._url, self._options = url, {**options, "max_connections": max_connections + _PROBE_CONNECTIONS}
        self._lock, self._client = threading.Lock(), cast("RedisCluster | None", None)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has there
        return getattr(self._client or self._connected(), name)

    def _connected(self) -> RedisCluster:
        # Who comes while another is looking is turned away: queueing here would add up the time-outs.
        if not self._lock.acquire(blocking=False):
            raise RedisConnectionError("the cluster's nodes are still being looked for")
        try:
            self._client = self._client or RedisCluster.from_url(
                self._url, retry=Retry(NoBackoff(), 1), **self._options
            )
        finally:
            self._lock.release()
        return self._client
