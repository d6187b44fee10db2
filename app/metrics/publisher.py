"""Publishes what a worker measures between two requests: its gauges, and counts that are kept elsewhere."""

from collections.abc import Callable

from app.metrics.catalogue import WORKERS
from app.metrics.memory import MEMORY

_sources: list[Callable[[], None]] = []


def set_source(source: Callable[[], None]) -> None:
    """Let `publish` call `source`, which sets gauges of this process. It must be quick and must not raise."""
    _sources[:] = [source]


def publish() -> None:
    """Publish the gauges of this process. Each worker calls this four times a second, and before it stops."""
    WORKERS.set(1)
    for source in _sources:
        source()
    MEMORY.show_life()
