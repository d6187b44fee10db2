"""What the cache holds for one user and how it feels: the document of `GET /products/stats/cache-status`."""

from datetime import UTC, datetime
from typing import Any

from app.caching import LeaseBackend, Outcome
from app.caching.inspect import ServerReport, entry_report, rate, server_report
from app.extensions import cache
from app.products.stats import asin_status_stats

_AWAY: dict[str, Any] = {"state": None, "ttl_seconds": None, "size_bytes": None}


def cache_report(user_id: str) -> dict[str, Any]:
    """Return the cache status of `user_id`'s own entry; answers within the Redis timeout whatever Redis does."""
    backend = cache.cache
    key = asin_status_stats.make_cache_key(user_id)
    common = {"cache_key": key, "default_ttl_seconds": backend.default_timeout}
    if not isinstance(backend, LeaseBackend):
        redis = {"enabled": False, "connected": False}
        return {"redis": redis, "app": None, "breaker": None, "user_cached": False, **common, **_AWAY}
    protocol = backend.protocol
    server = server_report(protocol)
    entry = entry_report(protocol, key) if server.connected else None
    return {
        "redis": {"enabled": True, **redis_document(server)},
        "app": app_document(backend),
        "breaker": {"state": protocol.breaker.state, "owed": protocol.breaker.owed},
        "user_cached": entry is not None and entry.state == "value",
        **common,
        **(_AWAY if entry is None else {name: getattr(entry, name) for name in _AWAY}),
    }


def redis_document(server: ServerReport) -> dict[str, Any]:
    """Return the server's part of the report; only `connected` when it does not answer."""
    if not server.connected:
        return {"connected": False}
    memory = ("used_memory", "used_memory_human", "used_memory_peak_human", "maxmemory_policy")
    return {
        "connected": True,
        "server": server.server,
        "latency_ms": server.latency_ms,
        "hit_rate": server.hit_rate,
        "keyspace_hits": server.info.get("keyspace_hits"),
        "keyspace_misses": server.info.get("keyspace_misses"),
        "memory_usage": {name: server.info.get(name) for name in memory},
    }


def app_document(backend: LeaseBackend) -> dict[str, Any]:
    """Return the counts of all our workers: Redis's are server-wide and inflated by looking at them."""
    region = backend.protocol.region
    counts = region.counts()
    hits = counts[Outcome.HIT] + counts[Outcome.COLLAPSED]
    misses = counts[Outcome.STORED] + counts[Outcome.REJECTED] + counts[Outcome.BYPASS]
    since = datetime.fromtimestamp(region.since, UTC).isoformat(timespec="seconds")
    return {"hits": hits, "misses": misses, "hit_rate": rate(hits, misses), "since": since}
