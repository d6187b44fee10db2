"""`delete_memoized` and `writing`: what goes, what stays, and what is refused."""

import pytest

from app.caching import Cache, CacheUnavailableError
from local.valkey import ValkeyServer
from tests.caching.applications import Counted, application
from tests.caching.engines import Spy, engine
from tests.caching.places import everywhere


def _digits(number: int) -> str:
    return str(number)


@everywhere
def test_each_writer_ends_itself(cache: Cache, spy: Spy) -> None:
    """Inside `writing`, delete_memoized takes exactly this write out of the tombstone."""

    @cache.memoize(key=_digits)
    def double(number: int) -> int:
        return 2 * number

    with cache.writing(double, 4):
        with cache.writing(double, 5):
            cache.delete_memoized(double, 4)
            assert spy.raw("test:4") is None
            assert (spy.raw("test:5") or b"").startswith(b"dirty:")
        assert (spy.raw("test:5") or b"").startswith(b"dirty:"), "an unknown outcome stands"


@everywhere
def test_deleting_without_arguments_drops_every_entry_of_the_function(cache: Cache, counted: Counted) -> None:
    """Defaults or not, and of no other function, whatever its name starts with; `…_verhash` does the same."""

    @cache.memoize()
    def page(number: int = 1, **rest: int) -> int:
        return counted("page", number, rest)

    @cache.memoize()
    def page_two() -> int:
        return counted("two")

    def look() -> list[int]:
        return [page(), page(2), page(x=1, y=2), page(y=2, x=1), page_two()]

    first = look()
    assert first[2] == first[3], "one call, in whatever order its keyword arguments come"
    for delete in (cache.delete_memoized, cache.delete_memoized_verhash, lambda _: page.delete_memoized()):
        delete(page)
        assert [new > old for new, old in zip(look(), first, strict=True)] == [True] * 4 + [False]
        first = look()
    cache.delete_memoized(page_two)
    assert page_two() > first[4]


def test_deleting_without_arguments_ends_a_write_of_this_context(cache: Cache, spy: Spy) -> None:
    """Whatever the arguments it was announced with."""

    @cache.memoize()
    def double(number: int) -> int:
        return 2 * number

    with cache.writing(double, 4):
        cache.delete_memoized(double)
        assert spy.raw(double.entry_name(4)) is None


def test_a_key_of_its_own_needs_the_arguments(cache: Cache) -> None:
    """Forgetting them must not silently delete nothing, nor one entry of many."""

    @cache.memoize(key=lambda number=4: str(number))
    def double(number: int = 4) -> int:
        return 2 * number

    double()
    with pytest.raises(TypeError, match="needs the call's arguments"):
        cache.delete_memoized(double)
    cache.delete_memoized(double, 4)
    with pytest.raises(TypeError, match="not a function that"):
        cache.delete_memoized(len)  # type: ignore[arg-type]


def test_deleting_all_on_a_dead_server_says_so(valkey: ValkeyServer) -> None:
    """Which entries there are cannot be known, so nothing can be owed."""
    app, cache = application(options={"protocol": engine(valkey.url)})

    @cache.memoize()
    def double(number: int) -> int:
        return 2 * number

    valkey.kill()
    with app.app_context():
        cache.delete_memoized(double, 4)
        with pytest.raises(CacheUnavailableError):
            cache.delete_memoized(double)
