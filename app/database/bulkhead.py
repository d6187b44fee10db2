"""A bulkhead: calls of the database hold some threads of this process, never all of them.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app.database.errors import DatabaseUnavailableError

_LOOK_SECONDS: Final = 0.1  # between two looks at whether there is still hope


class Bulkhead:
    """Lets at most `places` calls in at once. Thread-safe.

    A caller who finds no place waits for one for as long as calls come back. When none has come back for `patience`
    seconds, or `hopeful` says no, waiting callers and new ones are refused: each of them holds a thread too, and the
    threads that are left answer what needs no database.
    """

    def __init__(
        self,
        places: int,
        *,
        patience: float,
        hopeful: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty.

        Args:
            places: how many calls are let in.
            patience: seconds without any call coming back after which nobody waits for a place.
            hopeful: says whether the database may still answer; never raises.
            clock: monotonic seconds.

        """
        self._free, self._patience, self._hopeful, self._clock = places, patience, hopeful, clock
        self._moved_at = clock()
        self._moved = threading.Condition()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place inside the block. Raises DatabaseUnavailableError instead of waiting in vain."""
        with self._moved:
            while not self._free:
                left = self._moved_at + self._patience - self._clock()
                if left <= 0 or not self._hopeful():
                    raise DatabaseUnavailableError
                self._moved.wait(min(left, _LOOK_SECONDS))
            self._free -= 1
            self._moved_at = self._clock()
        try:
            yield
        finally:
            with self._moved:
                self._free += 1
                self._moved_at = self._clock()
                self._moved.notify()
