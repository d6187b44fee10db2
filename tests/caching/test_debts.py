"""What could not be delivered while Redis was away: nobody sees what it should have dropped, and it comes in time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from app.caching.breaker import MOST_OVERDUE
from app.caching.connection import Topology, connect
from app.caching.events import BreakerState
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from app.caching.timing import Timing
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, QUICK, Computation, engine, fetch, recovered


def test_a_delete_owed_through_an_outage_is_delivered_before_reads_are_admitted(valkey: ValkeyServer) -> None:
    """The value from before the change survives in a paused server; nobody may see it afterwards."""
    writer = engine(valkey.url, timeout=0.2)
    fetch(writer, Computation("before"))
    valkey.pause()
    writer.end(KEY, writer.begin(KEY))
    assert (writer.breaker.state, writer.breaker.owed) == (BreakerState.OPEN, 1)
    valkey.resume()

    seen = {fetch(writer, Computation("after")).value for _ in range(50)}
    assert wait_until(lambda: recovered(writer), seconds=3)
    seen |= {fetch(writer, Computation("after")).value for _ in range(3)}

    assert seen == {"after"}
    assert writer.breaker.owed == 0
    assert Redis.from_url(valkey.url).get(KEY) == b'"after"'


def test_what_one_worker_owes_no_other_worker_serves(valkey: ValkeyServer) -> None:
    """A worker that never noticed the outage must not show what another could not delete."""
    busy = engine(valkey.url, timeout=0.2)
    idle = engine(valkey.url, timeout=0.2, region=busy.region)
    fetch(busy, Computation("before"))
    busy.breaker.owe(KEY, "token", lifetime=5)

    answer = fetch(idle, Computation("after"))

    assert idle.breaker.state is BreakerState.CLOSED
    assert answer.value == "after"
    assert wait_until(lambda: fetch(idle, Computation("after")).outcome is Outcome.HIT, seconds=3)


def test_debts_that_cannot_matter_any_more_are_bounded_in_number(valkey: ValkeyServer) -> None:
    """An outage longer than any entry's life must not keep the keys of all its writers."""
    now = [0.0]
    protocol = LeaseProtocol(connect(Topology(url=valkey.url)), timing=QUICK, clock=lambda: now[0])
    valkey.kill()
    for number in range(MOST_OVERDUE + 100):
        protocol.end(f"{KEY}:{number}")
    assert protocol.breaker.owed == MOST_OVERDUE + 100

    now[0] = QUICK.owed + 1
    protocol.end(f"{KEY}:last")

    assert protocol.breaker.owed == MOST_OVERDUE + 1


@pytest.mark.parametrize("writing", [False, True], ids=["readers", "writers"])
@pytest.mark.parametrize("seconds", [3, 6, 10, 40])
def test_a_hung_redis_serves_hits_as_soon_as_it_goes_on(valkey: ValkeyServer, seconds: float, *, writing: bool) -> None:
    """A command that timed out runs when the server goes on; the lease or tombstone it leaves is taken back at once.

    All times are a tenth of those in use, but for the hang: it is longer than any lease, wait or deadline.
    """
    timing = Timing(lease=0.5, wait=0.2, writer=3.0, owed=3.0)
    protocol = engine(valkey.url, timeout=0.2, read_timeout=0.03, timing=timing)
    fetch(protocol, Computation(), key=f"{KEY}:other")
    valkey.pause()
    hung = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: fetch(protocol, Computation()), range(8)))
    if writing:
        protocol.end(KEY, protocol.begin(KEY))
    assert wait_until(lambda: time.monotonic() > hung + seconds / 10, seconds=10)
    valkey.resume()

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.HIT, seconds=1)
    assert protocol.region.counts()["waits"] == 0


def test_a_lease_granted_to_nobody_is_given_back(valkey: ValkeyServer) -> None:
    """A read that timed out still runs in the server when it resumes; its lease must not hold up the next readers."""
    protocol = engine(valkey.url, timeout=0.2)
    valkey.pause()
    assert fetch(protocol, Computation()).outcome is Outcome.BYPASS
    valkey.resume()
    assert wait_until(lambda: recovered(protocol), seconds=3)

    assert fetch(protocol, Computation()).outcome is Outcome.STORED
