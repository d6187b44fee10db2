"""Tests of writes that leave a value in the entry, and of the value that readers use while writers are in flight."""

from dataclasses import replace
from typing import Any

import pytest

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome, Replacement, Writer
from local.processes import wait_until
from tests.caching.deployments import Deployment, on_every_deployment
from tests.caching.engines import KEY, SHORT_TIMING, Computation, Spy, engine, fetch, fetching, replacement


def _hit(protocol: LeaseProtocol) -> Any:  # noqa: ANN401 - any stored value
    """Return the stored value, or None if the read did not use one."""
    compute = Computation("computed")
    answer = fetch(protocol, compute)
    return answer.value if answer.outcome is Outcome.HIT and not compute.calls else None


@on_every_deployment
def test_readers_use_the_value_while_a_writer_is_in_flight(protocol: LeaseProtocol, spy: Spy) -> None:
    """The answer says that a writer is in flight."""
    spy.stores("before", seconds=5)
    protocol.begin(KEY)

    answer = fetch(protocol, Computation("during"))

    assert (answer.value, answer.outcome, answer.detail) == ("before", Outcome.HIT, "writer-in-flight")
    assert answer.ttl is not None
    assert 4 < answer.ttl <= 5


@on_every_deployment
def test_end_with_a_value_leaves_it_in_the_entry(protocol: LeaseProtocol, spy: Spy) -> None:
    """The next read is a hit. The TTL counts from begin."""
    spy.stores("before")
    writer = protocol.begin(KEY)
    protocol.end(KEY, writer, replacement("after", 7))

    assert spy.raw() == b'"after"'
    assert 9_000 < spy.redis.pttl(KEY) <= 10_000
    answer = fetch(protocol, Computation("computed"))
    assert (answer.value, answer.outcome, answer.detail) == ("after", Outcome.HIT, None)


@on_every_deployment
def test_end_with_a_value_fills_an_absent_entry(protocol: LeaseProtocol) -> None:
    """Nobody has read the entry before the change."""
    protocol.end(KEY, protocol.begin(KEY), replacement("after", 1))

    assert _hit(protocol) == "after"


@on_every_deployment
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_highest_version_stays(protocol: LeaseProtocol, spy: Spy, order: tuple[int, int]) -> None:
    """Whichever writer ends first."""
    spy.stores("before")
    writers = {version: protocol.begin(KEY) for version in (1, 2)}
    seen = []
    for version in order:
        protocol.end(KEY, writers[version], replacement(version, version))
        seen.append(_hit(protocol))

    assert seen == [order[0], 2]


@on_every_deployment
def test_end_without_a_value_closes_the_entry(protocol: LeaseProtocol, spy: Spy) -> None:
    """It is unknown how its change compares to the values of the others."""
    spy.stores("before")
    first, second, third = (protocol.begin(KEY) for _ in range(3))
    protocol.end(KEY, first)
    assert _hit(protocol) is None
    protocol.end(KEY, second, replacement("second", 2))
    assert _hit(protocol) is None
    protocol.end(KEY, third, replacement("third", 3))

    assert spy.raw() is None


@on_every_deployment
def test_lost_writer_cannot_leave_a_replacement(protocol: LeaseProtocol, spy: Spy) -> None:
    """A value that a reader stored after the eviction may be newer than the value of this writer."""
    writer = protocol.begin(KEY)
    spy.redis.delete(KEY)
    spy.stores("newer")
    protocol.end(KEY, writer, replacement("older", 1))

    assert spy.raw() is None


@on_every_deployment
def test_begin_that_runs_twice_cannot_leave_a_replacement(protocol: LeaseProtocol, spy: Spy) -> None:
    """A cluster client may send begin again after a timeout, and the first command may run late."""
    writer = protocol.begin(KEY)
    spy.redis.delete(KEY)
    spy.stores("newer")
    began = writer.deadline - round(1000 * SHORT_TIMING.writer)
    assert wait_until(lambda: spy.now() > began, seconds=2)
    protocol._announce(KEY, writer.token)  # noqa: SLF001 - the command that runs late
    protocol.end(KEY, writer, replacement("older", 1))

    assert spy.raw() is None


@on_every_deployment
def test_unknown_outcome_closes_the_entry_until_the_deadline(protocol: LeaseProtocol, spy: Spy) -> None:
    """Also if the writer was lost. No later end can leave a value."""
    spy.stores("before")
    unknown = protocol.begin(KEY)
    spy.redis.delete(KEY)
    spy.stores("before")
    protocol.outcome_unknown(KEY, unknown)
    assert _hit(protocol) is None
    protocol.end(KEY, protocol.begin(KEY), replacement("after", 2))
    assert _hit(protocol) is None

    assert wait_until(lambda: fetch(protocol, Computation()).outcome is Outcome.STORED, seconds=SHORT_TIMING.writer + 2)


@on_every_deployment
def test_unconfirmed_begin_cannot_leave_a_replacement(protocol: LeaseProtocol, spy: Spy) -> None:
    """It may run late, after a reader has stored a newer value."""
    late = Writer("late")
    spy.stores("newer")
    protocol._announce(KEY, late.token)  # noqa: SLF001 - the command that runs late
    protocol.end(KEY, late, replacement("older", 1))

    assert spy.raw() is None


@on_every_deployment
def test_value_is_used_for_the_overlap_only(deployment: Deployment, spy: Spy) -> None:
    """A killed writer costs no more. Afterwards readers compute until the last writer has ended."""
    protocol = engine(deployment.topology, timing=replace(SHORT_TIMING, writer=5, overlap=0.05))
    spy.stores("before")
    slow = protocol.begin(KEY)
    assert wait_until(lambda: _hit(protocol) is None, seconds=2)

    quick = protocol.begin(KEY)
    protocol.end(KEY, slow, replacement("slow", 1))
    assert _hit(protocol) is None
    protocol.end(KEY, quick, replacement("quick", 2))
    assert _hit(protocol) == "quick"


@on_every_deployment
def test_reader_that_computes_beside_a_writer_gets_the_value_that_others_get(protocol: LeaseProtocol) -> None:
    """It must not show the change of a writer in flight while others still get the value from before it."""
    with fetching(protocol, Computation("ahead")) as late:
        protocol.end(KEY, protocol.begin(KEY), replacement("before", 1))
        protocol.begin(KEY)

    assert (late[0].value, late[0].outcome) == ("before", Outcome.REJECTED)


@on_every_deployment
def test_value_expires_during_a_write(protocol: LeaseProtocol, spy: Spy) -> None:
    """Readers compute afterwards, also after the end of another writer."""
    spy.stores("before", seconds=0.05)
    first, second = protocol.begin(KEY), protocol.begin(KEY)
    assert wait_until(lambda: _hit(protocol) is None, seconds=2)
    protocol.end(KEY, first, replacement("first", 1))
    assert _hit(protocol) is None
    protocol.end(KEY, second, replacement("second", 2))

    assert _hit(protocol) == "second"


def test_value_is_too_old_when_the_writer_ends(protocol: LeaseProtocol, spy: Spy) -> None:
    """The change took longer than the TTL."""
    writer = protocol.begin(KEY)
    protocol.end(KEY, writer, Replacement(1, b'"old"', 0.001))

    assert wait_until(lambda: spy.raw() is None, seconds=1)
