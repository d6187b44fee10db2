"""`GET /metrics` for Prometheus: cache events of all workers of this server, and the state of cache and database."""

import hmac
from collections.abc import Iterator

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.auth import operator_required
from app.caching import Counters
from app.database import Database
from app.diagnostics.views import diagnostics
from app.extensions import cache
from app.openapi import Answer, operation


class _CacheCollector:
    """Collector of the counts in shared memory, so that no multiprocess directory is needed."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily("asin_desk_cache_events", "Cache events in all workers.", labels=["event"])
        errors = CounterMetricFamily("asin_desk_redis_errors", "Redis errors by kind, in all workers.", labels=["kind"])
        samples = CounterMetricFamily(
            "asin_desk_freshness_samples", "Hits compared with the database, in all workers.", labels=["result"]
        )
        families = {"error": errors, "sample": samples}
        for name, number in self._counters.events.items():
            family, _, label = name.rpartition(":")
            families.get(family, events).add_metric([label], number)
        is_open = self._counters.breaker != "closed"
        yield from (events, *families.values())
        yield GaugeMetricFamily(
            "asin_desk_breaker_open", "1 while the circuit breaker of the answering worker is open.", is_open
        )


class _DatabaseCollector:
    """Collector of the database state, as the answering worker sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        words = "1 while the answering worker considers the database down."
        yield GaugeMetricFamily("asin_desk_database_down", words, not self._database.is_available)


@diagnostics.get("/metrics")
@operation(
    "Operations",
    answers={200: Answer("The counts.", media_type="text/plain")},
    caller="scraper",
)
def metrics() -> ResponseReturnValue:
    """Return the counts in Prometheus' text format, to a scraper with METRICS_TOKEN or to an operator."""
    return _exposition() if _comes_from_scraper() else _exposition_for_operators()


def _comes_from_scraper() -> bool:
    token: str | None = current_app.config["METRICS_TOKEN"]
    given = request.headers.get("Authorization", "")
    return token is not None and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _exposition() -> ResponseReturnValue:
    """Return the counts. They contain no user, key or address."""
    registry, counters = CollectorRegistry(), cache.counters()
    if counters:
        registry.register(_CacheCollector(counters))
    registry.register(_DatabaseCollector(current_app.extensions["database"]))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


_exposition_for_operators = operator_required(_exposition)
