"""A small LRU cache of values that are expensive to compute and valid until a known time."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """Holds at most `capacity` values, each until its own expiry time. The least recently used value is evicted.

    Threads may share it. The lock is held only for dictionary operations, never while a value is computed.
    """

    def __init__(self, capacity: int, *, clock: Callable[[], float]) -> None:
        """Create an empty cache. `clock` returns seconds on the scale of the `until` given to `put`."""
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of values, including expired ones that have not been evicted yet."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None if there is none or it has expired."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            value, until = entry
            if self._clock() >= until:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V, *, until: float) -> None:
        """Store `value` for `key` until the clock shows `until` (seconds). An expired value is not stored."""
        if self._clock() >= until:
            return
        with self._lock:
            self._entries[key] = (value, until)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
