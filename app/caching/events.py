"""The names of everything that the engine counts and reports. Each name is defined once, here or in its own enum."""

from enum import StrEnum

from app.caching.errors import ErrorKind
from app.caching.states import Outcome


class BreakerState(StrEnum):
    """Closed: calls go to Redis. Open: no call does. Half-open: the probe succeeded; owed deletes are delivered."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"

    @property
    def counter(self) -> str:
        """The name of the counter of transitions into this state."""
        return f"breaker-{self}"


class Event(StrEnum):
    """Events that are counted in addition to read outcomes, breaker transitions and Redis errors."""

    FAILED = "failed"
    """A reader found a failure mark and raised the policy's exception."""
    WAITS = "waits"
    """A reader waited for the reader that held the lease."""
    POISON = "poison"
    """An entry had unusable content, and it was deleted."""
    SKIPPED = "skipped"
    """A call was not made, because the breaker was open."""
    BEGIN_FAILED = "begin-failed"
    """A begin could not be delivered."""
    INVALIDATED = "invalidated"
    """An end was delivered at the first attempt. It deleted the value, or replaced it."""
    OWED = "owed"
    """An end could not be delivered at the first attempt, so a delete is owed."""
    DELIVERED = "delivered"
    """An owed delete was delivered."""


class Reason(StrEnum):
    """Why a read did not use the cache, apart from Redis errors (`ErrorKind.reason`). Used as `Answer.detail`."""

    OWED = "owed"
    """A process of this machine has an owed delete for the entry."""
    WRITER = "writer-in-flight"
    """A writer has begun and has not ended. Also the detail of a hit: its value is the one from before this write."""
    WRONG_TYPE = "wrong-type"
    """The key holds a data type other than a string."""
    POISON = "poison"
    """This engine cannot have stored the content of the entry."""
    OUTLIVED = "outlived"
    """The value is older than the first contact with this incarnation. The server may have lost its delete."""
    WAIT_TIMEOUT = "wait-timeout"
    """The reader that holds the lease did not finish within the wait time."""
    UNSERIALISABLE = "unserialisable"
    """The codec cannot encode the result."""
    LEASE_EXPIRED = "lease-expired"
    """The computation took longer than the lease time."""


COUNTERS = (
    *Outcome,
    *Event,
    *(state.counter for state in BreakerState),
    *(kind.counter for kind in ErrorKind),
)
"""The names of all counters."""
