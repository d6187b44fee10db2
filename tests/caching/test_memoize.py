"""`memoize` and `delete_memoized` as Flask-Caching documents them, on a real server."""

import datetime as dt
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from app.caching import Cache, Outcome
from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import Counted
from tests.caching.engines import Spy
from tests.caching.places import everywhere


def _digits(number: int) -> str:
    return str(number)


@everywhere
def test_memoize_as_people_know_it(cache: Cache, counted: Counted) -> None:
    """Arguments by position, by name and by default are one entry; other arguments another."""

    @cache.memoize(timeout=5)
    def area(a: int, b: str = "x") -> list[object]:
        counted(a, b)
        return [a, b]

    assert [area(1), area(a=1), area(1, "x"), area(1, b="x")] == [[1, "x"]] * 4
    assert area(2) == [2, "x"]
    assert counted.calls == [(1, "x"), (2, "x")]
    assert area.uncached(1) == [1, "x"]
    assert "area" in area.make_cache_key(1)

    cache.delete_memoized(area, 1)
    area(1)
    area(2)
    assert counted.calls == [(1, "x"), (2, "x"), (1, "x"), (1, "x")]


def test_the_key_of_a_call_is_the_key_of_get_and_delete(cache: Cache, counted: Counted) -> None:
    """Without the prefix, and with the function before the arguments if one likes, as Flask-Caching does."""

    @cache.memoize()
    def double(number: int) -> int:
        counted()
        return 2 * number

    double(4)
    assert cache.get(double.make_cache_key(4)) == cache.get(double.make_cache_key(double.uncached, 4)) == 8
    assert double.entry_name(4) == f"test:{double.make_cache_key(4)}"
    assert cache.delete(double.make_cache_key(4))
    double(4)
    assert len(counted.calls) == 2


def test_each_condition_of_memoize_works(cache: Cache, counted: Counted) -> None:
    """As documented, with and without the call's arguments."""
    asked: dict[str, bool] = {"unless": False, "forced": False, "stale": False}

    @cache.memoize(
        unless=lambda f, number: asked["unless"],  # noqa: ARG005 - Flask-Caching passes them
        forced_update=lambda: asked["forced"],
        is_stale=lambda value, number: asked["stale"],  # noqa: ARG005 - same
    )
    def twice(number: int) -> int:
        return counted(number)

    assert [twice(1), twice(1)] == [1, 1]
    for name in asked:
        asked[name] = True
        fresh = twice(1)
        asked[name] = False
        assert fresh == len(counted.calls)
        assert twice(1) == (1 if name == "unless" else fresh), "bypassed once, or stored anew"


def test_what_the_response_filter_refuses_is_not_stored(cache: Cache, counted: Counted) -> None:
    """And its lease is given back, so that the next caller need not wait."""

    @cache.memoize(response_filter=lambda value: value > 1)
    def number() -> int:
        return counted()

    assert [number(), number(), number()] == [1, 2, 2]


@pytest.mark.parametrize(("cache_none", "calls"), [(False, 2), (True, 1)])
def test_none_is_stored_only_when_asked_for(cache: Cache, counted: Counted, cache_none: bool, calls: int) -> None:  # noqa: FBT001 - a parameter
    """As in Flask-Caching, where None means that nothing is stored."""

    @cache.memoize(cache_none=cache_none)
    def nothing() -> None:
        counted()

    nothing()
    nothing()
    assert len(counted.calls) == calls


def test_the_name_and_what_is_left_out_of_a_key(cache: Cache, counted: Counted) -> None:
    """`make_name`, `args_to_ignore`, `hash_method` and `source_check` form the key."""

    @cache.memoize(make_name=lambda name: f"{len(name)}:v2", args_to_ignore=["log", "trace"])
    def renamed(number: int, log: object = None, **rest: object) -> int:
        return counted(number, log, rest)

    assert renamed(1, object(), trace=object()) == renamed(1, object()) == 1
    assert ".v2:[1," in renamed.make_cache_key(1)
    cache.delete_memoized(renamed)
    assert renamed(1) == 2

    @cache.memoize(hash_method=hashlib.md5)
    def digested(number: int) -> int:
        return counted(number)

    assert digested.make_cache_key(1).endswith(f"digested:{hashlib.md5(b'[1]').hexdigest()}")  # noqa: S324 - as chosen above

    @cache.memoize(source_check=True)
    def checked(number: int) -> int:
        return counted(number)

    digest = hashlib.sha256(inspect.getsource(checked.uncached).encode()).hexdigest()
    assert checked.make_cache_key(1).endswith(f"checked@{digest[:16]}:[1]")


def test_a_timeout_may_be_a_timedelta_and_change_before_the_first_call(cache: Cache, spy: Spy) -> None:
    """Rounded up to seconds."""

    @cache.memoize(timeout=dt.timedelta(milliseconds=1))
    def one() -> int:
        return 1

    one.cache_timeout = dt.timedelta(minutes=2)
    one()
    assert spy.redis.ttl(one.entry_name()) == 120


def test_an_owed_invalidation_outlives_the_longest_result(cache: Cache, protocol: LeaseProtocol) -> None:
    """A worker that only writes knows it too."""

    @cache.memoize(timeout=3600)
    def one() -> int:
        return 1

    cache.delete_memoized(one)
    assert protocol.timing.owed > 3600


def _nested() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [_nested, lambda: "x" * MAX_PAYLOAD_BYTES, object])
def test_a_result_that_cannot_be_stored_is_returned_and_its_lease_given_back(
    cache: Cache, spy: Spy, value: Callable[[], object]
) -> None:
    """Nested too deeply, too long, or of a type that JSON lacks."""

    @cache.memoize()
    def result() -> object:
        return value()

    answer = result.lookup()
    assert (answer.outcome, answer.detail) == (Outcome.BYPASS, "unserialisable")
    assert spy.raw(result.entry_name()) is None


def test_a_function_whose_results_cannot_be_cached_is_named_once(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    """Else nobody would notice that it is computed in each call."""

    @cache.memoize()
    def unfit() -> object:
        return object()

    unfit()
    unfit()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "app.caching.memoize"]
    assert "unfit cannot be cached: a value of type object cannot be cached" in line


def test_a_generator_is_joined(cache: Cache) -> None:
    """As Flask-Caching does."""

    @cache.memoize()
    def letters() -> Any:  # noqa: ANN401 - a generator in, a text out
        yield from ("a", "b")

    assert [letters(), letters()] == ["ab", "ab"]
