"""How an engine is put together for one Redis."""

from dataclasses import replace
from urllib.parse import urlsplit

from app.caching.connection import Topology, connect
from app.caching.protocol import LeaseProtocol, Timing
from app.caching.shared import region_of


def open_protocol(  # noqa: PLR0913 - one argument for each setting
    topology: Topology,
    *,
    longest_ttl: float,
    max_connections: int = 10,
    timeout: float = 2.0,
    read_timeout: float = 0.03,
    timing: Timing | None = None,
) -> LeaseProtocol:
    """Return the engine for the Redis at `topology`. Touches no network.

    Args:
        topology: where Redis is.
        longest_ttl: seconds an entry may live at most.
        max_connections: of this process; see `connection.connect`.
        timeout: seconds a writer waits for Redis.
        read_timeout: seconds a reader waits for Redis, before it computes instead.
        timing: how long leases, waits and writers last.

    Raises:
        ValueError: the connections cannot be set up so.
        RuntimeError: the memory that processes share cannot be made.

    """
    link = connect(topology, max_connections=max_connections, timeout=timeout, read_timeout=read_timeout)
    timing = timing or Timing()
    timing = replace(timing, owed=max(timing.owed, timing.lease + longest_ttl))
    return LeaseProtocol(link, region=region_of(_server(topology)), timing=timing)


def _server(topology: Topology) -> str:
    """Name the server without its credentials: processes that work on the same one share what they owe it."""
    if topology.sentinels:
        return f"{topology.master} {topology.database} {sorted(topology.sentinels)}"
    if topology.client is not None:
        known = topology.client.get_connection_kwargs()
        return " ".join(str(known.get(name)) for name in ("host", "port", "path", "db"))
    parts = urlsplit(topology.url)
    return f"{parts.hostname} {parts.port} {parts.path}"
