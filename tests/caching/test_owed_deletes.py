"""Tests of owed deletes: invalidations that could not be delivered while Redis was unreachable."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from app.caching.breaker import MAX_EXPIRED_OWED
from app.caching.connection import Topology, connect
from app.caching.events import BreakerState
from app.caching.policy import Timing
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, SHORT_TIMING, Computation, engine, fetch, has_recovered


def test_owed_delete_is_delivered_before_reads_are_admitted(valkey: ValkeyServer) -> None:
    """A paused server still holds the value from before the change; no read may return it afterwards."""
    writer = engine(valkey.url, timeout=0.2)
    fetch(writer, Computation("before"))
    valkey.pause()
    writer.end(KEY, writer.begin(KEY))
    assert (writer.breaker.state, writer.breaker.owed) == (BreakerState.OPEN, 1)
    valkey.resume()

    seen = {fetch(writer, Computation("after")).value for _ in range(50)}
    assert wait_until(lambda: has_recovered(writer), seconds=10)
    seen |= {fetch(writer, Computation("after")).value for _ in range(3)}

    assert seen == {"after"}
    assert writer.breaker.owed == 0
    assert Redis.from_url(valkey.url).get(KEY) == b'"after"'


def test_worker_does_not_serve_an_entry_whose_delete_another_worker_owes(valkey: ValkeyServer) -> None:
    """Holds for a worker that did not notice the outage."""
    owing = engine(valkey.url, timeout=0.2)
    other = engine(valkey.url, timeout=0.2, region=owing.region)
    fetch(owing, Computation("before"))
    owing.breaker.owe(KEY, "token", lifetime=5)

    answer = fetch(other, Computation("after"))

    assert other.breaker.state is BreakerState.CLOSED
    assert answer.value == "after"
    assert wait_until(lambda: fetch(other, Computation("after")).outcome is Outcome.HIT, seconds=3)


def test_number_of_expired_owed_deletes_is_bounded(valkey: ValkeyServer) -> None:
    """Memory stays bounded in an outage that is longer than the TTL of any entry."""
    now = [0.0]
    protocol = LeaseProtocol(connect(Topology(url=valkey.url)), timing=SHORT_TIMING, clock=lambda: now[0])
    valkey.kill()
    for number in range(MAX_EXPIRED_OWED + 100):
        protocol.end(f"{KEY}:{number}")
    assert protocol.breaker.owed == MAX_EXPIRED_OWED + 100

    now[0] = SHORT_TIMING.owed + 1
    protocol.end(f"{KEY}:last")

    assert protocol.breaker.owed == MAX_EXPIRED_OWED + 1


@pytest.mark.parametrize("writing", [False, True], ids=["readers", "writers"])
@pytest.mark.parametrize("seconds", [3, 6, 10, 40])
def test_hung_redis_serves_hits_as_soon_as_it_resumes(valkey: ValkeyServer, seconds: float, *, writing: bool) -> None:
    """A command that timed out runs when the server resumes; the lease or writer that it leaves is removed at once.

    All durations are a tenth of the real ones. The longest hang exceeds every lease, wait time and deadline.
    """
    timing = Timing(lease=0.5, wait=0.2, writer=3.0, owed=3.0)
    protocol = engine(valkey.url, timeout=0.2, read_timeout=0.1, timing=timing)
    fetch(protocol, Computation(), key=f"{KEY}:other")
    valkey.pause()
    paused = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: fetch(protocol, Computation()), range(8)))
    if writing:
        protocol.end(KEY, protocol.begin(KEY))
    assert wait_until(lambda: time.monotonic() > paused + seconds / 10, seconds=10)
    valkey.resume()

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.HIT, seconds=2)
    assert protocol.region.counts()["waits"] == 0


def test_lease_of_a_timed_out_read_is_released(valkey: ValkeyServer) -> None:
    """The server runs the read when it resumes; the lease must not make later readers wait."""
    protocol = engine(valkey.url, timeout=0.2)
    valkey.pause()
    assert fetch(protocol, Computation()).outcome is Outcome.BYPASS
    valkey.resume()
    assert wait_until(lambda: has_recovered(protocol), seconds=10)

    assert fetch(protocol, Computation()).outcome is Outcome.STORED
