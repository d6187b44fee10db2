"""The bulkhead of the database: callers queue while calls are answered, and fail fast when none is."""

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

_SLOTS: Final = 3
_MAX_SILENCE: Final = 1.0
_IMMEDIATELY: Final = 0.8
_SLACK: Final = 2.0  # seconds; tolerance for a busy machine


def _bulkhead(*, max_silence: float = _MAX_SILENCE) -> Bulkhead:
    return Bulkhead(_SLOTS, max_silence=max_silence, may_answer=lambda: True)


def _refused(bulkhead: Bulkhead) -> float:
    """Make a call that is refused and return its waiting time in seconds."""
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), bulkhead.slot():
        pass
    return time.monotonic() - started


@contextmanager
def _full(bulkhead: Bulkhead) -> Iterator[None]:
    with ExitStack() as calls:
        for _ in range(_SLOTS):
            calls.enter_context(bulkhead.slot())
        yield


def test_concurrent_calls_are_limited_and_all_callers_are_served() -> None:
    """Many callers share few slots for longer than `max_silence` seconds. None is refused."""
    bulkhead, lock, inside = _bulkhead(max_silence=3.0), threading.Lock(), list[int]()
    now = 0

    def call(_: int) -> None:
        nonlocal now
        with bulkhead.slot():
            with lock:
                now += 1
                inside.append(now)
            time.sleep(0.25)
            with lock:
                now -= 1

    with ThreadPoolExecutor(24) as threads:
        list(threads.map(call, range(48)))
    assert max(inside) == _SLOTS
    assert len(inside) == 48


def test_callers_after_an_idle_period_wait_for_a_slot() -> None:
    """Time without any call does not count as time without an answer."""
    now = [0.0]
    bulkhead = Bulkhead(_SLOTS, max_silence=_MAX_SILENCE, may_answer=lambda: True, clock=lambda: now[0])
    now[0] = 3600.0
    with ThreadPoolExecutor(1) as thread:
        with _full(bulkhead):
            waiting = thread.submit(lambda: bulkhead.slot().__enter__())
            assert not waiting.done()
        assert waiting.result(timeout=5) is None


def test_without_answers_callers_wait_no_longer_than_max_silence() -> None:
    """Later callers are refused at once."""
    bulkhead, started = _bulkhead(), time.monotonic()
    with _full(bulkhead):
        _refused(bulkhead)
        assert _MAX_SILENCE <= time.monotonic() - started < _MAX_SILENCE + _SLACK
        assert max(_refused(bulkhead) for _ in range(10)) < _IMMEDIATELY
    with bulkhead.slot():
        pass


def test_callers_do_not_wait_when_the_database_is_down() -> None:
    """Callers that are already waiting are refused too."""
    may_answer = threading.Event()
    may_answer.set()
    bulkhead = Bulkhead(1, max_silence=60, may_answer=may_answer.is_set)
    with ThreadPoolExecutor(1) as thread, bulkhead.slot():
        waiting = thread.submit(_refused, bulkhead)
        assert not waiting.done()
        may_answer.clear()
        assert waiting.result(timeout=10) < 10
        assert wait_until(lambda: _refused(bulkhead) < _IMMEDIATELY, seconds=5)
