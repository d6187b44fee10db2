"""Tests of readers that wait for another reader's computation: polling, timeout and result."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.caching.connection import connect
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.deployments import Deployment, on_every_deployment
from tests.caching.engines import KEY, POLICY, SHORT_TIMING, Computation, SharedFailureError, Spy, fetch, fetching


@on_every_deployment
def test_concurrent_misses_compute_once(patient_protocol: LeaseProtocol) -> None:
    """Readers that miss at the same time wait for the reader that holds the lease."""
    compute = Computation()
    with fetching(patient_protocol, compute) as first, ThreadPoolExecutor(8) as threads:
        others = [threads.submit(fetch, patient_protocol, compute) for _ in range(8)]
        assert wait_until(lambda: patient_protocol.region.counts()["waits"] == 8, seconds=5)
        compute.release.set()
        outcomes = {other.result().outcome for other in others}

    assert compute.calls == 1
    assert outcomes == {Outcome.COLLAPSED}
    assert first[0].outcome is Outcome.STORED


def test_waiting_reader_polls_with_increasing_pauses(deployment: Deployment, spy: Spy) -> None:
    """Many readers may wait for one computation; their polling must not overload the server."""
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    spy.stores(b"lease:other", seconds=60)
    timing = replace(SHORT_TIMING, lease=60)
    waiting = LeaseProtocol(connect(deployment.topology), timing=timing, sleep=sleep, clock=lambda: now[0])

    assert fetch(waiting, Computation()).detail == "wait-timeout"
    assert sum(pauses) == pytest.approx(SHORT_TIMING.wait)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert (pauses[0], max(pauses)) == (0.002, 0.05)


@on_every_deployment
def test_reader_computes_without_storing_after_the_wait_time(protocol: LeaseProtocol, spy: Spy) -> None:
    """A stuck computation delays other readers by at most the wait time."""
    stuck, own = Computation("stuck"), Computation("own")
    with fetching(protocol, stuck):
        answer = fetch(protocol, own)
        assert spy.raw() != b'"own"'

    assert (answer.value, answer.outcome, answer.detail) == ("own", Outcome.BYPASS, "wait-timeout")


@on_every_deployment
def test_reader_stops_waiting_when_worth_waiting_is_false(patient_protocol: LeaseProtocol, spy: Spy) -> None:
    """It then computes at once, and its failure is not shared with other readers."""
    results = iter([True, True, False, False])
    policy = replace(POLICY, worth_waiting=lambda: next(results))
    spy.stores(b"lease:other", seconds=60)

    assert patient_protocol.fetch(KEY, Computation("own"), policy).detail == "wait-timeout"
    spy.redis.delete(KEY)
    with pytest.raises(SharedFailureError):
        patient_protocol.fetch(KEY, Computation(error=SharedFailureError()), policy)
    assert spy.raw() is None
