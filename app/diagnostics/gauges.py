"""What a worker publishes about the state of Redis and of the database, for `/metrics`."""

import threading
import time
from typing import TYPE_CHECKING, Final

from flask import Flask

from app.caching import BOUNDS, Counters, Usage
from app.extensions import cache
from app.metrics import catalogue
from app.metrics.history import History, Measurement

if TYPE_CHECKING:
    from app.database import Database

_NOTHING: Final = Usage(tuple([0] * (len(BOUNDS) + 1)), 0.0, 0, 0)


class Gauges:
    """Sets the gauges of this process, adds Redis calls, and keeps the history. Calls neither Redis nor Supabase."""

    def __init__(self, app: Flask) -> None:
        """Publish the state of `app`."""
        self._app, self._lock, self._before = app, threading.Lock(), _NOTHING
        self.history = app.extensions["history"] = History()

    def publish(self) -> None:
        """Publish the present state."""
        self._publish_database()
        counters = self._publish_redis()
        if counters and self.history.is_due(now := time.time()):
            self.history.add(Measurement(now, counters.hits, counters.misses, *catalogue.REDIS_CALLS.so_far()))

    def _publish_database(self) -> None:
        database: Database = self._app.extensions["database"]
        used, slots = database.slots
        catalogue.DATABASE_SLOTS_USED.set(used)
        catalogue.DATABASE_SLOTS.set(slots)
        catalogue.DATABASE_DOWN.set(not database.is_available)

    def _publish_redis(self) -> Counters | None:
        """Publish the state of Redis, and return the counters of the cache; None if it has none."""
        with self._app.app_context():
            counters = cache.counters()
        catalogue.REDIS_DOWN.set(counters is not None and counters.breaker != "closed")
        catalogue.OWED_DELETES.set(counters.owed if counters else 0)
        usage = (counters and counters.usage) or _NOTHING
        catalogue.REDIS_CONNECTIONS_USED.set(usage.in_use)
        catalogue.REDIS_CONNECTIONS.set(usage.at_most)
        with self._lock:
            before = self._before if self._before.seconds <= usage.seconds else _NOTHING  # a fork starts at 0
            self._before = usage
            new = [now - then for now, then in zip(usage.counts, before.counts, strict=True)]
            catalogue.REDIS_CALLS.add(new, usage.seconds - before.seconds)
        return counters
