"""Identifiers that no two requests, threads or workers share, without asking the kernel for each."""

import itertools
import os
import secrets
from collections.abc import Callable

_next: Callable[[], str]


def _draw() -> None:
    """Start a series of this process's own: a random half that names it, and a half that counts."""
    global _next  # noqa: PLW0603 - one for each process
    _next = map((secrets.token_hex(8) + "{:08x}").format, itertools.count()).__next__


_draw()
os.register_at_fork(after_in_child=_draw)  # a forked worker would go on counting where its brother does


def new_identifier() -> str:
    """Return 24 hexadecimal digits that were never returned before, here or in any other process.

    Unique, not secret: who knows one can guess the next.
    """
    return _next()
