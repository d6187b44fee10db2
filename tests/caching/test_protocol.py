"""Tests of each guarantee of the protocol, on real servers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.caching.codec import JsonCodec
from app.caching.policy import Policy
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.deployments import Deployment, on_every_deployment
from tests.caching.engines import KEY, SHORT_TIMING, Computation, SharedFailureError, Spy, engine, fetch, fetching


@on_every_deployment
def test_value_is_stored_as_json_with_its_ttl(protocol: LeaseProtocol, spy: Spy) -> None:
    """After a miss, any client can read the entry, and it expires."""
    answer = fetch(protocol, Computation({"all": 3}))

    assert (answer.value, answer.outcome, answer.ttl) == ({"all": 3}, Outcome.STORED, 10)
    assert spy.raw() == b'{"all":3}'
    assert 9_000 < spy.redis.pttl(KEY) <= 10_000


@on_every_deployment
def test_hit_computes_nothing_and_returns_the_remaining_ttl(protocol: LeaseProtocol, spy: Spy) -> None:
    """The answer is the stored value."""
    spy.stores({"all": 7}, seconds=5)
    compute = Computation()

    answer = fetch(protocol, compute)

    assert (answer.value, answer.outcome, compute.calls) == ({"all": 7}, Outcome.HIT, 0)
    assert answer.ttl is not None
    assert 4 < answer.ttl <= 5


@on_every_deployment
def test_late_fill_never_overwrites_a_newer_delete(protocol: LeaseProtocol, spy: Spy) -> None:
    """A reader that computed before a change cannot store after it."""
    with fetching(protocol, Computation("old")) as late:
        protocol.end(KEY, protocol.begin(KEY))

    assert late[0].outcome is Outcome.REJECTED
    assert spy.raw() is None


@on_every_deployment
def test_late_fill_never_overwrites_a_newer_fill(protocol: LeaseProtocol, spy: Spy) -> None:
    """A reader that computed before a change cannot replace a value that another reader stored after it."""
    with fetching(protocol, Computation("old")) as late:
        protocol.end(KEY, protocol.begin(KEY))
        assert fetch(protocol, Computation("new")).outcome is Outcome.STORED

    assert late[0].outcome is Outcome.REJECTED
    assert spy.raw() == b'"new"'


@on_every_deployment
def test_nothing_is_stored_while_a_writer_is_in_flight(protocol: LeaseProtocol, spy: Spy) -> None:
    """Between begin and end, readers compute without storing: their result may be from before or after the commit."""
    token = protocol.begin(KEY)

    answer = fetch(protocol, Computation("during"))

    assert (answer.value, answer.outcome, answer.detail) == ("during", Outcome.BYPASS, "writer-in-flight")
    protocol.end(KEY, token)
    assert spy.raw() is None


@on_every_deployment
def test_writers_stay_in_the_entry_until_the_last_one_ends(protocol: LeaseProtocol, spy: Spy) -> None:
    """A writer's end must not allow fills while another writer may still commit."""
    first, second = protocol.begin(KEY), protocol.begin(KEY)

    protocol.end(KEY, first)
    assert fetch(protocol, Computation()).outcome is Outcome.BYPASS
    protocol.end(KEY, second)

    assert spy.raw() is None
    assert fetch(protocol, Computation()).outcome is Outcome.STORED


@on_every_deployment
def test_end_without_begin_keeps_the_writers(protocol: LeaseProtocol) -> None:
    """An operator's flush, or delete_memoized without `writing`, must not remove writers in flight."""
    protocol.begin(KEY)

    protocol.end(KEY)

    assert fetch(protocol, Computation()).detail == "writer-in-flight"


@on_every_deployment
def test_writer_that_never_ends_blocks_only_until_its_deadline(protocol: LeaseProtocol) -> None:
    """A killed worker or an unknown outcome prevents fills until then, but not longer."""
    protocol.begin(KEY)

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.STORED, seconds=SHORT_TIMING.writer + 2)


