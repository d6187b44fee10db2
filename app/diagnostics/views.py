"""The diagnostics endpoints. They report trouble; they never become it."""

from http import HTTPStatus
from typing import Any

from flask import current_app
from flask.typing import ResponseReturnValue

from app.auth import current_user, login_required, operator_required
from app.caching import EntryReport
from app.database import Database, DatabaseUnavailableError
from app.diagnostics.blueprint import diagnostics
from app.extensions import cache
from app.problems import RETRY_AFTER_SECONDS
from app.products.cache_report import cache_report

_SAMPLE = 100


@diagnostics.get("/products/stats/cache-status")
@login_required
def cache_status() -> ResponseReturnValue:
    """Show the caller what the cache holds for them and how it does."""
    return cache_report(current_user.user_id), {"Cache-Control": "no-store"}


@diagnostics.get("/diagnostics/redis")
@operator_required
def redis_report() -> ResponseReturnValue:
    """Show operators the whitelisted INFO, a sample of entries, the breaker, the pool and all workers' counts."""
    report = cache.report()
    if not report.enabled:
        return {"enabled": False, "connected": False}
    server, counters = report.server, report.counters
    return {
        "enabled": True,
        "connected": server.connected,
        "server": server.server,
        "latency_ms": server.latency_ms,
        "info": server.info,
        "entries": [_entry(*found) for found in cache.sample(_SAMPLE)] if server.connected else [],
        "breaker": counters and {"state": counters.breaker, "owed": counters.owed},
        "pool": report.pool,
        "counters": counters and counters.events,
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
    report = cache.report()
    if not report.enabled:
        return {"enabled": False, "connected": False}
    return {"enabled": True, "connected": report.server.connected, "latency_ms": report.server.latency_ms}


def _entry(key: str, entry: EntryReport) -> dict[str, Any]:
    return {"key": key, "state": entry.state, "ttl_seconds": entry.ttl_seconds, "size_bytes": entry.size_bytes}
