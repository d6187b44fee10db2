"""What a hit costs the whole application, counted, not timed: a guard against work that creeps into every request.

The clock of a shared machine cannot tell a slow change from a slow neighbour; a count of Python calls can, and it is
the same each time. Times are for `make bench`.
"""

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import pytest
from flask import Flask
from redis import Redis
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from local.processes import wait_until
from local.stack import Stack
from tests.caching.engines import Spy
from tests.sellers import STATS, Seller

# Counted on Python 3.11, where each hit makes the same number. 3.13 counts 1 % less: it inlines comprehensions.
# The margin covers that and a patch release of Flask, but not another layer or a log line in every request.
CALLS: Final = 146
MARGIN: Final = 1.03
_HITS: Final = 10


def test_a_hit_makes_as_many_python_calls_as_it_did(
    app: Flask, seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever makes it cheaper lowers `CALLS`; whoever must make it dearer says why in the commit that raises it."""
    caplog.set_level(logging.INFO, "app")  # as in production
    visit = _Visit(app, seller)
    counts: list[int] = []

    def count() -> None:
        with _counting_calls() as calls:
            hit = visit()
        if hit:
            counts.append(len(calls))

    _repeat(count, until=lambda: len(counts) >= _HITS)

    # The least of them: something rare may add to one, nothing takes away.
    assert min(counts) <= CALLS * MARGIN, counts
    # The constant has to follow the code down, or the room above would grow unseen.
    assert min(counts) >= CALLS / MARGIN, counts


def test_every_hit_sends_one_command(app: Flask, stack: Stack, seller: Seller) -> None:
    """Nothing now and then adds a second one."""
    visit, spy, sent = _Visit(app, seller), Spy(lambda: Redis.from_url(stack.redis.url)), list[int]()

    def count() -> None:
        with spy.counting() as commands:
            hit = visit()
        if hit:
            sent.append(len(commands))

    _repeat(count, until=lambda: len(sent) >= _HITS)

    assert sent == [1] * len(sent)


class _Visit:
    """One request, sent to the application as gunicorn would, without a client's own calls."""

    def __init__(self, app: Flask, seller: Seller) -> None:
        headers = Headers({"Authorization": f"Bearer {seller.token}"})
        self._app, self._environ = app, EnvironBuilder(STATS, headers=headers).get_environ()

    def __call__(self) -> bool:
        """Return whether it was a hit: on a busy machine an entry may have expired."""
        said: list[tuple[str, dict[str, str]]] = []

        def start(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Callable[[bytes], object]:
            said.append((status, dict(headers)))
            return len  # a way to write that WSGI keeps for the very old

        b"".join(self._app(dict(self._environ), start))
        status, headers = said[0]
        assert status == "200 OK"
        return headers["Cache-Status"].startswith("asin-stats; hit")


def _repeat(count: Callable[[], None], *, until: Callable[[], bool]) -> None:
    """Count some hits; the first few, which make what is made at the first use, do no harm."""

    def counted() -> bool:
        count()
        return until()

    assert wait_until(counted, seconds=60)


@contextmanager
def _counting_calls() -> Iterator[list[str]]:
    """Yield a list that gets the name of every Python function called inside the block."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            names.append(frame.f_code.co_qualname)

    gc.disable()  # finalizers are calls too
    sys.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(None)
        gc.enable()
