"""Tests of the number of round trips of each operation, counted at the server."""

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome, Replacement
from tests.caching.engines import KEY, Computation, Spy, fetch


def test_miss_costs_two_round_trips_and_a_hit_one(protocol: LeaseProtocol, spy: Spy) -> None:
    """A miss runs the scripts `read` and `fill`, a hit only `read`."""
    _load_scripts(protocol)
    with spy.counting() as miss:
        assert fetch(protocol, Computation()).outcome is Outcome.STORED
    with spy.counting() as hit:
        assert fetch(protocol, Computation()).outcome is Outcome.HIT

    assert (len(miss), len(hit)) == (2, 1), (miss, hit)


def test_write_costs_two_round_trips(protocol: LeaseProtocol, spy: Spy) -> None:
    """It runs the scripts `begin` and `end`."""
    _load_scripts(protocol)
    with spy.counting() as commands:
        protocol.end(KEY, protocol.begin(KEY))

    assert len(commands) == 2, commands


def test_write_that_leaves_a_value_costs_two_round_trips(protocol: LeaseProtocol, spy: Spy) -> None:
    """The read during the write costs one, and so does the read after it."""
    _load_scripts(protocol)
    spy.stores("before")
    with spy.counting() as commands:
        writer = protocol.begin(KEY)
        assert fetch(protocol, Computation()).outcome is Outcome.HIT
        protocol.end(KEY, writer, Replacement(1, b'"after"', 10))
        assert fetch(protocol, Computation()).outcome is Outcome.HIT

    assert len(commands) == 4, commands


def test_read_beside_a_writer_without_a_value_costs_two_round_trips(protocol: LeaseProtocol, spy: Spy) -> None:
    """After its computation, the reader checks that others do not use an older value."""
    _load_scripts(protocol)
    protocol.begin(KEY)
    fetch(protocol, Computation())
    with spy.counting() as commands:
        assert fetch(protocol, Computation()).outcome is Outcome.BYPASS

    assert len(commands) == 2, commands


def test_delete_costs_one_round_trip(protocol: LeaseProtocol, spy: Spy) -> None:
    """The script `end` deletes a value, a lease or expired writers."""
    _load_scripts(protocol)
    with spy.counting() as commands:
        protocol.end(KEY)

    assert len(commands) == 1, commands


def _load_scripts(protocol: LeaseProtocol) -> None:
    """Use each script once, so that the server has it in its script cache."""
    fetch(protocol, Computation(), key="asin_stats:other")
    protocol.end("asin_stats:other", protocol.begin("asin_stats:other"))
