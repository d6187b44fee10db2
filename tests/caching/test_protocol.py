"""The protocol's promises, one by one, on a real server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.caching.codec import JsonCodec, Policy
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.engines import KEY, QUICK, Computation, Spy, TroubleError, engine, fetch, fetching
from tests.caching.places import Place, everywhere


@everywhere
def test_a_value_is_stored_as_json_with_its_ttl(protocol: LeaseProtocol, spy: Spy) -> None:
    """What a miss stores is readable by anybody and runs out."""
    answer = fetch(protocol, Computation({"all": 3}))

    assert (answer.value, answer.outcome, answer.ttl) == ({"all": 3}, Outcome.STORED, 10)
    assert spy.raw() == b'{"all":3}'
    assert 9_000 < spy.redis.pttl(KEY) <= 10_000


@everywhere
def test_a_hit_computes_nothing_and_tells_the_remaining_life(protocol: LeaseProtocol, spy: Spy) -> None:
    """A stored value is the answer."""
    spy.plants({"all": 7}, seconds=5)
    compute = Computation()

    answer = fetch(protocol, compute)

    assert (answer.value, answer.outcome, compute.calls) == ({"all": 7}, Outcome.HIT, 0)
    assert answer.ttl is not None
    assert 4 < answer.ttl <= 5


@everywhere
def test_a_late_fill_never_overwrites_a_newer_delete(protocol: LeaseProtocol, spy: Spy) -> None:
    """A reader that computed before a change cannot store after it."""
    with fetching(protocol, Computation("old")) as late:
        protocol.end(KEY, protocol.begin(KEY))

    assert late[0].outcome is Outcome.REJECTED
    assert spy.raw() is None


@everywhere
def test_a_late_fill_never_overwrites_a_newer_fill(protocol: LeaseProtocol, spy: Spy) -> None:
    """Nor after the change was already read and stored by another."""
    with fetching(protocol, Computation("old")) as late:
        protocol.end(KEY, protocol.begin(KEY))
        assert fetch(protocol, Computation("new")).outcome is Outcome.STORED

    assert late[0].outcome is Outcome.REJECTED
    assert spy.raw() == b'"new"'


@everywhere
def test_nothing_is_stored_while_a_writer_is_in_flight(protocol: LeaseProtocol, spy: Spy) -> None:
    """Between begin and end readers compute for themselves: the database may be before or after the commit."""
    spy.plants("before")
    token = protocol.begin(KEY)

    answer = fetch(protocol, Computation("during"))

    assert (answer.value, answer.outcome, answer.detail) == ("during", Outcome.BYPASS, "writer-in-flight")
    protocol.end(KEY, token)
    assert spy.raw() is None


@everywhere
def test_the_tombstone_stands_until_the_last_writer_is_done(protocol: LeaseProtocol, spy: Spy) -> None:
    """One writer's end must not open the entry while another may still commit."""
    first, second = protocol.begin(KEY), protocol.begin(KEY)

    protocol.end(KEY, first)
    assert fetch(protocol, Computation()).outcome is Outcome.BYPASS
    protocol.end(KEY, second)

    assert spy.raw() is None
    assert fetch(protocol, Computation()).outcome is Outcome.STORED


@everywhere
def test_an_invalidation_without_a_writer_respects_writers_in_flight(protocol: LeaseProtocol) -> None:
    """An operator's flush or a foreign delete_memoized must not take a tombstone away."""
    protocol.begin(KEY)

    protocol.end(KEY)

    assert fetch(protocol, Computation()).detail == "writer-in-flight"


@everywhere
def test_a_writer_that_never_ends_blocks_only_until_its_deadline(protocol: LeaseProtocol) -> None:
    """A killed worker, or an unknown outcome, costs the deadline and no more."""
    protocol.begin(KEY)

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.STORED, seconds=QUICK.writer + 2)


@everywhere
def test_an_expired_writer_does_not_outlive_a_younger_one(place: Place, spy: Spy) -> None:
    """The younger writer's end opens the entry although the dead one never ended."""
    short, long = engine(place.topology), engine(place.topology)
    short.timing = QUICK.__class__(lease=1, wait=0.4, writer=0.05)
    short.begin(KEY)
    token = long.begin(KEY)
    assert wait_until(lambda: _now(spy) > _first_deadline(spy), seconds=2)

    long.end(KEY, token)

    assert spy.raw() is None


