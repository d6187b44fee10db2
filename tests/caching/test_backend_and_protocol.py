"""Tests of the backend's methods and the lease protocol on the same key."""

import pytest

from app.caching import LeaseCache, Outcome
from app.caching.protocol import LeaseProtocol
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Computation, Spy, fetch, fetching

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend that uses `protocol`."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


def test_leases_and_tombstones_are_not_values(backend: LeaseCache) -> None:
    """`get` and `has` do not report them."""
    backend.protocol.begin(PREFIX + "key")

    assert backend.get("key") is None
    assert not backend.has("key")


@on_every_deployment
def test_add_replaces_marks_but_not_values_or_foreign_data(backend: LeaseCache, spy: Spy) -> None:
    """`has` returns False for a lease, a tombstone and a failure mark, so `add` must store."""
    for marker in (b"lease:x", b"write:closed x@99999999999999 0 0 ", b"fail:"):
        spy.stores(marker, key=PREFIX + "key")
        assert (backend.has("key"), backend.add("key", 1, timeout=0)) == (False, True)
        assert (backend.has("key"), backend.add("key", 2)) == (True, False)
        assert (backend.get("key"), spy.redis.ttl(PREFIX + "key")) == (1, -1)
    spy.redis.delete(PREFIX + "key")
    spy.redis.rpush(PREFIX + "key", "x")
    assert backend.add("key", 1) is False


def test_fill_does_not_overwrite_an_added_value(backend: LeaseCache) -> None:
    """`add` has replaced the lease of the reader that is computing."""
    compute = Computation("computed")
    with fetching(backend.protocol, compute, key=PREFIX + "key") as answers:
        assert backend.add("key", "added")
    assert (answers[0].outcome, backend.get("key")) == (Outcome.REJECTED, "added")


def test_delete_keeps_tombstones_and_drops_leases(backend: LeaseCache, spy: Spy) -> None:
    """Without the tombstone a reader could store a value that the writer in flight is about to change."""
    backend.protocol.begin(PREFIX + "key")
    spy.stores(b"lease:x", key=PREFIX + "leased")

    assert (backend.delete("key"), backend.delete_many("key", "leased")) == (False, ["key", "leased"])
    assert (spy.raw(PREFIX + "key") or b"").startswith(b"write:")
    assert spy.raw(PREFIX + "leased") is None


def test_get_returns_what_the_protocol_stored(protocol: LeaseProtocol, backend: LeaseCache) -> None:
    """Both interfaces use the same entries."""
    fetch(protocol, Computation({"all": 1}), key=PREFIX + "key")

    assert backend.get("key") == {"all": 1}
