"""A Flask-Caching backend that never returns a result older than an acknowledged change, even when Redis fails.

Usage (docs/use-the-engine.md): `from app.caching import Cache` and `CACHE_TYPE = "app.caching.LeaseCache"`. The cache
protocol is explained in docs/cache-protocol.md: `states` defines the states of an entry, `protocol` and `lua/` define
the transitions, and `guard` and `breaker` handle Redis errors. This package imports nothing of the application.
"""

from app.caching.backend import LeaseCache
from app.caching.codec import Codec, JsonCodec
from app.caching.connection import Observe
from app.caching.connection_stack import BOUNDS, Usage
from app.caching.errors import CacheUnavailableError
from app.caching.events import Freshness
from app.caching.extension import Cache
from app.caching.memoize import BoundMemoized, Memoized
from app.caching.reports import Counters, EntryPage, EntryReport, Report, ServerReport, rate
from app.caching.states import Answer, Outcome

__all__ = [
    "BOUNDS",
    "Answer",
    "BoundMemoized",
    "Cache",
    "CacheUnavailableError",
    "Codec",
    "Counters",
    "EntryPage",
    "EntryReport",
    "Freshness",
    "JsonCodec",
    "LeaseCache",
    "Memoized",
    "Observe",
    "Outcome",
    "Report",
    "ServerReport",
    "Usage",
    "rate",
]