def _now(spy: Spy) -> int:
    seconds, micros = spy.redis.time()
    return int(seconds * 1000 + micros // 1000)


def _first_deadline(spy: Spy) -> int:
    return min(int(writer.split(b"@")[1]) for writer in (spy.raw() or b"").removeprefix(b"dirty:").split(b","))


@everywhere
def test_a_reader_that_died_with_the_lease_blocks_only_until_it_runs_out(protocol: LeaseProtocol, spy: Spy) -> None:
    """After the lease time somebody else computes and stores."""
    spy.plants(b"lease:of-the-dead", seconds=QUICK.lease)

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.STORED, seconds=QUICK.lease + 2)


@everywhere
def test_a_private_failure_gives_the_lease_back(protocol: LeaseProtocol, spy: Spy) -> None:
    """An error that concerns only this caller must not keep others waiting."""
    with pytest.raises(ValueError, match="mine"):
        fetch(protocol, Computation(error=ValueError("mine")))

    assert spy.raw() is None


@everywhere
def test_a_shared_failure_is_shared_for_one_wait_time(protocol: LeaseProtocol) -> None:
    """A dead database is asked once per wait time, whatever the herd; everybody else is told at once."""
    failing = Computation(error=TroubleError())
    with pytest.raises(TroubleError):
        fetch(protocol, failing)
    with pytest.raises(TroubleError):
        fetch(protocol, failing)

    assert failing.calls == 1
    assert protocol.region.counts()["failed"] == 1
    assert wait_until(lambda: _recovers(protocol), seconds=QUICK.wait + 2)


def _recovers(protocol: LeaseProtocol) -> bool:
    try:
        return fetch(protocol, Computation()).outcome is Outcome.STORED
    except TroubleError:
        return False


@everywhere
def test_a_failure_yields_to_a_writer(protocol: LeaseProtocol) -> None:
    """A change is news: whoever reads after it asks the database again."""
    with pytest.raises(TroubleError):
        fetch(protocol, Computation(error=TroubleError()))

    protocol.end(KEY, protocol.begin(KEY))

    assert fetch(protocol, Computation()).outcome is Outcome.STORED


@everywhere
def test_what_json_cannot_hold_is_answered_but_not_stored(protocol: LeaseProtocol, spy: Spy) -> None:
    """The same shape comes back on hit and miss, or nothing is stored."""
    for value in ((1, 2), {1: 2}, float("nan"), object()):
        answer = fetch(protocol, Computation(value))
        assert answer.value is value
        assert (answer.outcome, answer.detail) == (Outcome.BYPASS, "unserialisable")
        assert spy.raw() is None


@everywhere
def test_the_ttl_is_kept(protocol: LeaseProtocol, spy: Spy) -> None:
    """An entry runs out by itself."""
    brief = Policy(codec=JsonCodec(), ttl=0.05)
    protocol.fetch(KEY, Computation(), brief)

    assert wait_until(lambda: spy.raw() is None, seconds=2)


@everywhere
def test_threads_share_one_engine(patient: LeaseProtocol) -> None:
    """As many threads as connections: nobody is turned away."""
    outcomes = _together(patient, 10)

    assert outcomes.count(Outcome.STORED) == 3
    assert Outcome.BYPASS not in outcomes


@pytest.mark.parametrize("place", ["Valkey 9", "Unix socket", "TLS"], indirect=True)
def test_more_threads_than_connections_queue(patient: LeaseProtocol) -> None:
    """A pool that is empty for a moment makes a thread wait, not fail."""
    assert Outcome.BYPASS not in _together(patient, 30)


def _together(protocol: LeaseProtocol, threads: int) -> list[Outcome]:
    barrier = threading.Barrier(threads)

    def read(number: int) -> Outcome:
        barrier.wait(5)
        return fetch(protocol, Computation(number), key=f"{KEY}:{number % 3}").outcome

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(read, range(threads)))
