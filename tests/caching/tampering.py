"""Ways in which someone with access to Redis can tamper with an entry, except storing a well-formed value."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

Tampering = Callable[[Redis, str], None]

DISTANT_DEADLINE: Final = 99_999_999_999_999
"""A deadline, in milliseconds since the epoch, that is thousands of years away."""
MANY_WRITERS: Final = b"dirty:" + b",".join(b"%d@%d" % (number, DISTANT_DEADLINE) for number in range(200_000))


def _text(content: bytes, *, seconds: float | None = None) -> Tampering:
    def tamper(client: Redis, key: str) -> None:
        client.set(key, content, px=round(1000 * seconds) if seconds else None)

    return tamper


def _in_flight(*, writers: int, seconds: float) -> Tampering:
    """Announce writers whose deadlines are `seconds` away, in a key without a TTL."""

    def tamper(client: Redis, key: str) -> None:
        now: Any = client.time()
        deadline = 1000 * now[0] + round(1000 * seconds)
        client.set(key, b"dirty:" + b",".join(b"%d@%d" % (number, deadline) for number in range(writers)))

    return tamper


def _other(command: str, *arguments: Any) -> Tampering:  # noqa: ANN401 - arguments of a redis-py command
    def tamper(client: Redis, key: str) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            getattr(pipeline, command)(key, *arguments)
            pipeline.execute()

    return tamper


def _persisted(client: Redis, key: str) -> None:
    client.persist(key)


def _prolonged(client: Redis, key: str) -> None:
    client.expire(key, 3600)


def _appended(client: Redis, key: str) -> None:
    with suppress(ResponseError):  # the key holds another data type
        client.append(key, b",x@%d" % DISTANT_DEADLINE)


TAMPERINGS: Final[Mapping[str, Tampering]] = {
    "failure mark without TTL": _text(b"fail:"),
    "failure mark, TTL 1 h": _text(b"fail:", seconds=3600),
    "lease without TTL": _text(b"lease:x"),
    "lease, TTL 1 h": _text(b"lease:x", seconds=3600),
    "lease, TTL 0.9 s": _text(b"lease:x", seconds=0.9),
    "lease of 1 MB": _text(b"lease:".ljust(1_000_000, b"x"), seconds=0.5),
    "writer without TTL": _text(b"dirty:x@%d" % DISTANT_DEADLINE),
    "writer, TTL 1 h": _text(b"dirty:x@%d" % DISTANT_DEADLINE, seconds=3600),
    "writer with distant deadline, TTL 1 s": _text(b"dirty:x@%d" % DISTANT_DEADLINE, seconds=1),
    "200 000 writers without TTL": _text(MANY_WRITERS),
    "200 000 writers, TTL 1 s": _text(MANY_WRITERS, seconds=1),
    "10 000 writers in flight": _in_flight(writers=10_000, seconds=1),
    "1 writer in flight": _in_flight(writers=1, seconds=1),
    "writer with a token of 60 kB": _text(b"dirty:".ljust(60_000, b"x"), seconds=1),
    "tombstone without writers": _text(b"dirty:"),
    "empty string": _text(b""),
    "value without TTL": _text(b"-1"),
    "value, TTL 1 h": _text(b"-1", seconds=3600),
    "invalid JSON": _text(b"{", seconds=5),
    "20 MB of spaces": _text(b" " * 20_000_000, seconds=5),
    "list": _other("rpush", "x"),
    "hash": _other("hset", "x", "y"),
    "stream": _other("xadd", {"x": "y"}),
    "TTL removed": _persisted,
    "TTL extended to 1 h": _prolonged,
    "writer appended": _appended,
}
"""Tamperings by name. Some write well-formed leases and tombstones; none writes a well-formed value or failure mark."""

BRIEF_FAILURE: Final = _text(b"fail:", seconds=0.3)
"""A well-formed failure mark: the engine accepts it until it expires."""
