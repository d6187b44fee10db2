"""The bulkhead of the database: it never refuses while calls come back, and never waits when none does."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from app.database import DatabaseUnavailableError
from app.database.bulkhead import Bulkhead
from local.processes import wait_until

_PLACES: Final = 3
_PATIENCE: Final = 0.5
_AT_ONCE: Final = 0.1


def _bulkhead() -> Bulkhead:
    return Bulkhead(_PLACES, max_silence=_PATIENCE, may_answer=lambda: True)


def _refused(bulkhead: Bulkhead) -> float:
    """Return how long it took to refuse a caller, in seconds."""
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), bulkhead.slot():
        pass
    return time.monotonic() - started


@contextmanager
def _full(bulkhead: Bulkhead) -> Iterator[None]:
    with ExitStack() as calls:
        for _ in range(_PLACES):
            calls.enter_context(bulkhead.slot())
        yield


def test_no_more_calls_are_made_at_once_and_all_get_their_turn() -> None:
    """Many callers, one after the other through few places, for longer than the patience: nobody is refused."""
    bulkhead, lock, inside = _bulkhead(), threading.Lock(), list[int]()
    now = 0

    def call(_: int) -> None:
        nonlocal now
        with bulkhead.slot():
            with lock:
                now += 1
                inside.append(now)
            time.sleep(_PATIENCE / 5)
            with lock:
                now -= 1

    with ThreadPoolExecutor(24) as threads:
        list(threads.map(call, range(48)))
    assert max(inside) == _PLACES
    assert len(inside) == 48


def test_callers_after_a_long_rest_wait_their_turn() -> None:
    """That nothing came back while nobody asked means nothing."""
    now = [0.0]
    bulkhead = Bulkhead(_PLACES, max_silence=_PATIENCE, may_answer=lambda: True, clock=lambda: now[0])
    now[0] = 3600.0
    with ThreadPoolExecutor(1) as thread:
        with _full(bulkhead):
            waiting = thread.submit(lambda: bulkhead.slot().__enter__())
            assert not waiting.done()
        assert waiting.result(timeout=5) is None


def test_when_none_comes_back_nobody_waits_for_longer_than_the_patience() -> None:
    """And who comes after that does not wait at all."""
    bulkhead = _bulkhead()
    with _full(bulkhead):
        assert _PATIENCE - 0.1 <= _refused(bulkhead) < _PATIENCE + 0.3
        assert max(_refused(bulkhead) for _ in range(10)) < _AT_ONCE
    with bulkhead.slot():
        pass


def test_without_hope_nobody_waits() -> None:
    """Those who wait already stop waiting."""
    hope = threading.Event()
    hope.set()
    bulkhead = Bulkhead(1, max_silence=60, may_answer=hope.is_set)
    with ThreadPoolExecutor(1) as thread, bulkhead.slot():
        waiting = thread.submit(_refused, bulkhead)
        assert not waiting.done()
        hope.clear()
        assert waiting.result(timeout=10) < 10
        assert wait_until(lambda: _refused(bulkhead) < _AT_ONCE, seconds=5)
