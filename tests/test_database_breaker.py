"""The circuit breaker of the database: what opens it, what does not, and how it closes."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

import httpx
import pytest

from app.database import DatabaseUnavailableError
from app.database.breaker import Breaker
from local.processes import wait_until

_MAX_SILENCE: Final = 2.0
_IMMEDIATELY: Final = _MAX_SILENCE / 2
"""Less than the shortest time for which a caller waits for a probe that is not answered."""
_PROBE_ENDS: Final = _MAX_SILENCE * 3 / 4
_SLACK: Final = 2.0  # seconds; tolerance for a busy machine


class Database:
    """A database for probes: it answers, or lets the probe time out. Counts the probes."""

    def __init__(self) -> None:
        """Start in the state in which probes are answered."""
        self.up = threading.Event()
        self.up.set()
        self.probes, self.running, self._lock = 0, 0, threading.Lock()
        self.most_running = 0

    def probe(self, seconds: float) -> float | None:
        """Wait at most `seconds` for the database to be up; return a latency, or None after a timeout."""
        with self._lock:
            self.probes, self.running = self.probes + 1, self.running + 1
            self.most_running = max(self.most_running, self.running)
        answered = self.up.wait(seconds)
        with self._lock:
            self.running -= 1
        return 0.001 if answered else None


@pytest.fixture
def database() -> Database:
    """Return a database that answers."""
    return Database()


@pytest.fixture
def breaker(database: Database) -> Iterator[Breaker]:
    """Return a breaker. Its probes stop when the test ends."""
    with closing(Breaker(database.probe, max_silence=_MAX_SILENCE)) as breaker:
        yield breaker
        database.up.set()


def _passes(breaker: Breaker) -> float:
    """Make a successful call and return its waiting time in seconds. Raises DatabaseUnavailableError."""
    started = time.monotonic()
    with breaker.call():
        return time.monotonic() - started


def _refused(breaker: Breaker) -> float:
    """Make a call that is refused and return its waiting time in seconds."""
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), breaker.call():
        pass
    return time.monotonic() - started


def _fails_with(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(type(error)), breaker.call():
        raise error


@contextmanager
def _unanswered(breaker: Breaker) -> Iterator[None]:
    """Keep a call without an answer during the block, long enough that the breaker must probe."""
    release, entered = threading.Event(), threading.Event()

    def call() -> None:
        with breaker.call():
            entered.set()
            release.wait()

    waiting = threading.Thread(target=call)
    waiting.start()
    entered.wait()
    time.sleep(_MAX_SILENCE / 4)  # the breaker measures the time without an answer
    try:
        yield
    finally:
        release.set()
        waiting.join()


def test_calls_pass_without_a_probe(breaker: Breaker, database: Database) -> None:
    """The breaker does not probe while calls succeed."""
    for _ in range(100):
        _passes(breaker)
    assert database.probes == 0


def test_one_slow_statement_does_not_open_the_breaker(breaker: Breaker, database: Database) -> None:
    """A probe is answered, so the next call is admitted."""
    with _unanswered(breaker):
        assert _passes(breaker) < _MAX_SILENCE
        assert breaker.admits()
    assert database.probes == 1


def test_a_database_that_does_not_answer_opens_the_breaker(
    breaker: Breaker, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The first caller waits for the probe, at most `max_silence` seconds. The log has one line."""
    database.up.clear()
    with _unanswered(breaker):
        assert _refused(breaker) < _MAX_SILENCE + _SLACK
        assert not breaker.admits()
        assert max(_refused(breaker) for _ in range(20)) < _IMMEDIATELY
    assert [record.message for record in caplog.records] == [
        "Database circuit breaker open: the database does not answer"
    ]


def test_admits_detects_a_database_that_does_not_answer(breaker: Breaker, database: Database) -> None:
    """Readers that wait for another reader's computation call only `admits`."""
    database.up.clear()
    with _unanswered(breaker):
        assert breaker.admits()
        assert wait_until(lambda: not breaker.admits(), seconds=2 * _MAX_SILENCE)


