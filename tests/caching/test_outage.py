"""Tests of Redis outages: answers stay correct, few are slow, and caching resumes without intervention."""

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
from tests.caching.engines import KEY, Computation, engine, fetch, has_recovered

_SLACK = 2.0
"""Seconds of delay that a busy machine may add."""


def test_dead_redis_is_bypassed_and_used_again_after_its_restart(valkey: ValkeyServer) -> None:
    """The breaker goes from closed to open, half-open and closed again; no read raises."""
    protocol = engine(valkey.url)
    valkey.kill()

    assert fetch(protocol, Computation("db")).value == "db"
    assert protocol.breaker.state is BreakerState.OPEN
    valkey.restart()

    assert wait_until(lambda: has_recovered(protocol), seconds=30)
    assert fetch(protocol, Computation()).outcome is Outcome.STORED
    assert fetch(protocol, Computation()).outcome is Outcome.HIT


def test_open_breaker_sends_no_command(valkey: ValkeyServer) -> None:
    """Only the probe's pings use the network."""
    protocol = engine(valkey.url)
    valkey.kill()
    fetch(protocol, Computation())
    errors = _errors(protocol)

    answers = [fetch(protocol, Computation()) for _ in range(50)]

    assert {answer.detail for answer in answers} == {"redis-down"}
    assert _errors(protocol) == errors


def _errors(protocol: LeaseProtocol) -> int:
    return sum(number for name, number in protocol.region.counts().items() if name.startswith("error:"))


def test_hung_redis_costs_each_thread_one_timeout(valkey: ValkeyServer) -> None:
    """Only calls in flight when Redis hangs wait for the timeout; later calls do not."""
    protocol = engine(valkey.url, timeout=0.5)
    fetch(protocol, Computation())
    details, stop = list[str | None](), time.monotonic() + 2.5
    valkey.pause()

    def reads(number: int) -> None:
        while time.monotonic() < stop:
            details.append(fetch(protocol, Computation(), key=f"{KEY}:{number}").detail)
            time.sleep(0.01)  # think time of a client

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(reads, range(6)))

    assert 1 <= details.count("redis-timeout") <= 6
    assert details.count("redis-down") > 60, "if each read waited for the timeout, there would be at most 30"
    valkey.resume()
    assert wait_until(lambda: has_recovered(protocol), seconds=30)


def test_reader_times_out_earlier_than_a_writer(valkey: ValkeyServer) -> None:
    """A reader can query the database instead; a delete must reach Redis."""
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
    assert wait_until(lambda: has_recovered(protocol), seconds=30)
    # A read may time out again: on a busy machine it may take longer than the read timeout.
    used = {Outcome.STORED, Outcome.HIT}
    assert wait_until(lambda: fetch(protocol, Computation()).outcome in used, seconds=10)


def test_lost_connections_recover_within_a_second(valkey: ValkeyServer) -> None:
    """CLIENT KILL causes no error, only reads that bypass the cache."""
    protocol = engine(valkey.url)
    fetch(protocol, Computation())
    admin = Redis.from_url(valkey.url)
    for _ in range(20):
        admin.client_kill_filter(_type="normal", skipme=True)
        fetch(protocol, Computation())

    assert wait_until(lambda: has_recovered(protocol), seconds=1 + _SLACK)
    assert fetch(protocol, Computation()).outcome is Outcome.HIT


def test_idle_connections_closed_by_the_server_are_replaced_without_an_error(valkey: ValkeyServer) -> None:
    """The next read is a hit."""
    protocol = engine(valkey.url)
    fetch(protocol, Computation("db"))
    idle_at = time.monotonic() + connection_stack.IDLE_CHECK_SECONDS
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert wait_until(lambda: time.monotonic() > idle_at, seconds=5)

    assert fetch(protocol, Computation()).outcome is Outcome.HIT
    assert _errors(protocol) == 0


def test_one_broken_connection_makes_the_engine_check_all_others(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If several connections were closed together, only one command fails."""
    monkeypatch.setattr(connection_stack, "IDLE_CHECK_SECONDS", 60.0)
    protocol = engine(valkey.url)
    _use_at_once(protocol, connections=5)
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)

    assert fetch(protocol, Computation("db")).detail == "redis-connection"
    assert wait_until(lambda: has_recovered(protocol), seconds=30)
    _use_at_once(protocol, connections=5)
    assert _errors(protocol) == 1


def _use_at_once(protocol: LeaseProtocol, *, connections: int) -> None:
    """Use `connections` connections at the same time: all readers start together."""
    together = threading.Barrier(connections)

    def read(number: int) -> None:
        together.wait(10)
        fetch(protocol, Computation(), key=f"{KEY}:{number}")

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(read, range(connections)))


def test_one_log_line_per_transition(valkey: ValkeyServer, caplog: pytest.LogCaptureFixture) -> None:
    """An outage writes two lines, not two for each request."""
    caplog.set_level(logging.INFO, logger="app.caching")
    protocol = engine(valkey.url)
    valkey.kill()
    for _ in range(30):
        fetch(protocol, Computation())
    valkey.restart()
    assert wait_until(lambda: has_recovered(protocol), seconds=30)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"], caplog.text


def test_forked_process_starts_its_own_probe(valkey: ValkeyServer) -> None:
    """A breaker that is open when gunicorn forks can close again in the child."""
    protocol = engine(valkey.url)
    valkey.kill()
    fetch(protocol, Computation())
    protocol.breaker._probe_pid = -1  # noqa: SLF001 - as a child sees it: started by another process
    before = set(threading.enumerate())  # a thread of another test may end at any time

    fetch(protocol, Computation())

    assert set(threading.enumerate()) - before
    valkey.restart()
    assert wait_until(lambda: has_recovered(protocol), seconds=30)
