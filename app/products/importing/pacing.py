"""Let other requests run while a file is checked: that takes seconds of CPU time, other requests take milliseconds."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_COMPUTE_SECONDS: Final = 0.0005  # between two pauses; a request waits for about five of these periods
_PAUSE_SECONDS: Final = 0.00005  # the system makes it about twice as long; meanwhile other threads run

_computing: Final = threading.Lock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Run the block while no other file of this process is inside such a block. Call `pause_if_due` often inside.

    Several files together then take as long as one after the other, and requests compete with at most one computing
    thread. Keep the block short, and do not wait for anything inside.
    """
    with _computing:
        yield


class _Pace:
    """The time at which the computing thread has to pause next.

    The pause is a sleep. A thread that only releases the interpreter lock takes it again before another thread wakes
    up. Python's own thread switching lets the others wait for a thread that never sleeps, even with a short interval.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def pause_if_due(self) -> None:
        """Pause if the last pause ended long enough ago."""
        if time.perf_counter() >= self._due:
            time.sleep(_PAUSE_SECONDS)
            self._due = time.perf_counter() + _COMPUTE_SECONDS


pause_if_due: Final = _Pace().pause_if_due
"""Pause for a moment if the last pause was long enough ago. Call it after each row or block of a file."""
