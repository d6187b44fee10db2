"""Keep what is measured and what measures it on processor cores of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LOAD", "SERVER", "are_separate", "pinned"]

_OURS: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

SERVER: Final = set(_OURS[:1])
"""Where the contenders run: one core, so that figures are per core."""

LOAD: Final = set(_OURS[1:2] or _OURS[:1])
"""Where everything else runs: the load generator, Valkey, and the database with the proxy before it."""


def are_separate() -> bool:
    """Say whether this machine has a second core to keep them apart."""
    return bool(SERVER) and SERVER != LOAD


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Run this thread, and give birth to processes, on these cores inside the block; anywhere if none are named."""
    if not cores:  # macOS lets nobody choose
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
