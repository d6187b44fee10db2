"""Tests of the backend's methods and the lease protocol on the same key."""

import pytest

from app.caching import LeaseCache, Outcome
from app.caching.protocol import LeaseProtocol
from app.caching.states import Replacement
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Computation, Spy, fetch, fetching

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend that uses `protocol`."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


def test_leases_and_writers_are_not_values(backend: LeaseCache) -> None:
    """`get` and `has` do not report them."""
    backend.protocol.begin(PREFIX + "key")

    assert backend.get("key") is None
    assert not backend.has("key")


@on_every_deployment
def test_add_replaces_marks_but_not_values_or_foreign_data(backend: LeaseCache, spy: Spy) -> None:
    """`has` returns False for a lease, writers in flight and a failure mark, so `add` must store."""
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


def test_delete_keeps_writers_and_drops_leases(backend: LeaseCache, spy: Spy) -> None:
    """Without the writers in the entry, a reader could store a value that the writer in flight is about to change."""
    backend.protocol.begin(PREFIX + "key")
    spy.stores(b"lease:x", key=PREFIX + "leased")

    assert (backend.delete("key"), backend.delete_many("key", "leased")) == (False, ["key", "leased"])
    assert (spy.raw(PREFIX + "key") or b"").startswith(b"write:")
    assert spy.raw(PREFIX + "leased") is None


def test_kept_value_is_not_a_value_of_the_backend(backend: LeaseCache, spy: Spy) -> None:
    """The backend treats an entry with writers in flight as absent; `inc` cannot add to it."""
    key = PREFIX + "key"
    spy.stores(5, key=key)
    backend.protocol.begin(key)

    assert (backend.get("key"), backend.get_many("key"), backend.has("key"), backend.inc("key")) == (
        None,
        [None],
        False,
        None,
    )
    assert fetch(backend.protocol, Computation(), key=key).value == 5


@pytest.mark.parametrize("delete", ["delete", "clear", "drop"])
def test_deleting_forgets_the_kept_value(backend: LeaseCache, spy: Spy, delete: str) -> None:
    """The writer stays, and its end cannot leave a value either: it may be older than the reason for the deletion."""
    key = PREFIX + "key"
    spy.stores("before", key=key)
    writers = [backend.protocol.begin(key) for _ in range(2)]
    getattr(backend, delete)(*(["key"] if delete == "delete" else []))

    assert fetch(backend.protocol, Computation("computed"), key=key).value == "computed"
    for version, writer in enumerate(writers, 1):
        backend.protocol.end(key, writer, Replacement(version, b'"after"', 10))
    assert spy.raw(key) is None


@pytest.mark.parametrize("put", ["set", "add"])
def test_end_deletes_what_was_put_during_the_write(backend: LeaseCache, spy: Spy, put: str) -> None:
    """Nothing says whether it contains the change."""
    key = PREFIX + "key"
    writer = backend.protocol.begin(key)
    assert getattr(backend, put)("key", "put")
    assert backend.get("key") == "put"
    backend.protocol.end(key, writer, Replacement(1, b'"after"', 10))

    assert spy.raw(key) is None


def test_get_returns_what_the_protocol_stored(protocol: LeaseProtocol, backend: LeaseCache) -> None:
    """Both interfaces use the same entries."""
    fetch(protocol, Computation({"all": 1}), key=PREFIX + "key")

    assert backend.get("key") == {"all": 1}
