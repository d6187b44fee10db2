"""Kinds of Redis trouble, and how an exception of redis-py is told apart from another."""

import queue
import re
import ssl
from collections.abc import Iterator
from enum import Enum

from redis import exceptions as errors

REDIS_ERRORS = (errors.RedisError, errors.RedisClusterException, OSError)
"""What a call to Redis may raise."""


class Trouble(Enum):
    """Kinds of Redis trouble: a short name, words for the log, and whether the server as a whole is unusable."""

    OPEN = ("down", "the circuit breaker is open", False)
    TIMEOUT = ("timeout", "no answer within the timeout", True)
    CONNECTION = ("connection", "the connection was refused or lost", True)
    TLS = ("tls", "the TLS handshake failed; check the server's certificate and the CA it is verified with", True)
    AUTHENTICATION = ("authentication", "the user or password was refused", True)
    LOADING = ("loading", "the server is loading its data set", True)
    READ_ONLY = ("read-only", "the server is a read-only replica", True)
    CLUSTER = ("cluster", "the cluster is down, or the server is a cluster node and no cluster is configured", True)
    POOL = ("pool-exhausted", "all connections are in use", False)
    PERMISSION = ("permission", "the Redis user lacks a permission this cache needs", False)
    MEMORY = ("out-of-memory", "the server is full (maxmemory) and evicts nothing", False)
    WRONG_TYPE = ("wrong-type", "a key of ours holds a foreign data type", False)
    POISON = ("poison", "an entry holds something this cache never wrote; it is dropped", False)
    OTHER = ("other", "the server answered with an unexpected error", False)

    def __init__(self, label: str, words: str, trips: bool) -> None:  # noqa: FBT001 - an enum's value tuple
        """Unpack the value."""
        self.label, self.words, self.trips = label, words, trips

    @property
    def counter(self) -> str:
        """The name it is counted under."""
        return f"error:{self.label}"

    @property
    def reason(self) -> str:
        """Why a read bypassed the cache, as `Answer.detail` says it."""
        return f"redis-{self.label}"


class CacheUnavailableError(Exception):
    """Internal to the engine: a call brought no answer. Callers inside the engine turn it into their neutral answer."""

    def __init__(self, trouble: Trouble) -> None:
        """Carry the kind of trouble, never the server's words: those may quote keys, values and addresses."""
        super().__init__(trouble.words)
        self.trouble = trouble


# Scripts wrap the server's error code differently from version to version, so it is looked for anywhere in the text.
_CODES = {
    "WRONGPASS": Trouble.AUTHENTICATION,
    "NOAUTH": Trouble.AUTHENTICATION,
    "LOADING": Trouble.LOADING,
    "READONLY": Trouble.READ_ONLY,
    "CLUSTERDOWN": Trouble.CLUSTER,
    "MASTERDOWN": Trouble.CLUSTER,
    "MOVED": Trouble.CLUSTER,
    "ASK": Trouble.CLUSTER,
    "NOPERM": Trouble.PERMISSION,
    "ACL failure in script": Trouble.PERMISSION,
    "The user executing the script can": Trouble.PERMISSION,  # Redis 6.2, which goes on with "'t run this command"
    "OOM": Trouble.MEMORY,
    "WRONGTYPE": Trouble.WRONG_TYPE,
}
_CODE = re.compile(rf"\b({'|'.join(_CODES)})\b")
# Order matters: redis-py derives several of these from ConnectionError.
_TYPES: tuple[tuple[type[BaseException], Trouble], ...] = (
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
)


def classify(error: BaseException) -> Trouble:
    """Name the trouble behind an exception of redis-py."""
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return Trouble.TLS
    if isinstance(error, errors.TimeoutError):
        return Trouble.TIMEOUT
    for kind, trouble in _TYPES:
        if isinstance(error, kind):
            return trouble
    if isinstance(error, errors.ConnectionError) and isinstance(error.__context__, queue.Empty):
        return Trouble.POOL  # BlockingConnectionPool raises a plain ConnectionError when none becomes free in time
    if isinstance(error, (errors.ConnectionError, OSError)):
        return Trouble.CONNECTION
    code = _CODE.search(str(error))
    return _CODES[code[1]] if code else Trouble.OTHER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those it was raised from: redis-py wraps what the socket raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
