"""`GET /metrics` for Prometheus: what the cache did in all workers of this server, and how it is."""

from collections.abc import Iterator

from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.caching import Counters
from app.diagnostics.blueprint import diagnostics
from app.extensions import cache


class _CacheCollector:
    """Shows the counts our workers share; no multiprocess directory is needed for them."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily("asin_desk_cache_events", "What the cache did, in all workers.", labels=["event"])
        errors = CounterMetricFamily(
            "asin_desk_redis_errors", "Redis trouble by kind, in all workers.", labels=["kind"]
        )
        for name, number in self._counters.events.items():
            kind = name.removeprefix("error:")
            (events if kind == name else errors).add_metric([kind], number)
        is_open = self._counters.breaker != "closed"
        yield from (events, errors)
        yield GaugeMetricFamily("asin_desk_breaker_open", "1 while the answering worker does without Redis.", is_open)


@diagnostics.get("/metrics")
def metrics() -> Response:
    """Show the counts in Prometheus' text format; no user, key or address is in it."""
    registry, counters = CollectorRegistry(), cache.counters()
    if counters:
        registry.register(_CacheCollector(counters))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
