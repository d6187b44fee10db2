"""Reports on the entries and the health of Redis, for diagnostics and operators. Not used by cached reads."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.caching.connection_stack import Usage
from app.caching.errors import CacheUnavailableError, ErrorKind, classify
from app.caching.protocol import LeaseProtocol
from app.caching.states import LEASE, Outcome, state_name

_SCANNED = 50  # keys that one SCAN looks at
_MOST_SCANS = 100

# An allowlist: INFO also contains paths, addresses, process ids and versions of other software.
INFO_FIELDS = (
    "redis_version", "valkey_version", "server_name", "redis_mode", "uptime_in_seconds",
    "connected_clients", "blocked_clients", "maxclients",
    "used_memory", "used_memory_human", "used_memory_peak", "used_memory_peak_human",
    "maxmemory", "maxmemory_human", "maxmemory_policy", "mem_fragmentation_ratio",
    "keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys",
    "total_commands_processed", "instantaneous_ops_per_sec", "rejected_connections", "role", "loading",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntryReport:
    """State of one entry, its remaining lifetime in seconds and its size in bytes; None if unknown.

    `state`: absent, value, lease, writing, failure, or foreign (a data type that the cache does not use).
    """

    state: str
    ttl_seconds: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some entries with their full keys, and the cursor of the next page; None if there are no more."""

    entries: list[tuple[str, EntryReport]]
    next_cursor: int | None = None


@dataclass(frozen=True, slots=True)
class ServerReport:
    """Whether the server answered a ping, the latency in milliseconds, and the allowed fields of INFO."""

    connected: bool
    latency_ms: float | None = None
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def server(self) -> str | None:
        """Name and version, such as `valkey 9.1.2`; None if unknown."""
        if "valkey_version" in self.info:
            return f"valkey {self.info['valkey_version']}"
        return f"redis {self.info['redis_version']}" if "redis_version" in self.info else None

    @property
    def hit_rate(self) -> float | None:
        """Percentage of hits among all lookups of all clients since the server started; None before the first."""
        return rate(self.info.get("keyspace_hits", 0), self.info.get("keyspace_misses", 0))


@dataclass(frozen=True, slots=True)
class Counters:
    """The events in all workers since `since` (seconds of the Unix epoch), and the state of this worker's breaker.

    `owed`: the number of owed deletes of this worker. `usage`: the use of its connections; None in a cluster.
    """

    events: Mapping[str, int]
    since: float
    breaker: str
    owed: int
    usage: Usage | None = None

    @property
    def hits(self) -> int:
        """Number of reads that were answered from the cache."""
        return self.events[Outcome.HIT] + self.events[Outcome.COLLAPSED]

    @property
    def misses(self) -> int:
        """Number of reads that computed the value."""
        return sum(self.events[outcome] for outcome in (Outcome.STORED, Outcome.REJECTED, Outcome.BYPASS))


@dataclass(frozen=True, slots=True)
class Report:
    """The health of the cache.

    `backend`: the name of the backend class. `enabled`: the backend uses Redis. `never_stale`: the backend guarantees
    that no result is older than an acknowledged change. `counters`: None if the backend has none. `pool`: the
    connection limit of this worker, if known.
    """

    backend: str
    enabled: bool
    never_stale: bool
    server: ServerReport
    counters: Counters | None = None
    pool: Mapping[str, int] = field(default_factory=dict)


def rate(hits: int, misses: int) -> float | None:
    """Return the percentage of hits with one decimal; None if there were neither hits nor misses."""
    return round(100 * hits / (hits + misses), 1) if hits + misses else None


def server_report(protocol: LeaseProtocol) -> ServerReport:
    """Ping the server and read its INFO. Reports a server that does not answer, and does not raise."""
    started = time.perf_counter()
    try:
        protocol.guard.call(protocol.client.ping)
        latency = time.perf_counter() - started
    except CacheUnavailableError:
        return ServerReport(connected=False)
    try:
        info: dict[str, Any] = protocol.guard.call(protocol.client.info)  # in a cluster: of one node
    except CacheUnavailableError:  # the Redis user lacks the INFO permission
        info = {}
    return ServerReport(
        connected=True,
        latency_ms=round(latency * 1000, 3),
        info={name: info[name] for name in INFO_FIELDS if name in info},
    )


def entry_report(protocol: LeaseProtocol, key: str) -> EntryReport | None:
    """Return the state of one entry; None if Redis does not answer."""
    try:
        start, ttl, size = protocol.guard.call(_query, protocol, key)
    except CacheUnavailableError:
        return None
    if isinstance(start, bytes):
        return EntryReport(state_name(start), _seconds(ttl), size if isinstance(size, int) else None)
    return EntryReport("foreign", _seconds(ttl)) if classify(start) is ErrorKind.WRONG_TYPE else None


def sample_entries(protocol: LeaseProtocol, keys: Iterable[bytes | str], limit: int) -> list[tuple[str, EntryReport]]:
    """Return up to `limit` of `keys` with their states, ordered by key. Empty if Redis does not answer."""
    try:
        found = protocol.guard.call(lambda: list(islice(keys, limit)))
    except CacheUnavailableError:
        return []
    names = sorted(key.decode(errors="replace") if isinstance(key, bytes) else key for key in found)
    return [(name, entry) for name in names if (entry := entry_report(protocol, name))]


def entry_page(protocol: LeaseProtocol, pattern: str, cursor: int, limit: int) -> EntryPage | None:
    """Return about `limit` entries from `cursor` on (0 for the first), and the next cursor. None if Redis fails.

    Reads at most `_MOST_SCANS` parts of the key space, so that a page is fast also if most keys are not ours.
    """
    names: list[bytes | str] = []  # bytes, unless the client decodes
    try:
        for _ in range(_MOST_SCANS):
            cursor, found = protocol.guard.call(protocol.client.scan, cursor, match=pattern, count=_SCANNED)
            names += found
            if not cursor or len(names) >= limit:
                break
    except CacheUnavailableError:
        return None
    return EntryPage(sample_entries(protocol, names, len(names)), cursor or None)


def counters(protocol: LeaseProtocol) -> Counters:
    """Return the counters and the state of the breaker. Sends nothing to the server."""
    region, breaker = protocol.region, protocol.breaker
    usage = protocol.usage() if protocol.usage else None
    return Counters(region.counts(), region.since, str(breaker.state), breaker.owed, usage)


def pool_report(protocol: LeaseProtocol) -> dict[str, int]:
    """Return the connection limit of this process; in a cluster the limit applies to each node."""
    return {"max_connections": protocol.max_connections}


def _query(protocol: LeaseProtocol, key: str) -> tuple[bytes | Exception, object, object]:
    pipeline = protocol.client.pipeline(transaction=False)
    pipeline.getrange(key, 0, len(LEASE) - 1)
    pipeline.pttl(key)
    pipeline.strlen(key)
    start, ttl, size = pipeline.execute(raise_on_error=False)  # the Redis user may lack the permission for any of them
    return start, ttl, size


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) and milliseconds >= 0 else None
