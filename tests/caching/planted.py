"""What somebody with access to Redis may plant at a key of ours: everything but a value that could be ours."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

Plant = Callable[[Redis, str], None]

FOR_EVER: Final = 99_999_999_999_999
"""A deadline, in milliseconds since the epoch, that is thousands of years away."""
MANY_WRITERS: Final = b"dirty:" + b",".join(b"%d@%d" % (number, FOR_EVER) for number in range(200_000))


def _text(content: bytes, *, seconds: float | None = None) -> Plant:
    def plant(client: Redis, key: str) -> None:
        client.set(key, content, px=round(1000 * seconds) if seconds else None)

    return plant


def _in_flight(*, writers: int, seconds: float) -> Plant:
    """Announce writers whose deadlines are so many seconds away, without a TTL."""

    def plant(client: Redis, key: str) -> None:
        now: Any = client.time()
        deadline = 1000 * now[0] + round(1000 * seconds)
        client.set(key, b"dirty:" + b",".join(b"%d@%d" % (number, deadline) for number in range(writers)))

    return plant


def _other(command: str, *arguments: Any) -> Plant:  # noqa: ANN401 - redis-py's
    def plant(client: Redis, key: str) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            getattr(pipeline, command)(key, *arguments)
            pipeline.execute()

    return plant


def _kept(client: Redis, key: str) -> None:
    client.persist(key)


def _prolonged(client: Redis, key: str) -> None:
    client.expire(key, 3600)


def _appended(client: Redis, key: str) -> None:
    with suppress(ResponseError):  # another type stands there
        client.append(key, b",x@%d" % FOR_EVER)


PLANTS: Final[Mapping[str, Plant]] = {
    "a failure for ever": _text(b"fail:"),
    "a failure for an hour": _text(b"fail:", seconds=3600),
    "a lease for ever": _text(b"lease:x"),
    "a lease for an hour": _text(b"lease:x", seconds=3600),
    "a lease": _text(b"lease:x", seconds=0.9),
    "a long lease": _text(b"lease:".ljust(1_000_000, b"x"), seconds=0.5),
    "a writer for ever": _text(b"dirty:x@%d" % FOR_EVER),
    "a writer for an hour": _text(b"dirty:x@%d" % FOR_EVER, seconds=3600),
    "a writer for ever, for a second": _text(b"dirty:x@%d" % FOR_EVER, seconds=1),
    "200 000 writers for ever": _text(MANY_WRITERS),
    "200 000 writers, for a second": _text(MANY_WRITERS, seconds=1),
    "10 000 writers in flight": _in_flight(writers=10_000, seconds=1),
    "a writer in flight": _in_flight(writers=1, seconds=1),
    "a long token": _text(b"dirty:".ljust(60_000, b"x"), seconds=1),
    "no writer": _text(b"dirty:"),
    "no text": _text(b""),
    "a value for ever": _text(b"-1"),
    "a value for an hour": _text(b"-1", seconds=3600),
    "no JSON": _text(b"{", seconds=5),
    "20 MB": _text(b" " * 20_000_000, seconds=5),
    "a list": _other("rpush", "x"),
    "a hash": _other("hset", "x", "y"),
    "a stream": _other("xadd", {"x": "y"}),
    "what stands there, for ever": _kept,
    "what stands there, for an hour": _prolonged,
    "what stands there, and a writer for ever": _appended,
}
"""By name. Leases and tombstones that could be ours, in content and time, are among them; values and failures not."""

BRIEF_FAILURE: Final = _text(b"fail:", seconds=0.3)
"""A failure that could be ours: it is believed until it runs out."""
