"""The Flask-Caching backend: `get`, `set` and so on, as documented by Flask-Caching, without errors of Redis.

Configured by `CACHE_TYPE = "app.caching.LeaseCache"` and Flask-Caching's own settings for Redis.
"""

import datetime as dt
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Self

from flask import Flask
from flask_caching.backends.rediscache import RedisCache

from app.caching.codec import PayloadTooLongError
from app.caching.configuration import RedisSettings, Timeout, configured_protocol, seconds_of
from app.caching.errors import CacheUnavailableError, ErrorKind, classify
from app.caching.protocol import LeaseProtocol
from app.caching.scripts import ADD
from app.caching.states import LEASE, WRITING, state_name
from app.caching.values import ValueCodec

logger = logging.getLogger(__name__)

_BATCH: Final = 500
_CODEC: Final = ValueCodec()


class LeaseCache(RedisCache):
    """A `RedisCache` of Flask-Caching that stores JSON and uses the lease protocol.

    `get`, `has`, `set`, `add`, `delete`, `inc`, `dec` and `clear` never raise for Redis errors, even in debug mode:
    reads return None or False, and writes return False, 0 or None. These methods never return the engine's own marks
    (leases, failure marks, writers in flight) as values.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - RedisCache's arguments
        self,
        host: Any = "localhost",  # noqa: ANN401 - a host name, or a redis-py client
        port: int = 6379,
        password: str | None = None,
        db: int = 0,
        default_timeout: int | dt.timedelta = 300,
        key_prefix: str | None = None,
        ignore_delete_many_errors: bool = False,  # noqa: FBT001, FBT002 - the order of RedisCache
        *,
        settings: RedisSettings | None = None,
        protocol: LeaseProtocol | None = None,
        check_connection: bool = False,
        **options: Any,  # noqa: ANN401 - see below
    ) -> None:
        """Create the backend. Nothing is sent to Redis, except with `check_connection`.

        Args:
            host: host name of the server, or a redis-py client.
            port: port of the server.
            password: password of the server.
            db: number of the database.
            default_timeout: seconds; 0 keeps values until they are evicted.
            key_prefix: prefix of all keys; required.
            ignore_delete_many_errors: whether `delete_many` and `unlink` return instead of raising if Redis fails.
            settings: the address of Redis, instead of `host`, `port`, `password` and `db`.
            protocol: a protocol object, instead of all settings above and `options`.
            check_connection: whether to raise RuntimeError if the server does not answer now.
            options: those of `configuration.open_protocol`, such as `max_connections` and `read_timeout`.

        Raises:
            ValueError, TypeError: an argument is invalid; the message names it.

        """
        if host is None:
            raise ValueError("RedisCache host parameter may not be None")
        if not key_prefix or not isinstance(key_prefix, str):
            raise ValueError("CACHE_KEY_PREFIX must be a non-empty string, or clear() would empty the database")
        seconds = seconds_of(default_timeout, 0)
        if protocol is None:
            settings = settings or RedisSettings(host=host, port=port, password=password, db=db)
            protocol = configured_protocol(settings, longest_ttl=seconds, options=options)
        elif options:
            raise TypeError(f"`protocol` cannot be combined with the options {sorted(options)}")
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
        """Build the backend from Flask-Caching's configuration. Raises ValueError or TypeError for invalid settings."""
        if config.get("CACHE_SERIALIZER") is not None:
            raise ValueError("CACHE_SERIALIZER cannot be set: LeaseCache stores JSON, which cannot execute code")
        kwargs.setdefault("key_prefix", config.get("CACHE_KEY_PREFIX"))
        if not args and "protocol" not in kwargs:
            kwargs.setdefault("settings", RedisSettings.from_config(config))
        return cls(*args, **kwargs)

    def get(self, key: str) -> Any:  # noqa: ANN401 - any value
        """Return the value stored under `key`, or None."""
        return _value(self._call(self.protocol.client.get, self._name(key), default=None))

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, with None for a missing value; one round trip."""
        replies = self._call(self._fetch, keys, default=[]) if keys else []
        return [_value(reply) for reply in replies] or [None] * len(keys)

    def has(self, key: str) -> bool:
        """Return whether a value is stored, without fetching it."""
        start = self._call(self.protocol.client.getrange, self._name(key), 0, len(LEASE) - 1, default=b"")
        return state_name(start) == "value"

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - any value
        """Store `value` for `timeout` seconds (0: until it is evicted). Return False if Redis did not store it.

        The result is also False for a value that is too long. The old value is deleted if the new one is too long or
        cannot be encoded.

        Raises:
            TypeError, ValueError: `value` has a type that cannot be stored; see `app.caching.values`.

        """
        seconds = seconds_of(timeout, self.default_timeout)
        payload = self._encoded(key, value)
        if payload is None:
            return False
        return bool(self._call(self.protocol.client.set, self._name(key), payload, ex=seconds or None, default=None))

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - any value
        """Store like `set`, but only if no value is stored; otherwise return False. Atomic, including the TTL."""
        seconds = seconds_of(timeout, self.default_timeout)
        payload = self._encoded(key, value, keep=True)
        if payload is None:
            return False
        return bool(self._call(self.protocol.client.eval, ADD, 1, self._name(key), payload, seconds, default=0))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[Any]:
        """Store each value like `set` and return the keys of the stored values; one round trip."""
        seconds = seconds_of(timeout, self.default_timeout)
        payloads = {key: self._encoded(key, value) for key, value in mapping.items()}
        payloads = {key: payload for key, payload in payloads.items() if payload is not None}
        replies = self._call(self._put, payloads, seconds, default=[])
        return [key for key, reply in zip(payloads, replies, strict=False) if reply is True]

    def delete(self, key: str) -> bool:
        """Delete `key`; return whether an entry was deleted."""
        return bool(self._call(self.protocol.drop, [self._name(key).encode()], default=0))

    def delete_many(self, *keys: str) -> list[Any]:
        """Delete these keys and return the deleted keys: all of them, or none if Redis failed.

        Raises:
            RuntimeError: Redis failed, and `ignore_delete_many_errors` is not set.

        """
        return list(keys) if self._unlinked(keys) is not None else []

    def unlink(self, *keys: str) -> int:
        """Delete these keys and return how many existed; otherwise like `delete_many`."""
        return self._unlinked(keys) or 0

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add `delta` atomically to an integer (absent: 0) and return the sum; None if that is not possible."""
        total: int | None = self._call(self.protocol.client.incrby, self._name(key), delta, default=None)
        return total

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract `delta`; otherwise like `inc`."""
        return self.inc(key, -delta)

    def clear(self) -> bool:
        """Delete all entries with our prefix and no others. Return whether it succeeded. See `drop`."""
        return bool(self._call(self.drop, default=-1) >= 0)

    def drop(self, start: str = "", *, force: bool = False) -> int:
        """Delete the entries whose keys, after the prefix, begin with `start`; return how many. Raises RedisError.

        Writers in flight stay in their entries, without a value, except with `force`; see `LeaseProtocol.drop`.
        """
        return sum(self.protocol.drop(batch, force=force) for batch in _batches(self.keys(start)))

    def keys(self, start: str = "") -> Iterator[bytes]:
        """Iterate over our keys, with the prefix, without blocking the server. Raises redis.RedisError."""
        return self.protocol.client.scan_iter(match=self.pattern(start), count=1000)

    def pattern(self, start: str = "") -> str:
        """Return the pattern that matches our keys, with the prefix, as SCAN expects it."""
        return re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix + start) + "*"

    def _name(self, key: object) -> str:
        return f"{self.prefix}{key}"  # as with RedisCache, a key may also be a number or a UUID

    def _fetch(self, keys: tuple[str, ...]) -> list[object]:
        pipeline = self.protocol.client.pipeline(transaction=False)  # unlike MGET, works across cluster slots
        for key in keys:
            pipeline.get(self._name(key))
        return _checked(pipeline.execute(raise_on_error=False))

    def _put(self, payloads: dict[str, bytes], seconds: int) -> list[object]:
        pipeline = self.protocol.client.pipeline(transaction=False)
        for key, payload in payloads.items():
            pipeline.set(self._name(key), payload, ex=seconds or None)
        return _checked(pipeline.execute(raise_on_error=False)) if payloads else []

    def _unlinked(self, keys: tuple[str, ...]) -> int | None:
        deleted = self._call(self.protocol.drop, [self._name(key).encode() for key in keys], default=-1) if keys else 0
        if deleted < 0 and not self.ignore_delete_many_errors:
            raise RuntimeError(f"Failed to delete keys: {list(keys)}")
        return deleted if deleted >= 0 else None

    def _encoded(self, key: str, value: Any, *, keep: bool = False) -> bytes | None:  # noqa: ANN401 - any value
        """Return the payload, or None if it is too long. Unless `keep` is set, a failure deletes the old value."""
        try:
            return _CODEC.encode(value)
        except PayloadTooLongError as error:
            logger.warning("a value is not stored in the cache: %s", error)
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
    if not isinstance(payload, bytes) or payload.startswith((LEASE, WRITING)):
        return None
    try:
        return _CODEC.decode(payload)
    except ValueError:
        return None


def _checked(replies: list[object]) -> list[object]:
    """Return the replies. Raises the first error among them, except WRONGTYPE, which concerns a single key."""
    for reply in replies:
        if isinstance(reply, Exception) and classify(reply) is not ErrorKind.WRONG_TYPE:
            raise reply
    return replies


def _batches(keys: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(keys, _BATCH)):
        yield batch
