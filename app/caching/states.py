"""The states of a cache entry, and the answers of the engine, as types.

An entry is one Redis string in one of five states: absent, a value (JSON), a lease (`lease:<token>`: one reader is
computing the value), writing (`write:…`: these writers are in flight, with or without the last known value; see
`lua/writing.lua`) or a failure mark (`fail:`: the last computation failed). No JSON text starts with one of these
words, so a mark is never read as a value.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

LEASE = b"lease:"
WRITING = b"write:"
FAILURE = b"fail:"
MARKS = (LEASE, WRITING, FAILURE)

R = TypeVar("R")


class Outcome(StrEnum):
    """How the engine obtained a result."""

    HIT = "hit"
    """Read from Redis."""
    COLLAPSED = "collapsed"
    """Read from Redis after waiting for the reader that held the lease."""
    STORED = "stored"
    """Computed and stored."""
    REJECTED = "rejected"
    """Computed but not stored, because a writer began in the meantime."""
    BYPASS = "bypass"
    """Computed without the cache; `Answer.detail` gives the reason."""


class Answer(NamedTuple, Generic[R]):
    """The result of a memoized function and how it was obtained.

    `ttl` is the remaining lifetime of the stored entry in seconds, or None when nothing is stored. `detail` is the
    reason of a bypass, or says that a hit is the value from before a write in flight. It is a token that can be used as
    the `detail` parameter of a Cache-Status header (RFC 9211).
    """

    value: R
    outcome: Outcome
    ttl: float | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The entry was absent, and this reader now holds its lease."""

    token: str


@dataclass(frozen=True, slots=True)
class Leased:
    """Another reader holds the lease."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The entry holds a failure mark."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """The reader must compute the value and must not store it."""

    reason: str


Miss = Granted | Leased | Failed | Bypass
"""The result of a read that found no value."""


class Writer(NamedTuple):
    """A writer in flight, as `begin` returns it.

    `token` identifies the writer; it is empty for no writer. `deadline` is the time, in milliseconds of the server's
    clock, at which Redis forgets the writer; it is 0 if Redis did not confirm the begin. `since` is the time of the
    confirmation in monotonic seconds.
    """

    token: str = ""
    deadline: int = 0
    since: float = 0.0


NO_WRITER = Writer()


class Replacement(NamedTuple):
    """The value that a write left: its payload, its version (above 0; higher means later) and its TTL in seconds."""

    version: int
    payload: bytes
    ttl: float


def state_name(start: bytes) -> str:
    """Name the state of an entry from its first six bytes: absent, lease, writing, failure or value."""
    if not start:
        return "absent"
    return {LEASE: "lease", WRITING: "writing", FAILURE: "failure"}.get(start, "value")
