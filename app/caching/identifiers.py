"""Identifiers that are unique among all requests, threads and processes. Only the first needs a system call."""

import itertools
import os
import secrets
from collections.abc import Callable

_next: Callable[[], str]


def _start_series() -> None:
    """Start the series of this process: 16 random digits that identify the process, then 8 digits of a counter."""
    global _next  # noqa: PLW0603 - one for each process
    _next = map((secrets.token_hex(8) + "{:08x}").format, itertools.count()).__next__


_start_series()
os.register_at_fork(after_in_child=_start_series)  # otherwise parent and child would return the same identifiers


def new_identifier() -> str:
    """Return 24 hexadecimal digits that no other call has returned, in this or in any other process.

    The identifiers are unique but not secret: the next one can be guessed from the last one.
    """
    return _next()
