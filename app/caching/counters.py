"""Process-wide counts of what the cache did: cheap, and without a round trip."""

import threading
import time
from collections import Counter
from collections.abc import Callable


class Counters:
    """Named counts since this process started. Safe to call from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """Start at zero; `clock` gives epoch seconds."""
        self.since = clock()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """Add one to `name`."""
        with self._lock:
            self._counts[name] += 1

    def snapshot(self) -> dict[str, int]:
        """Return all counts so far; names never counted are missing."""
        with self._lock:
            return dict(self._counts)
