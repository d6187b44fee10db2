"""A bulkhead: it limits the number of threads that wait for the database, so that some are always free.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app.database.errors import DatabaseUnavailableError

_CHECK_SECONDS: Final = 0.1  # between two checks of whether the database may still answer


class Bulkhead:
    """Admits at most `size` calls at the same time. Thread-safe.

    A caller that finds no free slot waits for one as long as other calls return. When no call has returned for
    `max_silence` seconds, or when `may_answer` returns False, waiting and new callers are refused. Each waiting caller
    holds a thread, and the free threads are needed for requests that do not use the database.
    """

    def __init__(
        self,
        size: int,
        *,
        max_silence: float,
        may_answer: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with all slots free.

        Args:
            size: the number of slots.
            max_silence: seconds without any returning call after which callers no longer wait for a slot.
            may_answer: returns False while the database is known to be down; never raises.
            clock: returns monotonic seconds.

        """
        self.size = self._free = size
        self._max_silence, self._may_answer, self._clock = max_silence, may_answer, clock
        self._changed_at = clock()
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self._free

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot inside the block. Raises DatabaseUnavailableError when it is not worth waiting for one."""
        with self._changed:
            while not self._free:
                left = self._changed_at + self._max_silence - self._clock()
                if left <= 0 or not self._may_answer():
                    raise DatabaseUnavailableError
                self._changed.wait(min(left, _CHECK_SECONDS))
            self._free -= 1
            self._changed_at = self._clock()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed_at = self._clock()
                self._changed.notify()
