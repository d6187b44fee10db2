"""Run the measured servers and the load generator on separate processor cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LOAD", "SERVER", "are_separate", "pinned"]

_OURS: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

SERVER: Final = set(_OURS[:1])
"""The core of the contenders. They use one core, so figures are per core."""

LOAD: Final = set(_OURS[1:2] or _OURS[:1])
"""The core of everything else: the load generator, Valkey, the database and the proxy in front of it."""


def are_separate() -> bool:
    """Return whether this machine has a second core for the load."""
    return bool(SERVER) and SERVER != LOAD


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Pin this thread, and the processes it starts, to these cores inside the block. An empty set pins nothing."""
    if not cores:  # macOS has no API to choose cores
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