@on_every_deployment
def test_expired_writer_does_not_block_after_a_later_writer_ends(deployment: Deployment, spy: Spy) -> None:
    """The end of the later writer deletes the entry although the expired writer never ended."""
    short = engine(deployment.topology, timing=replace(SHORT_TIMING, writer=0.05))
    long = engine(deployment.topology)
    short.begin(KEY)
    token = long.begin(KEY)
    assert wait_until(lambda: spy.now() > _first_deadline(spy), seconds=2)

    long.end(KEY, token)

    assert spy.raw() is None


def _first_deadline(spy: Spy) -> int:
    return min(int(writer.split(b"@")[1]) for writer in (spy.raw() or b"").split()[1].split(b","))


@on_every_deployment
def test_lease_of_a_killed_reader_blocks_only_until_it_expires(protocol: LeaseProtocol, spy: Spy) -> None:
    """After the lease time another reader computes and stores."""
    spy.stores(b"lease:killed", seconds=SHORT_TIMING.lease)

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.STORED, seconds=SHORT_TIMING.lease + 2)


@on_every_deployment
def test_error_that_is_not_shared_releases_the_lease(protocol: LeaseProtocol, spy: Spy) -> None:
    """An error that concerns only this caller must not make other readers wait."""
    with pytest.raises(ValueError, match="own"):
        fetch(protocol, Computation(error=ValueError("own")))

    assert spy.raw() is None


@on_every_deployment
def test_shared_failure_is_shared_for_one_wait_time(protocol: LeaseProtocol) -> None:
    """A dead database is queried once per wait time, however many readers there are; all others fail at once."""
    failing = Computation(error=SharedFailureError())
    with pytest.raises(SharedFailureError):
        fetch(protocol, failing)
    with pytest.raises(SharedFailureError):
        fetch(protocol, failing)

    assert failing.calls == 1
    assert protocol.region.counts()["failed"] == 1
    assert wait_until(lambda: _recovers(protocol), seconds=SHORT_TIMING.wait + 2)


def _recovers(protocol: LeaseProtocol) -> bool:
    try:
        return fetch(protocol, Computation()).outcome is Outcome.STORED
    except SharedFailureError:
        return False


@on_every_deployment
def test_write_removes_a_failure_mark(protocol: LeaseProtocol) -> None:
    """A read after the write queries the database again."""
    with pytest.raises(SharedFailureError):
        fetch(protocol, Computation(error=SharedFailureError()))

    protocol.end(KEY, protocol.begin(KEY))

    assert fetch(protocol, Computation()).outcome is Outcome.STORED


@on_every_deployment
def test_unserialisable_value_is_returned_but_not_stored(protocol: LeaseProtocol, spy: Spy) -> None:
    """A value that would be read back with another type is never stored, so hits and misses return the same."""
    for value in ((1, 2), {1: 2}, float("nan"), object()):
        answer = fetch(protocol, Computation(value))
        assert answer.value is value
        assert (answer.outcome, answer.detail) == (Outcome.BYPASS, "unserialisable")
        assert spy.raw() is None


@on_every_deployment
def test_entry_expires_after_its_ttl(protocol: LeaseProtocol, spy: Spy) -> None:
    """Redis deletes the entry; nothing else does."""
    brief = Policy(codec=JsonCodec(), ttl=0.05)
    protocol.fetch(KEY, Computation(), brief)

    assert wait_until(lambda: spy.raw() is None, seconds=2)


@on_every_deployment
def test_threads_share_one_engine(patient_protocol: LeaseProtocol) -> None:
    """With as many threads as connections no read bypasses the cache."""
    outcomes = _together(patient_protocol, 10)

    assert outcomes.count(Outcome.STORED) == 3
    assert Outcome.BYPASS not in outcomes


@pytest.mark.parametrize("deployment", ["Valkey 9", "Unix socket", "TLS"], indirect=True)
def test_threads_queue_for_connections(patient_protocol: LeaseProtocol) -> None:
    """A thread that finds no free connection waits for one instead of bypassing the cache."""
    assert Outcome.BYPASS not in _together(patient_protocol, 30)


def _together(protocol: LeaseProtocol, threads: int) -> list[Outcome]:
    barrier = threading.Barrier(threads)

    def read(number: int) -> Outcome:
        barrier.wait(5)
        return fetch(protocol, Computation(number), key=f"{KEY}:{number % 3}").outcome

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(read, range(threads)))
