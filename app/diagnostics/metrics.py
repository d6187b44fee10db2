"""`GET /metrics` for Prometheus: the measurements of all workers of this server, and the events of the cache."""

import hmac
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.auth import operator_required
from app.caching import Counters
from app.diagnostics.views import diagnostics
from app.extensions import cache
from app.metrics import catalogue
from app.openapi import Answer, operation

if TYPE_CHECKING:
    from app.diagnostics.gauges import Gauges


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
        yield from (events, *families.values())


class _OwnCollector:
    """Collector of the metrics that the application counts itself."""

    def collect(self) -> Iterator[Metric]:
        return (instrument.collect() for instrument in catalogue.ALL)


@diagnostics.get("/metrics", any_accept=True)
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
    gauges: Gauges = current_app.extensions["gauges"]
    gauges.publish()
    registry, counters = CollectorRegistry(), cache.counters()
    if counters:
        registry.register(_CacheCollector(counters))
    registry.register(_OwnCollector())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


_exposition_for_operators = operator_required(_exposition)
