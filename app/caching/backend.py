"""The Flask-Caching backend: explicit `get`, `set`, … with their documented meaning, on the protocol's own Redis.

Configured by `CACHE_TYPE = "app.caching.backend.LeaseBackend"`. Redis trouble never leaves this class: reads answer
"nothing", writes answer "not done", in debug mode too.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Self, TypeVar, cast

from flask import Flask
from flask_caching.backends.base import BaseCache

from app.caching.codec import JsonCodec
from app.caching.protocol import LeaseProtocol
from app.caching.states import LEASE, TOMBSTONE, state_name
from app.caching.trouble import CacheUnavailableError

T = TypeVar("T")

_BATCH = 500


class LeaseBackend(BaseCache):
    """Stores JSON under `key_prefix`; leases and tombstones of the protocol are invisible to `get`, `has` and `add`."""

    def __init__(self, protocol: LeaseProtocol, *, default_timeout: int, key_prefix: str) -> None:
        """Serve `protocol`'s Redis. `default_timeout` in seconds; an empty prefix is refused with ValueError."""
        if not key_prefix:
            raise ValueError("a key prefix is required: without one, clear() would be everybody's loss")
        super().__init__(default_timeout=default_timeout)
        self.protocol, self.key_prefix = protocol, key_prefix
        self._client = protocol.client
        self._codec = JsonCodec()

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Self:  # noqa: ARG003 - Flask-Caching's hook
        """Build the backend from Flask-Caching's configuration: CACHE_OPTIONS carries the `protocol`."""
        return cls(kwargs["protocol"], default_timeout=kwargs["default_timeout"], key_prefix=config["CACHE_KEY_PREFIX"])

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value stored under `key`, or None."""
        return self._decode(self._call(lambda: cast("bytes | None", self._client.get(self.key_prefix + key)), None))

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, None where there is none; one round trip."""
        if not keys:
            return []
        nothing: list[bytes | None] = [None] * len(keys)
        found = self._call(lambda: self._fetch(keys), nothing)
        return [self._decode(payload) for payload in found]

    def has(self, key: str) -> bool:
        """Say whether a value is stored, without fetching it."""
        name = self.key_prefix + key
        start = self._call(lambda: cast("bytes", self._client.getrange(name, 0, len(LEASE) - 1)), b"")
        return state_name(start) == "value"

    def set(self, key: str, value: Any, timeout: int | dt.timedelta | None = None) -> bool:  # noqa: ANN401 - any JSON
        """Store `value` for `timeout` seconds (0: for good). False when Redis or JSON would not take it."""
        return self._store(key, value, timeout, only_if_absent=False)

    def add(self, key: str, value: Any, timeout: int | dt.timedelta | None = None) -> bool:  # noqa: ANN401 - any JSON
        """Store like `set`, but only where nothing is stored; False otherwise. Atomic, deadline included."""
        return self._store(key, value, timeout, only_if_absent=True)

    def delete(self, key: str) -> bool:
        """Delete `key`; True when there was something to delete."""
        return bool(self._call(lambda: self._client.unlink(self.key_prefix + key), 0))

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add `delta` atomically to an integer (absent: 0) and return the sum; None when that is impossible."""
        return self._call(lambda: int(self._client.incrby(self.key_prefix + key, delta)), None)

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract `delta`; otherwise as `inc`."""
        return self.inc(key, -delta)

    def clear(self) -> bool:
        """Drop every entry under our prefix, nobody else's; True when that was possible. See `flush`."""
        return self._call(lambda: self.flush() >= 0, default=False)

    def flush(self) -> int:
        """Drop every entry under our prefix and return how many went, in batches that never block the server.

        Tombstones of writers in flight stay: taking one away would let a reader store what the writer is changing.

        Raises:
            redis.RedisError: what the server or the connection answered; the caller is an operator, not a view.

        """
        return sum(self.protocol.drop(batch) for batch in _batches(self.keys()))

    def keys(self) -> Iterator[bytes]:
        """Iterate over the keys under our prefix, prefix included, without blocking the server.

        Raises:
            redis.RedisError: what the server or the connection answered.

        """
        return self._client.scan_iter(match=re.sub(r"([*?\[\]\\])", r"\\\1", self.key_prefix) + "*", count=1000)

    def _fetch(self, keys: tuple[str, ...]) -> list[bytes | None]:
        pipeline = self._client.pipeline(transaction=False)  # unlike MGET it may span the slots of a cluster
        for key in keys:
            pipeline.get(self.key_prefix + key)
        replies = pipeline.execute(raise_on_error=False)
        return [reply if isinstance(reply, bytes) else None for reply in replies]

    def _store(
        self,
        key: str,
        value: Any,  # noqa: ANN401 - any JSON
        timeout: int | dt.timedelta | None,
        *,
        only_if_absent: bool,
    ) -> bool:
        seconds = self._normalize_timeout(timeout)
        try:
            payload = self._codec.encode(value)
        except (TypeError, ValueError):
            return False
        stored = self._call(
            lambda: self._client.set(self.key_prefix + key, payload, ex=seconds or None, nx=only_if_absent), None
        )
        return bool(stored)

    def _decode(self, payload: bytes | None) -> Any:  # noqa: ANN401 - any JSON value
        if payload is None or payload.startswith((LEASE, TOMBSTONE)):
            return None
        try:
            return self._codec.decode(payload)
        except ValueError:
            return None

    def _call(self, command: Callable[[], T], default: T) -> T:
        try:
            return self.protocol.guard.call(command)
        except CacheUnavailableError:
            return default


def _batches(keys: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(keys, _BATCH)):
        yield batch
