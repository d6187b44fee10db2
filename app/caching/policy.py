"""Settings of the protocol: `Policy` for the results of one function, `Timing` for all entries of one Redis."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.caching.codec import Codec

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits of the protocol in seconds. All engines that share entries must use the same values.

    Conditions: `lease` > `wait` > 99th percentile of the computation time; `writer` > the slowest commit; `owed` >
    `lease` + the longest TTL. After `owed` seconds Redis holds no value that was computed before a change. A reader
    discards a mark whose TTL is longer than these limits. An engine with shorter limits therefore discards the marks of
    an engine with longer limits. This has the same effect as an eviction.
    """

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0
    owed: float = 30.0

    @property
    def mark_limits_ms(self) -> tuple[int, int, int]:
        """The longest TTL of a lease, of a tombstone and of a failure mark, in milliseconds."""
        return milliseconds(self.lease), milliseconds(self.writer), milliseconds(self.wait)


def milliseconds(seconds: float) -> int:
    """Convert seconds to milliseconds, at least 1: Redis does not accept a TTL of 0."""
    return max(1, round(seconds * 1000))
