"""How an engine is opened: a client for the place Redis is at, and the protocol on it."""

from typing import Any

from redis import Redis

from app.caching.connection import Topology, connect
from app.caching.incarnation import Incarnation
from app.caching.pool import Pool, Stack
from app.caching.protocol import LeaseProtocol, Timing
from app.caching.shared import process_region


def open_protocol(  # noqa: PLR0913 - the options of CACHE_OPTIONS, each with its default
    topology: Topology,
    *,
    max_connections: int = 10,
    timeout: float = 2.0,
    read_timeout: float = 0.03,
    longest_ttl: float,
    client: Redis | None = None,
    lease: float = 5.0,
    wait: float = 2.0,
    writer: float = 30.0,
) -> LeaseProtocol:
    """Return an engine on the Redis at `topology`, or on that of `client`; nothing is sent until the first command.

    Args:
        topology: where Redis is.
        max_connections: connections of one worker.
        timeout: seconds for connecting and for the reply to a writer.
        read_timeout: seconds a reader waits for Redis before it computes.
        longest_ttl: seconds the longest-lived entry is kept.
        client: a ready client of redis-py, used in place of `topology`.
        lease: seconds a reader may compute before another may.
        wait: seconds a reader waits for another's result.
        writer: seconds a change may be in flight.

    """
    incarnation = Incarnation()
    if client is None:
        client = connect(topology, incarnation, max_connections=max_connections, timeout=timeout)
    elif not isinstance(client.connection_pool, Pool):
        options: dict[str, Any] = client.get_connection_kwargs() | {"redis_connect_func": incarnation.meet}
        pool = Pool(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            connection_class=client.connection_pool.connection_class,
            max_connections=max_connections,
            timeout=timeout,
            queue_class=Stack,
            **options,
        )
        client = Redis(connection_pool=pool)
    owed = max(30.0, lease + longest_ttl)
    timing = Timing(lease=lease, wait=wait, writer=writer, owed=owed, answer=min(read_timeout, timeout))
    return LeaseProtocol(client, incarnation, region=process_region, timing=timing)
