"""The circuit breaker of the database: what opens it, what does not, and how it finds its way back."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from app.database import DatabaseUnavailableError
from app.database.breaker import Breaker
from local.processes import wait_until

_PATIENCE: Final = 0.8
_AT_ONCE: Final = 0.1


class Database:
    """What a probe asks: it answers, or lets the probe time out. Counts probes."""

    def __init__(self) -> None:
        """Answer."""
        self.up = threading.Event()
        self.up.set()
        self.probes, self.at_once, self._lock = 0, 0, threading.Lock()
        self.most_at_once = 0

    def probe(self, seconds: float) -> float | None:
        """Answer as soon as it is up, within `seconds`."""
        with self._lock:
            self.probes, self.at_once = self.probes + 1, self.at_once + 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        answered = self.up.wait(seconds)
        with self._lock:
            self.at_once -= 1
        return 0.001 if answered else None


@pytest.fixture
def database() -> Database:
    """Return a database that answers."""
    return Database()


@pytest.fixture
def breaker(database: Database) -> Iterator[Breaker]:
    """Return a breaker; its probing ends with the test."""
    yield Breaker(database.probe, max_silence=_PATIENCE)
    database.up.set()


def _passes(breaker: Breaker) -> float:
    """Make a call that is answered and return how long it had to wait, in seconds. Raises DatabaseUnavailableError."""
    started = time.monotonic()
    with breaker.call():
        return time.monotonic() - started


def _refused(breaker: Breaker) -> float:
    """Return how long it took to refuse a call, in seconds."""
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), breaker.call():
        pass
    return time.monotonic() - started


def _ends(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(type(error)), breaker.call():
        raise error


@contextmanager
def _unanswered(breaker: Breaker) -> Iterator[None]:
    """Keep a call waiting inside the block, for long enough that somebody should wonder."""
    release, entered = threading.Event(), threading.Event()

    def call() -> None:
        with breaker.call():
            entered.set()
            release.wait()

    waiting = threading.Thread(target=call)
    waiting.start()
    entered.wait()
    time.sleep(_PATIENCE / 4)  # what is waited for is time itself: silence
    try:
        yield
    finally:
        release.set()
        waiting.join()


def test_calls_pass_without_a_probe(breaker: Breaker, database: Database) -> None:
    """As long as they come back nobody asks anything else."""
    for _ in range(100):
        _passes(breaker)
    assert database.probes == 0


def test_one_slow_statement_does_not_open_it(breaker: Breaker, database: Database) -> None:
    """A probe is answered, so the call after it goes ahead."""
    with _unanswered(breaker):
        assert _passes(breaker) < _PATIENCE
        assert breaker.admits()
    assert database.probes == 1


def test_silence_opens_it_and_further_calls_are_refused_at_once(
    breaker: Breaker, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller who notices waits for the probe, and no longer than the patience; the log has one line."""
    database.up.clear()
    with _unanswered(breaker):
        assert _refused(breaker) < _PATIENCE + 0.2
        assert not breaker.admits()
        assert max(_refused(breaker) for _ in range(20)) < _AT_ONCE
    assert [record.message for record in caplog.records] == [
        "Database circuit breaker open: the database does not answer"
    ]


def test_asking_whether_it_admits_notices_silence_too(breaker: Breaker, database: Database) -> None:
    """Readers who wait for another's computation ask only that."""
    database.up.clear()
    with _unanswered(breaker):
        assert breaker.admits()
        assert wait_until(lambda: not breaker.admits(), seconds=2 * _PATIENCE)


def test_there_is_one_probe_at_a_time(breaker: Breaker, database: Database) -> None:
    """However many callers wait for what it finds."""
    database.up.clear()
    with _unanswered(breaker), ThreadPoolExecutor(16) as threads:
        assert max(threads.map(_refused, [breaker] * 32)) < _PATIENCE + 0.2
        for _ in range(2):
            probes = database.probes
            assert wait_until(lambda seen=probes: database.probes > seen, seconds=5)  # type: ignore[misc]
    assert database.most_at_once == 1


@pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_a_timeout_makes_a_probe_decide(breaker: Breaker, database: Database, error: Exception) -> None:
    """One may be a slow statement; two in a row, of which one is a probe, are not."""
    _ends(breaker, error)
    assert _passes(breaker) < _PATIENCE
    assert breaker.admits()
    database.up.clear()
    _ends(breaker, error)
    assert _refused(breaker) < _PATIENCE + 0.2
    assert not breaker.admits()


def test_a_refused_connection_opens_it_at_once(breaker: Breaker, database: Database) -> None:
    """Nobody is there; and one answered probe later everything goes on."""
    database.up.clear()
    _ends(breaker, httpx.ConnectError("refused"))
    assert _refused(breaker) < _AT_ONCE
    database.up.set()
    assert wait_until(breaker.admits, seconds=1)
    _passes(breaker)


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.RemoteProtocolError("cut off"), ValueError("no")])
def test_what_comes_back_at_once_is_no_reason(breaker: Breaker, database: Database, error: Exception) -> None:
    """An error costs nobody time, whatever it is."""
    for _ in range(10):
        _ends(breaker, error)
        _passes(breaker)
    assert database.probes == 0


def test_an_answer_outweighs_a_probe_without_one(breaker: Breaker, database: Database) -> None:
    """A database that still answers calls is not down, only slow."""
    database.up.clear()
    with ThreadPoolExecutor(1) as thread, _unanswered(breaker):
        noticing = thread.submit(_passes, breaker)
        assert wait_until(lambda: database.probes == 1, seconds=5)
        # Its call has come back here, while the probe is under way.
    assert noticing.result() < _PATIENCE
    assert wait_until(lambda: database.probes >= 2, seconds=5)  # the first has ended without an answer
    assert breaker.admits()


def test_it_closes_with_the_first_answer(
    breaker: Breaker, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Within a second, by itself, and says so once."""
    caplog.set_level("INFO")
    database.up.clear()
    with _unanswered(breaker):
        _refused(breaker)
    database.up.set()
    started = time.monotonic()
    assert wait_until(breaker.admits, seconds=1)
    assert time.monotonic() - started < 1
    assert _passes(breaker) < _AT_ONCE
    assert caplog.records[-1].message == "Database circuit breaker closed: the database answers again"
    assert len(caplog.records) == 2


def test_those_who_ask_how_it_is_share_one_probe_a_second(breaker: Breaker, database: Database) -> None:
    """A hundred callers cost one question."""
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: breaker.latency(), range(100))) == {0.001}
    assert database.probes == 1


def test_who_asks_how_a_hung_database_is_learns_it_in_time(breaker: Breaker, database: Database) -> None:
    """Also without any call, and soon everybody else knows it too."""
    database.up.clear()
    assert _told_of_trouble(breaker) < _PATIENCE / 2 + 0.2
    assert wait_until(lambda: not breaker.admits(), seconds=_PATIENCE)
    assert _told_of_trouble(breaker) < _AT_ONCE


def test_one_caller_waits_to_know_how_it_is_and_the_others_are_told_what_was_known(
    breaker: Breaker, database: Database
) -> None:
    """So strangers who ask cannot hold every thread, even at the moment it hangs."""
    assert breaker.latency() == 0.001
    time.sleep(1.1)  # what was found then is old now
    database.up.clear()
    with ThreadPoolExecutor(16) as threads:
        first = threads.submit(_told_of_trouble, breaker)
        assert wait_until(lambda: database.probes == 2, seconds=5)
        started = time.monotonic()
        assert breaker.latency() == 0.001
        assert time.monotonic() - started < _AT_ONCE
        assert first.result() < _PATIENCE / 2 + 0.2


def _told_of_trouble(breaker: Breaker) -> float:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        breaker.latency()
    return time.monotonic() - started
