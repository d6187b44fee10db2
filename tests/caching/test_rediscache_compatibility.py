"""Tests of uses of Flask-Caching's RedisCache that its own test suite (tests/upstream) does not cover."""

from uuid import UUID

import pytest
from flask import Flask

from app.caching import Cache, LeaseCache
from app.caching.protocol import LeaseProtocol
from local.processes import wait_until
from tests.caching.deployments import Deployment

_ID = UUID(int=7)


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend that uses `protocol`."""
    return LeaseCache(protocol=protocol, key_prefix="compatibility:")


@pytest.fixture
def cache(deployment: Deployment) -> Cache:
    """Return a cache with an application of its own."""
    app = Flask(__name__)
    app.config.update(CACHE_TYPE="app.caching.LeaseCache", CACHE_REDIS_URL=deployment.topology.url)
    return Cache(app)


@pytest.mark.parametrize("key", [7, _ID], ids=repr)
def test_keys_that_are_not_strings_are_converted(backend: LeaseCache, key: object) -> None:
    """A number or a UUID is the same key as its text in every method."""
    name: str = key  # type: ignore[assignment]  # callers without a type checker do this
    assert backend.set(name, 1)
    assert (backend.get(name), backend.get(str(key)), backend.get_many(name), backend.has(name)) == (1, 1, [1], True)
    assert (backend.add(name, 2), backend.inc(name), backend.dec(name)) == (False, 2, 1)
    assert backend.delete_many(name) == [key]
    assert backend.set_many({name: 3}) == [key]
    assert (backend.delete(name), backend.unlink(name)) == (True, 0)


def test_host_none_is_refused() -> None:
    """It raises ValueError, as in RedisCache."""
    with pytest.raises(ValueError, match="host parameter may not be None"):
        LeaseCache(host=None)


def test_delete_memoized_of_a_method_deletes_for_all_objects(cache: Cache) -> None:
    """`shop.price.delete_memoized()` deletes entries of all shops, `cache.delete_memoized(shop.price)` only of one."""

    class Shop:
        def __init__(self) -> None:
            self.calls = 0

        @cache.memoize(30)
        def price(self, number: int) -> int:
            self.calls += 1
            return number * 10

    here, there = Shop(), Shop()
    shops = (here, there)

    def all_are_cached() -> bool:  # values stored at the first contact are not used
        before = [shop.calls for shop in shops]
        assert [shop.price(1) for shop in shops] == [10, 10]
        return before == [shop.calls for shop in shops]

    assert wait_until(all_are_cached, seconds=10)
    before = [shop.calls for shop in shops]
    cache.delete_memoized(here.price)
    assert [shop.price(1) for shop in shops] == [10, 10]
    assert [shop.calls for shop in shops] == [before[0] + 1, before[1]]
    here.price.delete_memoized()
    assert [shop.price(1) for shop in shops] == [10, 10]
    assert [shop.calls for shop in shops] == [before[0] + 2, before[1] + 1]
