"""What Redis holds and how it does, for diagnostics and operators. Never on the path of a cached read."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.caching.protocol import LeaseProtocol
from app.caching.states import LEASE, state_name
from app.caching.trouble import CacheUnavailableError, Trouble, classify

# A whitelist: INFO also tells paths, addresses, process ids and versions of other software.
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
    """State of one entry, its remaining life in seconds and its size in bytes; None for what nobody says.

    `state`: absent, value, lease, tombstone, failure, or foreign (somebody else's data at our key).
    """

    state: str
    ttl_seconds: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ServerReport:
    """Whether a ping answered just now, how long it took (milliseconds), and the whitelisted INFO."""

    connected: bool
    latency_ms: float | None = None
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def server(self) -> str | None:
        """Name and version, such as `valkey 9.1.2`; None when it is not known."""
        if "valkey_version" in self.info:
            return f"valkey {self.info['valkey_version']}"
        return f"redis {self.info['redis_version']}" if "redis_version" in self.info else None

    @property
    def hit_rate(self) -> float | None:
        """Percentage of all look-ups since the server started, ours or not; None before the first."""
        return rate(self.info.get("keyspace_hits", 0), self.info.get("keyspace_misses", 0))


@dataclass(frozen=True, slots=True)
class Counters:
    """What the engine did since `since` (seconds of the Unix epoch), by event, in all workers; and its breaker's state.

    `owed`: invalidations that this worker could not deliver yet.
    """

    events: Mapping[str, int]
    since: float
    breaker: str
    owed: int


@dataclass(frozen=True, slots=True)
class Report:
    """How the cache is.

    `backend`: the name of its class. `enabled`: it stands on a Redis. `never_stale`: it keeps the engine's promise.
    `counters`: None where nobody counts. `pool`: how many connections this worker may hold, where that is known.
    """

    backend: str
    enabled: bool
    never_stale: bool
    server: ServerReport
    counters: Counters | None = None
    pool: Mapping[str, int] = field(default_factory=dict)


def rate(hits: int, misses: int) -> float | None:
    """Return hits as a percentage of all, one decimal; None when there were none at all."""
    return round(100 * hits / (hits + misses), 1) if hits + misses else None


def server_report(protocol: LeaseProtocol) -> ServerReport:
    """Ping the server and read its INFO; a server that does not answer is reported, not raised."""
    started = time.perf_counter()
    try:
        protocol.guard.call(protocol.client.ping)
        latency = time.perf_counter() - started
    except CacheUnavailableError:
        return ServerReport(connected=False)
    try:
        info: dict[str, Any] = protocol.guard.call(protocol.client.info)  # of one node, in a cluster
    except CacheUnavailableError:  # a Redis user without the right to INFO
        info = {}
    return ServerReport(
        connected=True,
        latency_ms=round(latency * 1000, 3),
        info={name: info[name] for name in INFO_FIELDS if name in info},
    )


def entry_report(protocol: LeaseProtocol, key: str) -> EntryReport | None:
    """Return the state of one entry, or None when Redis does not say."""
    try:
        start, ttl, size = protocol.guard.call(_ask, protocol, key)
    except CacheUnavailableError:
        return None
    if isinstance(start, bytes):
        return EntryReport(state_name(start), _seconds(ttl), size if isinstance(size, int) else None)
    return EntryReport("foreign", _seconds(ttl)) if classify(start) is Trouble.WRONG_TYPE else None


def sample_entries(protocol: LeaseProtocol, keys: Iterable[bytes], most: int) -> list[tuple[str, EntryReport]]:
    """Return up to `most` of `keys` with their state, in order; nothing when Redis does not say."""
    try:
        found = protocol.guard.call(lambda: list(islice(keys, most)))
    except CacheUnavailableError:
        return []
    names = sorted(key.decode(errors="replace") for key in found)
    return [(name, entry) for name in names if (entry := entry_report(protocol, name))]


def counters(protocol: LeaseProtocol) -> Counters:
    """Return what the engine counted, and its breaker's state; asks nobody."""
    region, breaker = protocol.region, protocol.breaker
    return Counters(region.counts(), region.since, str(breaker.state), breaker.owed)


def pool_report(protocol: LeaseProtocol) -> dict[str, int]:
    """Return how many connections this process may hold; in a cluster that is to each node."""
    return {"max_connections": protocol.max_connections}


def _ask(protocol: LeaseProtocol, key: str) -> tuple[bytes | Exception, object, object]:
    pipeline = protocol.client.pipeline(transaction=False)
    pipeline.getrange(key, 0, len(LEASE) - 1)
    pipeline.pttl(key)
    pipeline.strlen(key)
    start, ttl, size = pipeline.execute(raise_on_error=False)  # a Redis user may lack the right to any of them
    return start, ttl, size


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) and milliseconds >= 0 else None
