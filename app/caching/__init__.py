"""The cache engine: leases, tombstones and a circuit breaker over Redis, as a Flask-Caching citizen.

Knows nothing of products, HTTP or Flask's `g`. The protocol is argued in docs/cache-protocol.md; its states live in
`states`, its transitions in `protocol` and `lua/`, and what happens when Redis misbehaves in `guard` and `breaker`.
"""

from app.caching.backend import LeaseBackend
from app.caching.memoize import Cache, Memoized
from app.caching.states import Answer, Outcome

__all__ = ["Answer", "Cache", "LeaseBackend", "Memoized", "Outcome"]
