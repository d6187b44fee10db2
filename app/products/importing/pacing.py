"""Checking a file computes for seconds, in a process whose other requests take a millisecond: let them through."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SWITCH_SECONDS: Final = 0.0001
"""How long another thread waits for the interpreter at most, instead of Python's 5 ms. A request asks for it about five
times; switching costs microseconds, and only while somebody waits."""

_turn: Final = threading.Lock()


@contextmanager
def taking_turns() -> Iterator[None]:
    """Compute inside the block while no other file of this process is worked on, and give way to other threads often.

    So many files take as long as one after the other, and requests wait for one computing thread at most. Keep blocks
    short, and wait for nobody inside.
    """
    with _turn:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            yield
        finally:
            sys.setswitchinterval(usual)
