"""Tests of `delete_memoized` and `writing`: which entries they delete, and which calls raise."""

import pytest

from app.caching import Cache, CacheUnavailableError
from local.valkey import ValkeyServer
from tests.caching.applications import CallRecorder, application
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Spy, engine


def _digits(number: int) -> str:
    return str(number)


@on_every_deployment
def test_delete_memoized_ends_only_its_own_write(cache: Cache, spy: Spy) -> None:
    """Inside `writing`, it removes only this write from the entry."""

    @cache.memoize(key=_digits)
    def double(number: int) -> int:
        return 2 * number

    with cache.writing(double, 4):
        with cache.writing(double, 5):
            cache.delete_memoized(double, 4)
            assert spy.raw("test:4") is None
            assert (spy.raw("test:5") or b"").startswith(b"write:")
        assert (spy.raw("test:5") or b"").startswith(b"write:"), "a write of unknown outcome stays in the entry"


@on_every_deployment
def test_delete_memoized_without_arguments_deletes_every_entry_of_the_function(
    cache: Cache, recorder: CallRecorder
) -> None:
    """With and without default arguments, and no entry of a function whose name has the same prefix."""

    @cache.memoize()
    def page(number: int = 1, **rest: int) -> int:
        return recorder("page", number, rest)

    @cache.memoize()
    def page_two() -> int:
        return recorder("two")

    def call_all() -> list[int]:
        return [page(), page(2), page(x=1, y=2), page(y=2, x=1), page_two()]

    first = call_all()
    assert first[2] == first[3], "the order of keyword arguments does not matter"
    for delete in (cache.delete_memoized, cache.delete_memoized_verhash, lambda _: page.delete_memoized()):
        delete(page)
        assert [new > old for new, old in zip(call_all(), first, strict=True)] == [True] * 4 + [False]
        first = call_all()
    cache.delete_memoized(page_two)
    assert page_two() > first[4]


def test_delete_memoized_without_arguments_ends_a_write_of_this_context(cache: Cache, spy: Spy) -> None:
    """Regardless of the arguments that the write was announced with."""

    @cache.memoize()
    def double(number: int) -> int:
        return 2 * number

    with cache.writing(double, 4):
        cache.delete_memoized(double)
        assert spy.raw(double.entry_name(4)) is None


def test_delete_memoized_requires_arguments_if_the_function_has_a_custom_key(cache: Cache) -> None:
    """A call without arguments raises; otherwise it would silently delete nothing, or only one entry."""

    @cache.memoize(key=lambda number=4: str(number))
    def double(number: int = 4) -> int:
        return 2 * number

    double()
    with pytest.raises(TypeError, match="needs the call's arguments"):
        cache.delete_memoized(double)
    cache.delete_memoized(double, 4)
    with pytest.raises(TypeError, match="not a function that"):
        cache.delete_memoized(len)  # type: ignore[arg-type]


def test_delete_memoized_without_arguments_raises_when_redis_is_down(valkey: ValkeyServer) -> None:
    """The keys of the entries are unknown, so their deletes cannot be owed."""
    app, cache = application(options={"protocol": engine(valkey.url)})

    @cache.memoize()
    def double(number: int) -> int:
        return 2 * number

    valkey.kill()
    with app.app_context():
        cache.delete_memoized(double, 4)
        with pytest.raises(CacheUnavailableError):
            cache.delete_memoized(double)
