"""Settings of the protocol: `Policy` for the results of one function, `Timing` for all entries of one Redis."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.caching.codec import Codec, check_length
from app.caching.states import MARKS, Replacement

R = TypeVar("R")


def always() -> bool:
    """Return True."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Generic[R]):
    """How the results of one function are cached.

    `ttl`: lifetime of an entry in seconds. `failing_with`: the exception type for "no caller can compute this value
    now", such as a database outage. The engine then raises it, without arguments, for every other caller within one
    wait time. This keeps many callers from calling a database that does not answer. Any other exception is raised only
    for the caller whose computation failed. `worth_waiting`: returns False while every computation would fail at once,
    such as while the breaker of the database is open. Readers then do not wait for the lease of another reader, and no
    failure mark is stored.
    """

    codec: Codec[R]
    ttl: float
    failing_with: type[Exception] | None = None
    worth_waiting: Callable[[], bool] = always

    def payload(self, value: R) -> bytes:
        """Encode a value. Raises TypeError, ValueError or RecursionError if it cannot be stored."""
        payload = check_length(self.codec.encode(value))
        if payload.startswith(MARKS):
            raise ValueError("the payload starts like a mark of this engine")
        return payload

    def replacement(self, value: R, version: int) -> Replacement | None:
        """Return what a write leaves in the entry; None if the value cannot be stored or the version is invalid.

        A version is at least 1 and less than 2**53, the largest number that Lua compares exactly.
        """
        try:
            payload = self.payload(value)
        except (TypeError, ValueError, RecursionError):
            return None
        return Replacement(version, payload, self.ttl) if 0 < version < _VERSION_LIMIT else None


_VERSION_LIMIT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits of the protocol in seconds. All engines that share entries must use the same values.

    Conditions: `lease` > `wait` > 99th percentile of the computation time; `writer` > the slowest commit; `owed` >
    `lease` + the longest TTL. After `owed` seconds Redis holds no value that was computed before a change. A reader
    discards a mark whose TTL is longer than these limits. An engine with shorter limits therefore discards the marks of
    an engine with longer limits. This has the same effect as an eviction.

    `overlap` is how long readers may be answered with the previous value while a writer is in flight, counted from the
    begin of the first of these writers. With 0, readers compute as soon as a writer has begun.
    """

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0
    owed: float = 30.0
    overlap: float = 1.0

    @property
    def read_limits_ms(self) -> tuple[int, int, int, int]:
        """The longest TTL of a lease, of writers in flight and of a failure mark, and `overlap`, in milliseconds."""
        longest, overlap = self.writer_limits_ms
        return milliseconds(self.lease), longest, milliseconds(self.wait), overlap

    @property
    def writer_limits_ms(self) -> tuple[int, int]:
        """`writer` and `overlap` in milliseconds."""
        return milliseconds(self.writer), round(self.overlap * 1000)


def milliseconds(seconds: float) -> int:
    """Convert seconds to milliseconds, at least 1: Redis does not accept a TTL of 0."""
    return max(1, round(seconds * 1000))
