"""The diagnostics endpoints. They report trouble; they never become it."""

from http import HTTPStatus
from typing import Any

from flask import current_app
from flask.typing import ResponseReturnValue

from app.auth import current_user, login_required, operator_required
from app.caching import LeaseBackend
from app.caching.inspect import EntryReport, pool_report, sample_entries, server_report
from app.database import Database, DatabaseUnavailableError
from app.diagnostics.blueprint import diagnostics
from app.extensions import cache
from app.problems import RETRY_AFTER_SECONDS
from app.products.cache_report import cache_report

_SAMPLE = 100


@diagnostics.get("/products/stats/cache-status")
@login_required
def cache_status() -> ResponseReturnValue:
    """Show the caller what the cache holds for them and how it feels."""
    return cache_report(current_user.user_id), {"Cache-Control": "no-store"}


@diagnostics.get("/diagnostics/redis")
@operator_required
def redis_report() -> ResponseReturnValue:
    """Show operators the whitelisted INFO, a sample of entries, the breaker, the pool and all workers' counts."""
    backend = cache.cache
    if not isinstance(backend, LeaseBackend):
        return {"enabled": False, "connected": False}
    protocol = backend.protocol
    server = server_report(protocol)
    return {
        "enabled": True,
        "connected": server.connected,
        "server": server.server,
        "latency_ms": server.latency_ms,
        "info": server.info,
        "entries": [_entry(*found) for found in sample_entries(backend, _SAMPLE)] if server.connected else [],
        "breaker": {"state": protocol.breaker.state, "owed": protocol.breaker.owed},
        "pool": pool_report(protocol.client),
        "counters": protocol.region.counts(),
    }


@diagnostics.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that this process serves requests. Touches nothing else: a restart would mend nothing else."""
    return {"status": "ok"}


@diagnostics.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Say what each dependency does; only the database being down is 503, for Redis we can do without."""
    database: Database = current_app.extensions["database"]
    document: dict[str, Any] = {"status": "ready", "redis": _redis_readiness()}
    try:
        document["database"] = {"connected": True, "latency_ms": round(1000 * database.latency(), 2)}
    except DatabaseUnavailableError:
        document |= {"status": "unavailable", "database": {"connected": False}}
        return document, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return document


def _redis_readiness() -> dict[str, Any]:
    backend = cache.cache
    if not isinstance(backend, LeaseBackend):
        return {"enabled": False, "connected": False}
    server = server_report(backend.protocol)
    return {"enabled": True, "connected": server.connected, "latency_ms": server.latency_ms}


def _entry(key: str, entry: EntryReport) -> dict[str, Any]:
    return {"key": key, "state": entry.state, "ttl_seconds": entry.ttl_seconds, "size_bytes": entry.size_bytes}
