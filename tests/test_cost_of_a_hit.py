"""The cost of a cache hit in the whole application, as a number of Python calls and of Redis commands.

The tests count instead of measuring time. On a shared machine, times also depend on other programs. The number of calls
depends only on the code and is the same in each run. `make bench` measures times.
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

# Counted with Python 3.11. Python 3.13 makes 1 % fewer calls, because it inlines comprehensions. The margin covers this
# difference and a patch release of Flask. It does not cover a new middleware or a log line in each request.
CALLS: Final = 146
MARGIN: Final = 1.03
_HITS: Final = 10


def test_the_number_of_python_calls_of_a_hit_is_unchanged(
    app: Flask, seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """A change that makes a hit cheaper must lower `CALLS`. A commit that raises `CALLS` must give the reason."""
    caplog.set_level(logging.INFO, "app")  # as in production
    request_stats = _StatsRequest(app, seller)
    counts: list[int] = []

    def count() -> None:
        with _counting_calls() as calls:
            hit = request_stats()
        if hit:
            counts.append(len(calls))

    _repeat(count, until=lambda: len(counts) >= _HITS)

    # Use the minimum: rare events, such as a reconnect, can add calls to one hit, but nothing removes calls.
    assert min(counts) <= CALLS * MARGIN, counts
    # Fail also when a hit becomes cheaper, so that `CALLS` is lowered and a later increase is detected.
    assert min(counts) >= CALLS / MARGIN, counts


def test_every_hit_sends_one_command(app: Flask, stack: Stack, seller: Seller) -> None:
    """No hit sends a second command, for example a health check of the connection."""
    request_stats, spy, sent = _StatsRequest(app, seller), Spy(lambda: Redis.from_url(stack.redis.url)), list[int]()

    def count() -> None:
        with spy.counting() as commands:
            hit = request_stats()
        if hit:
            sent.append(len(commands))

    _repeat(count, until=lambda: len(sent) >= _HITS)

    assert sent == [1] * len(sent)


class _StatsRequest:
    """Requests the stats by calling the WSGI application as gunicorn does, so that no calls of a client are counted."""

    def __init__(self, app: Flask, seller: Seller) -> None:
        headers = Headers({"Authorization": f"Bearer {seller.token}"})
        self._app, self._environ = app, EnvironBuilder(STATS, headers=headers).get_environ()

    def __call__(self) -> bool:
        """Send the request; return whether it was a hit. On a busy machine the entry may have expired."""
        started: list[tuple[str, dict[str, str]]] = []

        def start(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Callable[[bytes], object]:
            started.append((status, dict(headers)))
            return len  # WSGI requires a `write` callable; it is not used

        b"".join(self._app(dict(self._environ), start))
        status, headers = started[0]
        assert status == "200 OK"
        return headers["Cache-Status"].startswith("asin-stats; hit")


def _repeat(count: Callable[[], None], *, until: Callable[[], bool]) -> None:
    """Call `count` until `until` returns true. The first requests, which also initialize objects, do no harm."""

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
