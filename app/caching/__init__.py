"""A Flask-Caching backend that never shows a result older than an acknowledged change, whatever Redis does.

`from app.caching import Cache`, and `CACHE_TYPE = "app.caching.LeaseCache"`: docs/use-the-engine.md. The protocol is
argued in docs/cache-protocol.md; its states live in `states`, its transitions in `protocol` and `lua/`; `guard` and
`breaker` say what is done when Redis misbehaves. Knows nothing of the application around it.
"""

from app.caching.backend import LeaseCache
from app.caching.codec import Codec, JsonCodec
from app.caching.extension import Cache
from app.caching.inspect import Counters, EntryReport, Report, ServerReport, rate
from app.caching.memoize import BoundMemoized, Memoized
from app.caching.states import Answer, Outcome
from app.caching.trouble import CacheUnavailableError

__all__ = [
    "Answer",
    "BoundMemoized",
    "Cache",
    "CacheUnavailableError",
    "Codec",
    "Counters",
    "EntryReport",
    "JsonCodec",
    "LeaseCache",
    "Memoized",
    "Outcome",
    "Report",
    "ServerReport",
    "rate",
]
