"""Redis refusing, hanging, dying and coming back: answers stay right, few are slow, caching resumes by itself."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError

import pytest
from redis import Redis

from app.caching import connection_stack
from app.caching.events import BreakerState
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, Computation, engine, fetch, recovered


def test_a_dead_redis_is_bypassed_and_comes_back_by_itself(valkey: ValkeyServer) -> None:
    """Closed, open, half-open, closed: without a restart and without an error."""
    protocol = engine(valkey.url)
    valkey.kill()

    assert fetch(protocol, Computation("db")).value == "db"
    assert protocol.breaker.state is BreakerState.OPEN
    valkey.restart()

    assert wait_until(lambda: recovered(protocol), seconds=5)
    assert fetch(protocol, Computation()).outcome is Outcome.STORED
    assert fetch(protocol, Computation()).outcome is Outcome.HIT


def test_an_open_breaker_sends_no_command(valkey: ValkeyServer) -> None:
    """While open the engine is a null cache: nothing but the probe's pings reaches for the network."""
    protocol = engine(valkey.url)
    valkey.kill()
    fetch(protocol, Computation())
    errors = _errors(protocol)

    answers = [fetch(protocol, Computation()) for _ in range(50)]

    assert {answer.detail for answer in answers} == {"redis-down"}
    assert _errors(protocol) == errors


def _errors(protocol: LeaseProtocol) -> int:
    return sum(number for name, number in protocol.region.counts().items() if name.startswith("error:"))


def test_a_hung_redis_costs_each_thread_one_timeout(valkey: ValkeyServer) -> None:
    """Only calls in flight when it hangs wait for the timeout; all later ones pay nothing."""
    protocol = engine(valkey.url, timeout=0.5)
    fetch(protocol, Computation())
    slow, stop = list[float](), time.monotonic() + 2.5
    valkey.pause()

    def reads(number: int) -> None:
        while time.monotonic() < stop:
            started = time.monotonic()
            fetch(protocol, Computation(), key=f"{KEY}:{number}")
            if time.monotonic() - started > 0.4:
                slow.append(started)
            time.sleep(0.01)  # think time of a client

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(reads, range(6)))

    assert 1 <= len(slow) <= 6, slow
    valkey.resume()
    assert wait_until(lambda: recovered(protocol), seconds=1.5)


def test_a_reader_does_not_wait_for_redis_as_long_as_a_writer(valkey: ValkeyServer) -> None:
    """A reader can ask the database instead; a delete is worth waiting for."""
    protocol = engine(valkey.url, timeout=60, read_timeout=0.05)
    fetch(protocol, Computation())
    valkey.pause()
    with ThreadPoolExecutor(1) as threads:
        ending = threads.submit(protocol.end, KEY)
        with pytest.raises(FuturesTimeoutError):
            ending.result(0.2)

        assert fetch(protocol, Computation("db")).detail == "redis-timeout"

        valkey.resume()
        ending.result(10)
    assert protocol.region.counts()["owed"] == 0
    assert wait_until(lambda: recovered(protocol), seconds=5)
    assert fetch(protocol, Computation()).outcome is Outcome.STORED


def test_a_lost_connection_is_mended_within_a_moment(valkey: ValkeyServer) -> None:
    """CLIENT KILL costs nobody an error and at most a few milliseconds of bypassing."""
    protocol = engine(valkey.url)
    fetch(protocol, Computation())
    admin = Redis.from_url(valkey.url)
    for _ in range(20):
        admin.client_kill_filter(_type="normal", skipme=True)
        fetch(protocol, Computation())

    assert wait_until(lambda: recovered(protocol), seconds=1)
    assert fetch(protocol, Computation()).outcome is Outcome.HIT


def test_idle_connections_the_server_closed_are_mended_unnoticed(valkey: ValkeyServer) -> None:
    """Nobody pays for what happened while nobody asked."""
    protocol, moment = engine(valkey.url), time.monotonic() + 0.2
    fetch(protocol, Computation("db"))
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert wait_until(lambda: time.monotonic() > moment, seconds=5)

    assert fetch(protocol, Computation()).outcome is Outcome.HIT
    assert _errors(protocol) == 0


def test_one_broken_connection_makes_all_others_be_looked_at(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many were closed together, nobody is lent a second one unseen."""
    monkeypatch.setattr(connection_stack, "TRUSTED_SECONDS", 60.0)
    protocol = engine(valkey.url)
    _use_at_once(protocol, connections=5)
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)

    assert fetch(protocol, Computation("db")).detail == "redis-connection"
    assert wait_until(lambda: recovered(protocol), seconds=5)
    _use_at_once(protocol, connections=5)
    assert _errors(protocol) == 1


def _use_at_once(protocol: LeaseProtocol, *, connections: int) -> None:
    """Use so many connections at the same time; each reader misses, and all compute until the last has come."""
    together = threading.Barrier(connections)

    def read(number: int) -> None:
        together.wait(10)
        fetch(protocol, Computation(), key=f"{KEY}:{number}")

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(read, range(connections)))


def test_one_log_line_per_transition(valkey: ValkeyServer, caplog: pytest.LogCaptureFixture) -> None:
    """An outage is two lines, not two per request."""
    caplog.set_level(logging.INFO, logger="app.caching")
    protocol = engine(valkey.url)
    valkey.kill()
    for _ in range(30):
        fetch(protocol, Computation())
    valkey.restart()
    assert wait_until(lambda: recovered(protocol), seconds=5)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"], caplog.text


def test_the_probe_survives_a_fork_by_starting_again(valkey: ValkeyServer) -> None:
    """A breaker that is open when gunicorn forks finds its way back in the child."""
    protocol = engine(valkey.url)
    valkey.kill()
    fetch(protocol, Computation())
    protocol.breaker._probe_pid = -1  # noqa: SLF001 - as a child sees it: started by another process
    before = threading.active_count()

    fetch(protocol, Computation())

    assert threading.active_count() > before
    valkey.restart()
    assert wait_until(lambda: recovered(protocol), seconds=5)
