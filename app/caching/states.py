"""The states of an entry and the answers the engine gives, as types.

An entry is one Redis string: absent, a value (JSON), a lease (`lease:<token>`: one reader is computing), a tombstone
(`dirty:<token>@<deadline ms>,…`: these writers are in flight) or a failure (`fail:`: a reader could not compute it just
now). No JSON text starts with one of these words, so they cannot be mistaken for a value.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

LEASE = b"lease:"
TOMBSTONE = b"dirty:"
FAILURE = b"fail:"

R = TypeVar("R")


class Outcome(StrEnum):
    """How an answer came about."""

    HIT = "hit"
    """Found in Redis."""
    COLLAPSED = "collapsed"
    """Found in Redis after waiting for the reader that held the lease."""
    STORED = "stored"
    """Computed and stored."""
    REJECTED = "rejected"
    """Computed, but a writer began meanwhile, so it was not stored."""
    BYPASS = "bypass"
    """Computed without the cache; `Answer.detail` says why."""


class Answer(NamedTuple, Generic[R]):
    """What a memoized function returned and where from.

    `ttl` is the remaining life of the stored entry in seconds, or None when nothing is stored. `detail` is the reason
    of a bypass, a token fit for the `detail` parameter of a Cache-Status header (RFC 9211).
    """

    value: R
    outcome: Outcome
    ttl: float | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The entry was absent and this reader now holds its lease."""

    token: str


@dataclass(frozen=True, slots=True)
class Leased:
    """Another reader is computing."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Another reader's computation failed less than a wait time ago."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """Compute, store nothing."""

    reason: str


Seen = Granted | Leased | Failed | Bypass
"""What a reader may find in place of a value."""


def state_name(start: bytes) -> str:
    """Name the state of an entry by its first six bytes: absent, lease, tombstone, failure or value."""
    if not start:
        return "absent"
    return {LEASE: "lease", TOMBSTONE: "tombstone", FAILURE: "failure"}.get(start, "value")