def test_at_most_one_probe_runs_at_a_time(breaker: Breaker, database: Database) -> None:
    """All callers wait for the same probe."""
    database.up.clear()
    with _unanswered(breaker), ThreadPoolExecutor(16) as threads:
        assert max(threads.map(_refused, [breaker] * 32)) < _MAX_SILENCE + _SLACK
        for _ in range(2):
            probes = database.probes
            assert wait_until(lambda seen=probes: database.probes > seen, seconds=5)  # type: ignore[misc]
    assert database.most_running == 1


@pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_a_timeout_triggers_a_probe_that_decides(breaker: Breaker, database: Database, error: Exception) -> None:
    """One timeout may be a slow statement. A timeout followed by a failed probe opens the breaker."""
    _fails_with(breaker, error)
    assert _passes(breaker) < _MAX_SILENCE
    assert breaker.admits()
    database.up.clear()
    _fails_with(breaker, error)
    assert _refused(breaker) < _MAX_SILENCE + _SLACK
    assert not breaker.admits()


def test_a_refused_connection_opens_the_breaker_at_once(breaker: Breaker, database: Database) -> None:
    """The server is not running. After one answered probe the breaker closes."""
    database.up.clear()
    _fails_with(breaker, httpx.ConnectError("refused"))
    assert _refused(breaker) < _IMMEDIATELY
    database.up.set()
    assert wait_until(breaker.admits, seconds=10)
    _passes(breaker)


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.RemoteProtocolError("cut off"), ValueError("no")])
def test_an_immediate_error_does_not_open_the_breaker(breaker: Breaker, database: Database, error: Exception) -> None:
    """An immediate error makes no caller wait."""
    for _ in range(10):
        _fails_with(breaker, error)
        _passes(breaker)
    assert database.probes == 0


def test_an_answered_call_overrides_a_failed_probe(breaker: Breaker, database: Database) -> None:
    """A database that still answers calls is slow, not down."""
    database.up.clear()
    with ThreadPoolExecutor(1) as thread, _unanswered(breaker):
        caller = thread.submit(_passes, breaker)
        assert wait_until(lambda: database.probes == 1, seconds=5)
        # Here the call has been answered while the probe is still running.
    assert caller.result() < _MAX_SILENCE
    assert wait_until(lambda: database.probes >= 2, seconds=5)  # the first probe has timed out
    assert breaker.admits()


def test_the_breaker_closes_with_the_first_answered_probe(
    breaker: Breaker, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It closes by itself within 1 s, with one log line."""
    caplog.set_level("INFO")
    database.up.clear()
    with _unanswered(breaker):
        _refused(breaker)
    database.up.set()
    started = time.monotonic()
    assert wait_until(breaker.admits, seconds=10)
    assert time.monotonic() - started < 1 + _SLACK
    assert _passes(breaker) < _IMMEDIATELY
    assert caplog.records[-1].message == "Database circuit breaker closed: the database answers again"
    assert len(caplog.records) == 2


def test_latency_callers_share_one_probe_per_second(breaker: Breaker, database: Database) -> None:
    """A hundred callers cause one probe."""
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: breaker.latency(), range(100))) == {0.001}
    assert database.probes == 1


def test_latency_of_a_hung_database_fails_in_bounded_time(breaker: Breaker, database: Database) -> None:
    """`latency` detects the hang without any other call, and the breaker opens for all callers."""
    database.up.clear()
    assert _latency_fails(breaker) < _PROBE_ENDS
    assert wait_until(lambda: not breaker.admits(), seconds=_MAX_SILENCE)
    assert _latency_fails(breaker) < _IMMEDIATELY


def test_only_one_latency_caller_waits_and_the_others_get_the_last_result(database: Database) -> None:
    """Anonymous health checks cannot occupy every thread, even when the database has just hung."""
    now = [0.0]
    with closing(Breaker(database.probe, max_silence=_MAX_SILENCE, clock=lambda: now[0])) as breaker:
        assert breaker.latency() == 0.001
        now[0] = 1.1  # the last result is older than a second now
        database.up.clear()
        with ThreadPoolExecutor(16) as threads:
            first = threads.submit(_latency_fails, breaker)
            assert wait_until(lambda: database.probes == 2, seconds=5)
            started = time.monotonic()
            assert breaker.latency() == 0.001
            assert time.monotonic() - started < _IMMEDIATELY
            assert first.result() < _PROBE_ENDS


def _latency_fails(breaker: Breaker) -> float:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        breaker.latency()
    return time.monotonic() - started
