"""Tests of our `Cache` with Flask-Caching's own backends: all features except the freshness guarantee."""

from collections.abc import Iterator

import pytest

from app.caching import Cache, CacheUnavailableError, Outcome
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.applications import STOCK_BACKENDS, CallRecorder, Shop, add_price_methods, application


@pytest.fixture(params=STOCK_BACKENDS[:2])
def stock_cache(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[Cache]:
    """Return our `Cache` with a backend of Flask-Caching, in an app context."""
    app, cache = application(request.param, redis_url=valkey.url)
    with app.app_context():
        yield cache


def test_memoize_works_with_stock_backends(stock_cache: Cache, recorder: CallRecorder) -> None:
    """Hits, timeouts, deleting one entry or all entries, and methods, but no leases."""

    @stock_cache.memoize(timeout=600)
    def double(number: int) -> int:
        recorder(number)
        return 2 * number

    assert [double(1), double(1), double(2)] == [2, 2, 4]
    stock_cache.delete_memoized(double, 1)
    assert [double(1), double(2)] == [2, 4]
    assert recorder.calls == [(1,), (2,), (1,)]
    with stock_cache.writing(double, 1):
        stock_cache.delete_memoized(double)
    assert [double(1), double(2)] == [2, 4]
    assert len(recorder.calls) == 5

    @stock_cache.memoize(timeout=1)
    def brief() -> int:
        return 1

    brief()
    assert wait_until(lambda: brief.lookup().outcome is Outcome.STORED, seconds=10)

    recorder.calls.clear()
    kind = add_price_methods(stock_cache, Shop, recorder)
    full, half = kind(10), kind(5)
    assert [full.price(30), full.price(30), half.price(30)] == [300, 300, 150]
    stock_cache.delete_memoized(full.price)
    assert [full.price(30), half.price(30)] == [300, 150]
    assert recorder.calls == [(10, 30), (5, 30), (10, 30)]


def test_stock_backend_that_is_down_is_bypassed(valkey: ValkeyServer, recorder: CallRecorder) -> None:
    """Memoized functions compute and do not raise; the operators' methods raise CacheUnavailableError."""
    app, cache = application("RedisCache", redis_url=valkey.url)

    @cache.memoize()
    def one() -> int:
        return recorder()

    with app.app_context():
        one()
        valkey.kill()
        assert one() == 2
        cache.delete_memoized(one)
        assert cache.entry("one") is None
        report = cache.report()
        assert (report.backend, report.enabled, report.server.connected) == ("RedisCache", True, False)
        for method in (cache.ping, cache.flush, lambda: cache.drop("one")):
            with pytest.raises(CacheUnavailableError):
                method()
