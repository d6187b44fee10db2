"""A small memory of answers that are expensive to work out and true only until a known moment."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedMemory(Generic[K, V]):
    """Remember at most `capacity` values, each until its own moment; the least recently used one makes room.

    Safe to share between threads: the lock is held for a dictionary operation only, never while a value is
    worked out.
    """

    def __init__(self, capacity: int, *, clock: Callable[[], float]) -> None:
        """Start empty. `clock` returns seconds on the same scale as the `until` given to `remember`."""
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        """Count the values held, including those that have run out and were not asked for since."""
        return len(self._entries)

    def recall(self, key: K) -> V | None:
        """Return the value remembered for `key`, or None when there is none or its moment has come."""
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

    def remember(self, key: K, value: V, *, until: float) -> None:
        """Keep `value` for `key` until the clock shows `until` (seconds); one that has already run out is not kept."""
        if self._clock() >= until:
            return
        with self._lock:
            self._entries[key] = (value, until)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
