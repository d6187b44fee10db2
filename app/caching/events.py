"""What the engine counts and reports, by name: each name is written once, here or in the enum it belongs to."""

from enum import StrEnum

from app.caching.states import Outcome
from app.caching.trouble import Trouble


class BreakerState(StrEnum):
    """Closed: calls go through. Open: none does. Half-open: the probe was answered, owed ends go out first."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"

    @property
    def counter(self) -> str:
        """The name that transitions into this state are counted under."""
        return f"breaker-{self}"


class Event(StrEnum):
    """What happened, besides the outcomes of reads, the breaker's transitions and Redis trouble."""

    FAILED = "failed"
    """A reader was told that the computation had just failed for another one."""
    WAITS = "waits"
    """A reader waited for the reader that held the lease."""
    POISON = "poison"
    """An entry held something that was not to be used; it was dropped."""
    SKIPPED = "skipped"
    """The breaker was open, so a call was not made."""
    BEGIN_FAILED = "begin-failed"
    """A writer could not be announced."""
    INVALIDATED = "invalidated"
    """An end was delivered at once."""
    OWED = "owed"
    """An end could not be delivered at once."""
    DELIVERED = "delivered"
    """An owed end was delivered."""


class Reason(StrEnum):
    """Why a read did not use the cache, besides Redis trouble (`Trouble.reason`): a token for `Answer.detail`."""

    OWED = "owed"
    """A process of this machine owes the entry an end."""
    WRITER = "writer-in-flight"
    """A writer has announced itself and has not ended yet."""
    WRONG_TYPE = "wrong-type"
    """The key holds another data type than a string."""
    POISON = "poison"
    """The entry holds nothing this engine stores."""
    OUTLIVED = "outlived"
    """The entry is older than our first contact with this server, which may have missed an end."""
    WAIT_TIMEOUT = "wait-timeout"
    """The reader that holds the lease took longer than the wait time."""
    UNSERIALISABLE = "unserialisable"
    """The result cannot be stored as it is."""
    LEASE_EXPIRED = "lease-expired"
    """The computation took longer than the lease time."""


COUNTERS = (
    *Outcome,
    *Event,
    *(state.counter for state in BreakerState),
    *(trouble.counter for trouble in Trouble),
)
"""The names of all counters."""
