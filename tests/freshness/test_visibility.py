"""What readers see of a change that is not acknowledged yet, as the second judge sees it."""

import time

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.server import free_port
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, engine, fetch
from tests.freshness.history import Kind, Operation, violations
from tests.freshness.linearizability import misfits


class _Store:
    """A count behind the cache, and the history of one change and the reads beside it."""

    def __init__(self, protocol: LeaseProtocol) -> None:
        """Fill the cache with a count of 0."""
        self.count, self._protocol = 0, protocol
        self.history = [self.read(protocol)]
        self._started = time.monotonic()
        self._writer = protocol.begin(KEY)
        self.count = 1

    def read(self, protocol: LeaseProtocol) -> Operation:
        """Read with `protocol`."""
        started = time.monotonic()
        answer = fetch(protocol, lambda: self.count)
        note = f"{answer.outcome} {answer.detail}"
        return Operation(Kind.READ, "ann", started, time.monotonic(), seen=answer.value, note=note)

    def acknowledge(self) -> None:
        """End the change."""
        self._protocol.end(KEY, self._writer)
        self.history.append(Operation(Kind.CREATE, "ann", self._started, time.monotonic(), done=True, product="a"))


def test_reads_beside_a_change_are_linearizable_while_redis_answers(valkey: ValkeyServer) -> None:
    """All readers see the value from before the change until it is acknowledged, and none afterwards."""
    protocol, other = engine(valkey.url), engine(valkey.url)
    store = _Store(protocol)
    store.history += [store.read(each) for each in (protocol, other)]
    store.acknowledge()
    store.history += [store.read(each) for each in (protocol, other)]
    assert [each.seen for each in store.history if each.kind is Kind.READ] == [0, 0, 0, 1, 1]
    assert misfits(store.history) == []


def test_reader_without_redis_sees_a_change_before_the_others(valkey: ValkeyServer) -> None:
    """It reads the database. So the history is not linearizable, although every acknowledged change is visible."""
    protocol, cut_off = engine(valkey.url), engine(f"redis://127.0.0.1:{free_port()}", known_server=False)
    store = _Store(protocol)
    early, late = store.read(cut_off), store.read(protocol)
    store.history += [early, late]
    store.acknowledge()
    store.history.append(store.read(protocol))
    assert [each.seen for each in store.history if each.kind is Kind.READ] == [0, 1, 0, 1]
    assert late.note == f"{Outcome.HIT} writer-in-flight"
    assert violations(store.history) == []
    assert misfits(store.history) == [late]
