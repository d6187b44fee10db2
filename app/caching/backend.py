"""The Flask-Caching backend: `get`, `set`, … with their documented meaning, on a Redis that may be in trouble.

Configured by `CACHE_TYPE = "app.caching.LeaseCache"` and Flask-Caching's own settings for Redis.
"""

import datetime as dt
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from flask import Flask
from flask_caching.backends.rediscache import RedisCache

from app.caching.codec import PayloadTooLongError
from app.caching.configuration import Place, open_place, place_of
from app.caching.protocol import LeaseProtocol
from app.caching.states import LEASE, TOMBSTONE, state_name
from app.caching.timeouts import Timeout, seconds_of
from app.caching.trouble import CacheUnavailableError, Trouble, classify
from app.caching.values import ValueCodec

logger = logging.getLogger(__name__)

_BATCH: Final = 500
_ADD: Final = (Path(__file__).parent / "lua" / "add.lua").read_text("utf-8")
_CODEC: Final = ValueCodec()


class LeaseCache(RedisCache):
    """Flask-Caching's `RedisCache` with the engine's promises, storing JSON.

    Redis trouble never leaves `get`, `has`, `set`, `add`, `delete`, `inc`, `dec` and `clear`: reads answer "nothing",
    writes "not done", in debug mode too. The engine's own marks (leases, tombstones) are not values: none of these
    methods sees them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - RedisCache's arguments
        self,
        host: Any = "localhost",  # noqa: ANN401 - a name, or a client of redis-py
        port: int = 6379,
        password: str | None = None,
        db: int = 0,
        default_timeout: int | dt.timedelta = 300,
        key_prefix: str | None = None,
        ignore_delete_many_errors: bool = False,  # noqa: FBT001, FBT002 - same
        *,
        place: Place | None = None,
        protocol: LeaseProtocol | None = None,
        check_connection: bool = False,
        **options: Any,  # noqa: ANN401 - see below
    ) -> None:
        """Connect to nothing yet.

        Args:
            host: name of the server, or a ready client of redis-py.
            port: its port.
            password: its password.
            db: number of its database.
            default_timeout: seconds; 0 keeps values until they are evicted.
            key_prefix: what all our keys start with; required.
            ignore_delete_many_errors: whether `delete_many` and `unlink` answer instead of raising when Redis is away.
            place: where Redis is, in place of `host` to `db`.
            protocol: a ready engine, in place of all of these.
            check_connection: whether to raise RuntimeError when the server does not answer now.
            options: those of `app.caching.opening.open_protocol`, such as `max_connections` and `read_timeout`.

        Raises:
            ValueError, TypeError: an argument cannot be used; the message says which.

        """
        if host is None:
            raise ValueError("RedisCache host parameter may not be None")
        if not key_prefix or not isinstance(key_prefix, str):
            raise ValueError("CACHE_KEY_PREFIX must be a text: without one, clear() would empty the whole database")
        seconds = seconds_of(default_timeout, 0)
        if protocol is None:
            place = place or Place(host=host, port=port, password=password, db=db)
            protocol = open_place(place, longest_ttl=seconds, options=options)
        elif options:
            raise TypeError(f"a ready protocol takes no options, but was given {sorted(options)}")
        super().__init__(
            host=protocol.client,
            default_timeout=seconds,
            key_prefix=key_prefix,
            ignore_delete_many_errors=ignore_delete_many_errors,
            check_connection=check_connection,
        )
        self.protocol, self.prefix = protocol, key_prefix

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Self:  # noqa: ARG003 - Flask-Caching's hook
        """Build the backend from Flask-Caching's configuration. Raises ValueError or TypeError for what is wrong."""
        if config.get("CACHE_SERIALIZER") is not None:
            raise ValueError("CACHE_SERIALIZER cannot be set: LeaseCache stores JSON, so that no entry executes code")
        kwargs.setdefault("key_prefix", config.get("CACHE_KEY_PREFIX"))
        if not args and "protocol" not in kwargs:
            kwargs.setdefault("place", place_of(config))
        return cls(*args, **kwargs)

    def get(self, key: str) -> Any:  # noqa: ANN401 - any value
        """Return the value stored under `key`, or None."""
        return _value(self._call(self.protocol.client.get, self._name(key), default=None))

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, None where there is none; one round trip."""
        replies = self._call(self._fetch, keys, default=[]) if keys else []
        return [_value(reply) for reply in replies] or [None] * len(keys)

    def has(self, key: str) -> bool:
        """Say whether a value is stored, without fetching it."""
        start = self._call(self.protocol.client.getrange, self._name(key), 0, len(LEASE) - 1, default=b"")
        return state_name(start) == "value"

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - any value
        """Store `value` for `timeout` seconds (0: until it is evicted). False when Redis did not take it.

        A value that cannot be stored takes the old one away: False when it is too long, an exception otherwise.

        Raises:
            TypeError, ValueError: `value` is of a type that cannot be stored; see `app.caching.values`.

        """
        seconds = seconds_of(timeout, self.default_timeout)
        payload = self._encoded(key, value)
        if payload is None:
            return False
        return bool(self._call(self.protocol.client.set, self._name(key), payload, ex=seconds or None, default=None))

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - any value
        """Store like `set`, but only where `has` says no; False otherwise. Atomic, deadline included."""
        seconds = seconds_of(timeout, self.default_timeout)
        payload = self._encoded(key, value, keep=True)
        if payload is None:
            return False
        return bool(self._call(self.protocol.client.eval, _ADD, 1, self._name(key), payload, seconds, default=0))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[Any]:
        """Store each value as `set` does and return the keys of those that Redis took; one round trip."""
        seconds = seconds_of(timeout, self.default_timeout)
        payloads = {key: self._encoded(key, value) for key, value in mapping.items()}
        payloads = {key: payload for key, payload in payloads.items() if payload is not None}
        replies = self._call(self._put, payloads, seconds, default=[])
        return [key for key, reply in zip(payloads, replies, strict=False) if reply is True]

    def delete(self, key: str) -> bool:
        """Delete `key`; True when there was something to delete."""
        return bool(self._call(self.protocol.drop, [self._name(key).encode()], default=0))

    def delete_many(self, *keys: str) -> list[Any]:
        """Delete these keys and return those that are gone: all, or none when Redis could not be asked.

        Raises:
            RuntimeError: Redis could not be asked, and `ignore_delete_many_errors` is not set.

        """
        return list(keys) if self._unlinked(keys) is not None else []

    def unlink(self, *keys: str) -> int:
        """Delete these keys and return how many there were; otherwise as `delete_many`."""
        return self._unlinked(keys) or 0

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add `delta` atomically to an integer (absent: 0) and return the sum; None when that is impossible."""
        total: int | None = self._call(self.protocol.client.incrby, self._name(key), delta, default=None)
        return total

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract `delta`; otherwise as `inc`."""
        return self.inc(key, -delta)

    def clear(self) -> bool:
        """Drop every entry under our prefix, nobody else's; True when that was possible. See `drop`."""
        return bool(self._call(self.drop, default=-1) >= 0)

    def drop(self, start: str = "", *, force: bool = False) -> int:
        """Drop our entries whose keys start with `start` (after the prefix); return how many. Raises redis.RedisError.

        Tombstones of writers in flight stay, unless `force` drops those too; see `LeaseProtocol.drop`.
        """
        return sum(self.protocol.drop(batch, force=force) for batch in _batches(self.keys(start)))

    def keys(self, start: str = "") -> Iterator[bytes]:
        """Iterate over our keys, prefix included, without blocking the server. Raises redis.RedisError."""
        literally = re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix + start)
        return self.protocol.client.scan_iter(match=literally + "*", count=1000)

    def _name(self, key: object) -> str:
        return f"{self.prefix}{key}"  # a number or a UUID may be a key too, as with RedisCache

    def _fetch(self, keys: tuple[str, ...]) -> list[object]:
        pipeline = self.protocol.client.pipeline(transaction=False)  # unlike MGET it may span the slots of a cluster
        for key in keys:
            pipeline.get(self._name(key))
        return _answered(pipeline.execute(raise_on_error=False))

    def _put(self, payloads: dict[str, bytes], seconds: int) -> list[object]:
        pipeline = self.protocol.client.pipeline(transaction=False)
        for key, payload in payloads.items():
            pipeline.set(self._name(key), payload, ex=seconds or None)
        return _answered(pipeline.execute(raise_on_error=False)) if payloads else []

    def _unlinked(self, keys: tuple[str, ...]) -> int | None:
        gone = self._call(self.protocol.drop, [self._name(key).encode() for key in keys], default=-1) if keys else 0
        if gone < 0 and not self.ignore_delete_many_errors:
            raise RuntimeError(f"Failed to delete keys: {list(keys)}")
        return gone if gone >= 0 else None

    def _encoded(self, key: str, value: Any, *, keep: bool = False) -> bytes | None:  # noqa: ANN401 - any value
        """Return the payload, or None when it would be too long; then, and when it raises, the old value is dropped."""
        try:
            return _CODEC.encode(value)
        except PayloadTooLongError as error:
            logger.warning("a cached value is not stored: %s", error)
        except (TypeError, ValueError):
            if not keep:
                self.delete(key)
            raise
        if not keep:
            self.delete(key)
        return None

    def _call(self, command: Callable[..., Any], *args: Any, default: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a Redis reply
        try:
            return self.protocol.guard.call(command, *args, **kwargs)
        except CacheUnavailableError:
            return default


def _value(payload: object) -> Any:  # noqa: ANN401 - any value
    if not isinstance(payload, bytes) or payload.startswith((LEASE, TOMBSTONE)):
        return None
    try:
        return _CODEC.decode(payload)
    except ValueError:
        return None


def _answered(replies: list[object]) -> list[object]:
    """Return the replies, unless one says that the server did not do it. Raises that one."""
    for reply in replies:
        if isinstance(reply, Exception) and classify(reply) is not Trouble.WRONG_TYPE:
            raise reply
    return replies


def _batches(keys: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(keys, _BATCH)):
        yield batch
