"""The document of `GET /products/stats/cache-status`: the user's cache entry and the cache's health."""

from datetime import UTC, datetime
from typing import Any

from app.caching import Counters, ServerReport, rate
from app.extensions import cache
from app.products.stats import asin_status_stats

_NO_ENTRY: dict[str, Any] = {"state": None, "ttl_seconds": None, "size_bytes": None}


def cache_report(user_id: str) -> dict[str, Any]:
    """Return the cache status of the entry of `user_id`. Takes at most the Redis timeout."""
    report = cache.report()
    unreachable = report.enabled and not report.server.connected
    entry = None if unreachable else cache.entry(asin_status_stats.make_cache_key(user_id))
    counters = report.counters
    return {
        "redis": {"enabled": report.enabled, **redis_document(report.server)},
        "app": counters and app_document(counters),
        "breaker": counters and {"state": counters.breaker, "owed": counters.owed},
        "user_cached": entry is not None and entry.state == "value",
        "cache_key": asin_status_stats.entry_name(user_id),
        "default_ttl_seconds": cache.cache.default_timeout,
        **(_NO_ENTRY if entry is None else {name: getattr(entry, name) for name in _NO_ENTRY}),
    }


def redis_document(server: ServerReport) -> dict[str, Any]:
    """Return the section about the Redis server. It has only `connected` when the server does not answer."""
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


def app_document(counters: Counters) -> dict[str, Any]:
    """Return the section with the counts of all our workers.

    Redis's own counts are for all clients of the server, and they increase with each request for a report.
    """
    hits, misses = counters.hits, counters.misses
    since = datetime.fromtimestamp(counters.since, UTC).isoformat(timespec="seconds")
    return {"hits": hits, "misses": misses, "hit_rate": rate(hits, misses), "since": since}
