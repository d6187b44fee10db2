"""The one place where Redis trouble is caught: classified, counted, logged in our own words, never passed on raw."""

import logging
import queue
import re
import time
from collections.abc import Callable
from enum import Enum
from typing import ParamSpec, TypeVar

from redis import exceptions as errors

from app.caching.breaker import BreakerState, CircuitBreaker
from app.caching.shared import SharedRegion

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_REPEAT_AFTER_SECONDS = 60.0


class Trouble(Enum):
    """Kinds of Redis trouble: a short name, words for the log, and whether the server as a whole is unusable."""

    OPEN = ("down", "the circuit breaker is open", False)
    TIMEOUT = ("timeout", "no answer within the timeout", True)
    CONNECTION = ("connection", "the connection was refused or lost", True)
    AUTHENTICATION = ("authentication", "the user or password in REDIS_URL was refused", True)
    LOADING = ("loading", "the server is loading its data set", True)
    READ_ONLY = ("read-only", "the server is a read-only replica", True)
    CLUSTER = ("cluster", "the cluster is down or this is one of its nodes (set REDIS_CLUSTER)", True)
    POOL = ("pool-exhausted", "all connections of the pool are in use", False)
    PERMISSION = ("permission", "the Redis user lacks a permission this cache needs", False)
    MEMORY = ("out-of-memory", "the server is full (maxmemory) and evicts nothing", False)
    WRONG_TYPE = ("wrong-type", "a key of ours holds a foreign data type", False)
    POISON = ("poison", "an entry holds something this cache never wrote; it is dropped", False)
    OTHER = ("other", "the server answered with an unexpected error", False)

    def __init__(self, label: str, words: str, trips: bool) -> None:  # noqa: FBT001 - an enum's value tuple
        """Unpack the value."""
        self.label, self.words, self.trips = label, words, trips


class CacheUnavailableError(Exception):
    """Internal to the engine: a call brought no answer. Callers inside the engine turn it into their neutral answer."""

    def __init__(self, trouble: Trouble) -> None:
        """Carry the kind of trouble, never the server's words: those may quote keys, values and addresses."""
        super().__init__(trouble.words)
        self.trouble = trouble


# Scripts wrap the server's error code differently from version to version, so it is looked for anywhere in the text.
_CODE = re.compile(r"\b(WRONGPASS|NOAUTH|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|MOVED|ASK|NOPERM|OOM|WRONGTYPE)\b")
_BY_CODE = {
    "WRONGPASS": Trouble.AUTHENTICATION,
    "NOAUTH": Trouble.AUTHENTICATION,
    "LOADING": Trouble.LOADING,
    "READONLY": Trouble.READ_ONLY,
    "CLUSTERDOWN": Trouble.CLUSTER,
    "MASTERDOWN": Trouble.CLUSTER,
    "MOVED": Trouble.CLUSTER,
    "ASK": Trouble.CLUSTER,
    "NOPERM": Trouble.PERMISSION,
    "OOM": Trouble.MEMORY,
    "WRONGTYPE": Trouble.WRONG_TYPE,
}
# Order matters: redis-py derives several of these from ConnectionError.
_BY_TYPE: tuple[tuple[type[BaseException], Trouble], ...] = (
    (errors.AuthenticationError, Trouble.AUTHENTICATION),
    (errors.AuthorizationError, Trouble.AUTHENTICATION),
    (errors.BusyLoadingError, Trouble.LOADING),
    (errors.MaxConnectionsError, Trouble.POOL),
    (errors.ReadOnlyError, Trouble.READ_ONLY),
    (errors.NoPermissionError, Trouble.PERMISSION),
    (errors.OutOfMemoryError, Trouble.MEMORY),
    (errors.RedisClusterException, Trouble.CLUSTER),
    (errors.ClusterError, Trouble.CLUSTER),
    (errors.AskError, Trouble.CLUSTER),
    (errors.TimeoutError, Trouble.TIMEOUT),
    (errors.ConnectionError, Trouble.CONNECTION),
    (OSError, Trouble.CONNECTION),
)
REDIS_ERRORS = (errors.RedisError, errors.RedisClusterException, OSError)


def classify(error: BaseException) -> Trouble:
    """Name the trouble behind an exception of redis-py."""
    if isinstance(error, errors.ConnectionError) and isinstance(error.__context__, queue.Empty):
        return Trouble.POOL  # BlockingConnectionPool raises a plain ConnectionError when it runs dry
    for kind, trouble in _BY_TYPE:
        if isinstance(error, kind):
            return trouble
    code = _CODE.search(str(error))
    return _BY_CODE[code[1]] if code else Trouble.OTHER


class Guard:
    """Runs Redis calls for the engine: through the breaker, with every failure classified and counted."""

    def __init__(
        self, breaker: CircuitBreaker, region: SharedRegion, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Guard calls with `breaker`, count in `region`; `clock` (monotonic seconds) spaces repeated log lines."""
        self.breaker, self._region, self._clock = breaker, region, clock
        self._logged: dict[Trouble, float] = {}

    def call(self, command: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `command` with these arguments and return its reply.

        Raises:
            CacheUnavailableError: the breaker is open, or Redis could not do it.

        """
        # Looked at before it is asked: that spares each hit a call.
        if self.breaker.state is not BreakerState.CLOSED and not self.breaker.admits():
            self._region.count("skipped")
            raise CacheUnavailableError(Trouble.OPEN)
        try:
            return command(*args, **kwargs)
        except REDIS_ERRORS as error:
            raise CacheUnavailableError(self.note(error)) from None

    def note(self, error: BaseException) -> Trouble:
        """Classify and count a failure, tell the breaker or the log, and return its kind."""
        trouble = classify(error)
        self._region.count(f"error:{trouble.label}")
        if trouble.trips:
            self.breaker.failure(trouble.words)  # its transition is the log line
        else:
            self.warn(trouble)
        return trouble

    def warn(self, trouble: Trouble) -> None:
        """Log one line per kind of trouble and minute."""
        now = self._clock()
        if now - self._logged.get(trouble, -_REPEAT_AFTER_SECONDS) >= _REPEAT_AFTER_SECONDS:
            self._logged[trouble] = now
            logger.warning("Redis trouble, answering from the database: %s", trouble.words)
