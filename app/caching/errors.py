"""Kinds of Redis errors, and the classification of redis-py's exceptions."""

import queue
import re
import ssl
from collections.abc import Iterator
from enum import Enum

from redis import exceptions

REDIS_ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""The exceptions that a call to Redis may raise."""


class ErrorKind(Enum):
    """Kinds of Redis errors: a short label, a description for the log, and whether the error opens the breaker."""

    OPEN = ("down", "the circuit breaker is open", False)
    TIMEOUT = ("timeout", "no answer within the timeout", True)
    CONNECTION = ("connection", "the connection was refused or lost", True)
    TLS = ("tls", "the TLS handshake failed; check the server's certificate and the CA that verifies it", True)
    AUTHENTICATION = ("authentication", "the user or password was refused", True)
    LOADING = ("loading", "the server is loading its data set", True)
    READ_ONLY = ("read-only", "the server is a read-only replica", True)
    CLUSTER = ("cluster", "the cluster is down, or the server is a cluster node and no cluster is configured", True)
    POOL = ("pool-exhausted", "all connections are in use", False)
    PERMISSION = ("permission", "the Redis user lacks a permission this cache needs", False)
    MEMORY = ("out-of-memory", "the server is full (maxmemory) and evicts nothing", False)
    WRONG_TYPE = ("wrong-type", "one of the cache's keys holds a data type that the cache does not use", False)
    POISON = ("poison", "the cache cannot have written the content of an entry; the entry is deleted", False)
    OTHER = ("other", "the server answered with an unexpected error", False)

    def __init__(self, label: str, description: str, opens_breaker: bool) -> None:  # noqa: FBT001 - an enum's value tuple
        """Unpack the value."""
        self.label, self.description, self.opens_breaker = label, description, opens_breaker

    @property
    def counter(self) -> str:
        """The name of the counter of this kind."""
        return f"error:{self.label}"

    @property
    def reason(self) -> str:
        """The reason of a bypass, as `Answer.detail` gives it."""
        return f"redis-{self.label}"


class CacheUnavailableError(Exception):
    """Redis did not execute a call. The engine catches it and returns a default value, if not documented otherwise."""

    def __init__(self, kind: ErrorKind) -> None:
        """Store the kind, never the server's message: a message may contain keys, values and addresses."""
        super().__init__(kind.description)
        self.kind = kind


# The position of the error code depends on the version of the server, so the whole message is searched.
_CODES = {
    "WRONGPASS": ErrorKind.AUTHENTICATION,
    "NOAUTH": ErrorKind.AUTHENTICATION,
    "LOADING": ErrorKind.LOADING,
    "READONLY": ErrorKind.READ_ONLY,
    "CLUSTERDOWN": ErrorKind.CLUSTER,
    "MASTERDOWN": ErrorKind.CLUSTER,
    "MOVED": ErrorKind.CLUSTER,
    "ASK": ErrorKind.CLUSTER,
    "NOPERM": ErrorKind.PERMISSION,
    "ACL failure in script": ErrorKind.PERMISSION,
    "The user executing the script can": ErrorKind.PERMISSION,  # Redis 6.2: "can't run this command"
    "OOM": ErrorKind.MEMORY,
    "WRONGTYPE": ErrorKind.WRONG_TYPE,
}
_CODE = re.compile(rf"\b({'|'.join(_CODES)})\b")
# The order matters: redis-py derives several of these classes from ConnectionError.
_TYPES: tuple[tuple[type[BaseException], ErrorKind], ...] = (
    (exceptions.AuthenticationError, ErrorKind.AUTHENTICATION),
    (exceptions.AuthorizationError, ErrorKind.AUTHENTICATION),
    (exceptions.BusyLoadingError, ErrorKind.LOADING),
    (exceptions.MaxConnectionsError, ErrorKind.POOL),
    (exceptions.ReadOnlyError, ErrorKind.READ_ONLY),
    (exceptions.NoPermissionError, ErrorKind.PERMISSION),
    (exceptions.OutOfMemoryError, ErrorKind.MEMORY),
    (exceptions.RedisClusterException, ErrorKind.CLUSTER),
    (exceptions.ClusterError, ErrorKind.CLUSTER),
    (exceptions.AskError, ErrorKind.CLUSTER),
)


def classify(error: BaseException) -> ErrorKind:
    """Return the kind of an exception of redis-py."""
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return ErrorKind.TLS
    if isinstance(error, exceptions.TimeoutError):
        return ErrorKind.TIMEOUT
    for exception_type, kind in _TYPES:
        if isinstance(error, exception_type):
            return kind
    if isinstance(error, exceptions.ConnectionError) and isinstance(error.__context__, queue.Empty):
        return ErrorKind.POOL  # BlockingConnectionPool raises a plain ConnectionError when its wait times out
    if isinstance(error, (exceptions.ConnectionError, OSError)):
        return ErrorKind.CONNECTION
    code = _CODE.search(str(error))
    return _CODES[code[1]] if code else ErrorKind.OTHER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its cause, and so on: redis-py wraps the exceptions of the socket."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
