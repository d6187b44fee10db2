"""Checking a file computes for seconds, in a process whose other requests take a millisecond: let them through."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_STRETCH: Final = 0.0005  # seconds of computing between two pauses; a request waits for about five of them
_PAUSE: Final = 0.00005  # seconds; it becomes about twice that, and what waits has the interpreter and the processor

_turn: Final = threading.Lock()


@contextmanager
def taking_turns() -> Iterator[None]:
    """Compute inside the block while no other file of this process is worked on; call `breathe` often.

    So many files take as long as one after the other, and requests wait for one computing thread at most. Keep blocks
    short, and wait for nobody inside.
    """
    with _turn:
        yield


class _Pace:
    """When the thread whose turn it is has to pause next.

    Sleeping, because a thread that only offers the interpreter takes it back before anybody has woken up; and because
    Python's own switching, however often it is asked for, leaves the others to wait for a thread that never sleeps.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def breathe(self) -> None:
        """Pause if it is time to."""
        if time.perf_counter() >= self._due:
            time.sleep(_PAUSE)
            self._due = time.perf_counter() + _STRETCH


breathe: Final = _Pace().breathe
"""Pause for a moment if the last one was a while ago: call it after a row, or a block of a file."""
