"""Ways in which someone with access to Redis can tamper with an entry, except storing a well-formed value."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

Tampering = Callable[[Redis, str], None]

DISTANT_DEADLINE: Final = 99_999_999_999_999
"""A deadline, in milliseconds since the epoch, that is thousands of years away."""
_LISTED: Final = b",".join(b"%d@%d" % (number, DISTANT_DEADLINE) for number in range(200_000))
MANY_WRITERS: Final = b"write:closed %b 0 0 " % _LISTED


def _text(content: bytes, *, seconds: float | None = None) -> Tampering:
    def tamper(client: Redis, key: str) -> None:
        client.set(key, content, px=round(1000 * seconds) if seconds else None)

    return tamper


def _in_flight(*, writers: int, seconds: float, use: bytes = b"closed", kept: bytes = b"0 0 ") -> Tampering:
    """Announce writers whose deadlines are `seconds` away, in a key without a TTL."""

    def tamper(client: Redis, key: str) -> None:
        now: Any = client.time()
        deadline = 1000 * now[0] + round(1000 * seconds)
        listed = b",".join(b"%d@%d" % (number, deadline) for number in range(writers))
        client.set(key, b"write:%b %b %b" % (use, listed, kept))

    return tamper


def _other(command: str, *arguments: Any) -> Tampering:  # noqa: ANN401 - arguments of a redis-py command
    def tamper(client: Redis, key: str) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            getattr(pipeline, command)(key, *arguments)
            pipeline.execute()

    return tamper


def _kept(kept: bytes) -> Tampering:
    """Announce one writer beside a value, in a key whose TTL is as long as its deadline is away."""

    def tamper(client: Redis, key: str) -> None:
        _in_flight(writers=1, seconds=1.4, use=b"serving", kept=kept)(client, key)
        client.pexpire(key, 1400)

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
    "writer without TTL": _text(b"write:closed x@%d 0 0 " % DISTANT_DEADLINE),
    "writer, TTL 1 h": _text(b"write:closed x@%d 0 0 " % DISTANT_DEADLINE, seconds=3600),
    "writer with distant deadline, TTL 1 s": _text(b"write:closed x@%d 0 0 " % DISTANT_DEADLINE, seconds=1),
    "writer with distant deadline and a value": _text(
        b"write:serving x@%d %d 1 -1" % (DISTANT_DEADLINE, DISTANT_DEADLINE), seconds=1
    ),
    "value beside a writer, expires in 3000 years": _kept(b"%d 1 -1" % DISTANT_DEADLINE),
    "value beside a writer, with an endless expiry": _kept(b"%b 1 -1" % (b"9" * 400)),
    "value beside a writer, with an endless version": _kept(b"%d %b -1" % (DISTANT_DEADLINE, b"9" * 400)),
    "expired value beside a writer": _kept(b"5 1 -1"),
    "invalid JSON beside a writer": _kept(b"%d 1 {" % DISTANT_DEADLINE),
    "20 MB beside a writer": _kept(b"%d 1 " % DISTANT_DEADLINE + b" " * 20_000_000),
    "unknown use of a value": _in_flight(writers=1, seconds=1, use=b"x", kept=b"%d 1 -1" % DISTANT_DEADLINE),
    "200 000 writers without TTL": _text(MANY_WRITERS),
    "200 000 writers, TTL 1 s": _text(MANY_WRITERS, seconds=1),
    "10 000 writers in flight": _in_flight(writers=10_000, seconds=1),
    "1 writer in flight": _in_flight(writers=1, seconds=1),
    "writer with a token of 60 kB": _text(b"write:closed ".ljust(60_000, b"x") + b" 0 0 ", seconds=1),
    "no writers": _text(b"write:closed  0 0 ", seconds=1),
    "cut off after the state": _text(b"write:", seconds=1),
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
"""Tamperings by name. Some write plausible leases and writers in flight; none writes a plausible value or failure."""

BRIEF_FAILURE: Final = _text(b"fail:", seconds=0.3)
"""A well-formed failure mark: the engine accepts it until it expires."""
