"""How an engine is put together for one Redis."""

from urllib.parse import urlsplit

from app.caching.connection import Topology, connect
from app.caching.protocol import LeaseProtocol
from app.caching.shared import region_of
from app.caching.timing import Timing


def open_protocol(  # noqa: PLR0913 - the options of CACHE_OPTIONS, each with its default
    topology: Topology,
    *,
    longest_ttl: float,
    max_connections: int = 10,
    timeout: float = 2.0,
    read_timeout: float = 0.03,
    lease: float = 5.0,
    wait: float = 2.0,
    writer: float = 30.0,
) -> LeaseProtocol:
    """Return the engine for the Redis at `topology`. Nothing is sent until the first command.

    Args:
        topology: where Redis is.
        longest_ttl: seconds the longest-lived entry is kept.
        max_connections: of this process, at least 3; see `connection.connect`.
        timeout: seconds for connecting and for the reply to a writer.
        read_timeout: seconds a reader waits for Redis before it computes.
        lease: seconds a reader may compute before another may.
        wait: seconds a reader waits for another's result.
        writer: seconds a change may be in flight.

    Raises:
        ValueError: the connections cannot be set up so.
        RuntimeError: the memory that processes share cannot be made.

    """
    link = connect(topology, max_connections=max_connections, timeout=timeout, read_timeout=read_timeout)
    timing = Timing(lease=lease, wait=wait, writer=writer, owed=max(30.0, lease + longest_ttl))
    return LeaseProtocol(link, region=region_of(_server(topology)), timing=timing)


def _server(topology: Topology) -> str:
    """Name the server without its credentials: processes that work on the same one share what they owe it."""
    if topology.sentinels:
        return f"{topology.master} {topology.db} {sorted(topology.sentinels)}"
    if topology.client is not None:
        known = topology.client.get_connection_kwargs()
        return " ".join(str(known.get(name)) for name in ("host", "port", "path", "db"))
    parts = urlsplit(topology.url)
    return f"{parts.hostname} {parts.port} {parts.path}"
