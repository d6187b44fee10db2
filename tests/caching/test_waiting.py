"""Readers that wait for another's computation: how they ask, for how long, and what they get."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.caching.connection import connect
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.engines import KEY, POLICY, QUICK, Computation, Spy, TroubleError, fetch, fetching
from tests.caching.places import Place, everywhere


@everywhere
def test_a_herd_computes_once(patient: LeaseProtocol) -> None:
    """Readers that miss together wait for the one that holds the lease."""
    compute = Computation()
    with fetching(patient, compute) as first, ThreadPoolExecutor(8) as threads:
        others = [threads.submit(fetch, patient, compute) for _ in range(8)]
        assert wait_until(lambda: patient.region.counts()["waits"] == 8, seconds=5)
        compute.release.set()
        outcomes = {other.result().outcome for other in others}

    assert compute.calls == 1
    assert outcomes == {Outcome.COLLAPSED}
    assert first[0].outcome is Outcome.STORED


def test_a_waiting_reader_asks_less_and_less_often(place: Place, spy: Spy) -> None:
    """Many may wait for one; together they must not keep the server busy."""
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    spy.plants(b"lease:somebody", seconds=60)
    timing = replace(QUICK, lease=60)
    waiting = LeaseProtocol(connect(place.topology), timing=timing, sleep=sleep, clock=lambda: now[0])

    assert fetch(waiting, Computation()).detail == "wait-timeout"
    assert sum(pauses) == pytest.approx(QUICK.wait)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert (pauses[0], max(pauses)) == (0.002, 0.05)


@everywhere
def test_a_reader_that_waited_too_long_computes_and_stores_nothing(protocol: LeaseProtocol, spy: Spy) -> None:
    """A stuck computation holds nobody up for longer than the wait time."""
    stuck, own = Computation("stuck"), Computation("own")
    with fetching(protocol, stuck):
        answer = fetch(protocol, own)
        assert spy.raw() != b'"own"'

    assert (answer.value, answer.outcome, answer.detail) == ("own", Outcome.BYPASS, "wait-timeout")


@everywhere
def test_nobody_waits_for_what_cannot_come(patient: LeaseProtocol, spy: Spy) -> None:
    """A waiting reader finds out for itself as soon as waiting is in vain, and a failure then is told to nobody."""
    looks = iter([True, True, False, False])
    hopeless = replace(POLICY, worth_waiting=lambda: next(looks))
    spy.plants(b"lease:somebody", seconds=60)

    assert patient.fetch(KEY, Computation("own"), hopeless).detail == "wait-timeout"
    spy.redis.delete(KEY)
    with pytest.raises(TroubleError):
        patient.fetch(KEY, Computation(error=TroubleError()), hopeless)
    assert spy.raw() is None
