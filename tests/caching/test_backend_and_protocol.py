"""The explicit interface and the protocol on one key: what each sees of the other."""

import pytest

from app.caching import LeaseCache, Outcome
from app.caching.protocol import LeaseProtocol
from tests.caching.engines import Computation, Spy, fetch, fetching
from tests.caching.places import everywhere

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend on the engine tests' Valkey."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


def test_leases_and_tombstones_are_not_values(backend: LeaseCache) -> None:
    """The protocol's own states never leak through the explicit interface."""
    backend.protocol.begin(PREFIX + "key")

    assert backend.get("key") is None
    assert not backend.has("key")


@everywhere
def test_add_stores_wherever_has_says_no(backend: LeaseCache, spy: Spy) -> None:
    """A lease, a tombstone and a failure are no values, so `add` takes their place; a value and foreign data stay."""
    for marker in (b"lease:x", b"dirty:x@99999999999999", b"fail:"):
        spy.plants(marker, key=PREFIX + "key")
        assert (backend.has("key"), backend.add("key", 1, timeout=0)) == (False, True)
        assert (backend.has("key"), backend.add("key", 2)) == (True, False)
        assert (backend.get("key"), spy.redis.ttl(PREFIX + "key")) == (1, -1)
    spy.redis.delete(PREFIX + "key")
    spy.redis.rpush(PREFIX + "key", "x")
    assert backend.add("key", 1) is False


def test_a_fill_does_not_overwrite_what_was_added(backend: LeaseCache) -> None:
    """The reader who computes meanwhile has lost its lease."""
    compute = Computation("computed")
    with fetching(backend.protocol, compute, key=PREFIX + "key") as answers:
        assert backend.add("key", "added")
    assert (answers[0].outcome, backend.get("key")) == (Outcome.REJECTED, "added")


def test_delete_leaves_writers_in_flight(backend: LeaseCache, spy: Spy) -> None:
    """Else a reader could store what the writer is about to change; a lease goes like a value."""
    backend.protocol.begin(PREFIX + "key")
    spy.plants(b"lease:x", key=PREFIX + "leased")

    assert (backend.delete("key"), backend.delete_many("key", "leased")) == (False, ["key", "leased"])
    assert (spy.raw(PREFIX + "key") or b"").startswith(b"dirty:")
    assert spy.raw(PREFIX + "leased") is None


def test_a_hit_after_the_protocol_s_own_write(protocol: LeaseProtocol, backend: LeaseCache) -> None:
    """Both faces see the same entries."""
    fetch(protocol, Computation({"all": 1}), key=PREFIX + "key")

    assert backend.get("key") == {"all": 1}
