"""The diagnostics endpoints. They report failures of Redis and the database and never fail because of them."""

from http import HTTPStatus
from typing import Any

from flask import current_app, request
from flask.typing import ResponseReturnValue

from app.api import ApiBlueprint
from app.auth import Auth, current_user, identify, login_required, operator_required
from app.caching import EntryReport
from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError
from app.diagnostics.answers import CacheStatus, Liveness, Readiness, RedisReport
from app.extensions import cache
from app.openapi import Answer, operation
from app.problems import RETRY_AFTER_SECONDS, Problem
from app.products.cache_report import cache_report

diagnostics = ApiBlueprint("diagnostics", __name__)
_SAMPLE = 100


@diagnostics.get("/products/stats/cache-status")
@login_required
@operation("Statistics", answers={200: Answer("The status.", CacheStatus)})
def cache_status() -> ResponseReturnValue:
    """Return the caller's cache entry and the cache's health."""
    return cache_report(current_user.user_id), {"Cache-Control": "no-store"}


@diagnostics.get("/diagnostics/redis")
@operator_required
@operation("Operations", answers={200: Answer("The report.", RedisReport)})
def redis_report() -> ResponseReturnValue:
    """Return selected INFO fields, a sample of entries, the breaker, the pool and the counts of all workers."""
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


@diagnostics.get("/healthz", any_accept=True)
@operation("Operations", answers={200: Answer("The process serves requests.", Liveness)})
def healthz() -> ResponseReturnValue:
    """Return 200 while this process serves requests. Checks nothing else, because a restart would not repair it."""
    return {"status": "ok"}


@diagnostics.get("/readyz", any_accept=True)
@operation(
    "Operations",
    answers={
        200: Answer("Requests can be served.", Readiness),
        503: Answer("The database does not answer.", Readiness, headers=["Retry-After"]),
    },
    caller="anyone",
)
def readyz() -> ResponseReturnValue:
    """Return 200 if the database answers, else 503. Operators also get the state of each dependency.

    Redis is optional, so its state does not change the status. A worker sends at most one probe per second.
    """
    found = _database_readiness()
    document: dict[str, Any] = {"status": "ready" if found["connected"] else "unavailable"}
    if _is_asked_by_operator():
        document |= {"redis": _redis_readiness(), "database": found}
    if found["connected"]:
        return document
    return document, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _is_asked_by_operator() -> bool:
    """Return whether the caller is an operator. While the database is down, answers of the last minute are used."""
    auth: Auth = current_app.extensions["auth"]
    try:
        return auth.is_operator(identify(request.environ))
    except (Problem, DatabaseUnavailableError, DatabaseRefusalError):
        return False


def _database_readiness() -> dict[str, Any]:
    database: Database = current_app.extensions["database"]
    try:
        return {"connected": True, "latency_ms": round(1000 * database.latency(), 2)}
    except DatabaseUnavailableError:
        return {"connected": False}


def _redis_readiness() -> dict[str, Any]:
    report = cache.report()
    if not report.enabled:
        return {"enabled": False, "connected": False}
    return {"enabled": True, "connected": report.server.connected, "latency_ms": report.server.latency_ms}


def _entry(key: str, entry: EntryReport) -> dict[str, Any]:
    return {"key": key, "state": entry.state, "ttl_seconds": entry.ttl_seconds, "size_bytes": entry.size_bytes}
