"""Flask-Caching's own backends behind our `Cache`: everything but the promise."""

from collections.abc import Iterator

import pytest

from app.caching import Cache, CacheUnavailableError, Outcome
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.applications import STOCK, Counted, Shop, application, with_price


@pytest.fixture(params=STOCK[:2])
def stock_cache(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[Cache]:
    """Return the same with a backend of Flask-Caching."""
    app, cache = application(request.param, redis_url=valkey.url)
    with app.app_context():
        yield cache


def test_stock_backends_memoize_without_the_promise(stock_cache: Cache, counted: Counted) -> None:
    """Hits, time-outs, one entry dropped, all entries dropped, methods: everything but the leases."""

    @stock_cache.memoize(timeout=1)
    def double(number: int) -> int:
        counted(number)
        return 2 * number

    assert [double(1), double(1), double(2)] == [2, 2, 4]
    stock_cache.delete_memoized(double, 1)
    assert [double(1), double(2)] == [2, 4]
    assert counted.calls == [(1,), (2,), (1,)]
    with stock_cache.writing(double, 1):
        stock_cache.delete_memoized(double)
    assert [double(1), double(2)] == [2, 4]
    assert len(counted.calls) == 5
    assert wait_until(lambda: double.lookup(1).outcome is Outcome.STORED, seconds=5)

    counted.calls.clear()
    kind = with_price(stock_cache, Shop, counted)
    full, half = kind(10), kind(5)
    assert [full.price(30), full.price(30), half.price(30)] == [300, 300, 150]
    stock_cache.delete_memoized(full.price)
    assert [full.price(30), half.price(30)] == [300, 150]
    assert counted.calls == [(10, 30), (5, 30), (10, 30)]


def test_a_stock_backend_in_trouble_is_done_without(valkey: ValkeyServer, counted: Counted) -> None:
    """Memoized functions compute, and nothing raises."""
    app, cache = application("RedisCache", redis_url=valkey.url)

    @cache.memoize()
    def one() -> int:
        return counted()

    with app.app_context():
        one()
        valkey.kill()
        assert one() == 2
        cache.delete_memoized(one)
        assert cache.entry("one") is None
        report = cache.report()
        assert (report.backend, report.enabled, report.server.connected) == ("RedisCache", True, False)
        for asking in (cache.ping, cache.flush, lambda: cache.drop("one")):
            with pytest.raises(CacheUnavailableError):
                asking()
