"""Tests of `memoize` and `delete_memoized` as Flask-Caching documents them, on a real server."""

import datetime as dt
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from app.caching import Cache, Outcome
from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import CallRecorder
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Spy


def _digits(number: int) -> str:
    return str(number)


@on_every_deployment
def test_memoize_stores_one_entry_for_equal_calls(cache: Cache, recorder: CallRecorder) -> None:
    """Calls are equal if their arguments are, whether given by position, by name or by default."""

    @cache.memoize(timeout=5)
    def area(a: int, b: str = "x") -> list[object]:
        recorder(a, b)
        return [a, b]

    assert [area(1), area(a=1), area(1, "x"), area(1, b="x")] == [[1, "x"]] * 4
    assert area(2) == [2, "x"]
    assert recorder.calls == [(1, "x"), (2, "x")]
    assert area.uncached(1) == [1, "x"]
    assert "area" in area.make_cache_key(1)

    cache.delete_memoized(area, 1)
    area(1)
    area(2)
    assert recorder.calls == [(1, "x"), (2, "x"), (1, "x"), (1, "x")]


def test_make_cache_key_returns_the_key_of_get_and_delete(cache: Cache, recorder: CallRecorder) -> None:
    """The key has no prefix. As in Flask-Caching, the function may be given before the arguments."""

    @cache.memoize()
    def double(number: int) -> int:
        recorder()
        return 2 * number

    double(4)
    assert cache.get(double.make_cache_key(4)) == cache.get(double.make_cache_key(double.uncached, 4)) == 8
    assert double.entry_name(4) == f"test:{double.make_cache_key(4)}"
    assert cache.delete(double.make_cache_key(4))
    double(4)
    assert len(recorder.calls) == 2


def test_each_condition_of_memoize_works(cache: Cache, recorder: CallRecorder) -> None:
    """`unless`, `forced_update` and `is_stale`, with and without the call's arguments."""
    conditions: dict[str, bool] = {"unless": False, "forced": False, "stale": False}

    @cache.memoize(
        unless=lambda f, number: conditions["unless"],  # noqa: ARG005 - Flask-Caching passes them
        forced_update=lambda: conditions["forced"],
        is_stale=lambda value, number: conditions["stale"],  # noqa: ARG005 - same
    )
    def twice(number: int) -> int:
        return recorder(number)

    assert [twice(1), twice(1)] == [1, 1]
    for name in conditions:
        conditions[name] = True
        fresh = twice(1)
        conditions[name] = False
        assert fresh == len(recorder.calls)
        assert twice(1) == (1 if name == "unless" else fresh), "bypassed once, or stored anew"


def test_result_that_response_filter_refuses_is_not_stored(cache: Cache, recorder: CallRecorder) -> None:
    """Its lease is released, so the next caller does not wait."""

    @cache.memoize(response_filter=lambda value: value > 1)
    def number() -> int:
        return recorder()

    assert [number(), number(), number()] == [1, 2, 2]


@pytest.mark.parametrize(("cache_none", "calls"), [(False, 2), (True, 1)])
def test_none_is_stored_only_with_cache_none(
    cache: Cache,
    recorder: CallRecorder,
    cache_none: bool,  # noqa: FBT001 - a parameter
    calls: int,
) -> None:
    """As in Flask-Caching, whose `get` returns None for an absent key."""

    @cache.memoize(cache_none=cache_none)
    def nothing() -> None:
        recorder()

    nothing()
    nothing()
    assert len(recorder.calls) == calls


def test_arguments_of_memoize_that_change_the_key(cache: Cache, recorder: CallRecorder) -> None:
    """`make_name`, `args_to_ignore`, `hash_method` and `source_check`."""

    @cache.memoize(make_name=lambda name: f"{len(name)}:v2", args_to_ignore=["log", "trace"])
    def renamed(number: int, log: object = None, **rest: object) -> int:
        return recorder(number, log, rest)

    assert renamed(1, object(), trace=object()) == renamed(1, object()) == 1
    assert ".v2:[1," in renamed.make_cache_key(1)
    cache.delete_memoized(renamed)
    assert renamed(1) == 2

    @cache.memoize(hash_method=hashlib.md5)
    def digested(number: int) -> int:
        return recorder(number)

    assert digested.make_cache_key(1).endswith(f"digested:{hashlib.md5(b'[1]').hexdigest()}")  # noqa: S324 - as chosen above

    @cache.memoize(source_check=True)
    def checked(number: int) -> int:
        return recorder(number)

    digest = hashlib.sha256(inspect.getsource(checked.uncached).encode()).hexdigest()
    assert checked.make_cache_key(1).endswith(f"checked@{digest[:16]}:[1]")


def test_timeout_may_be_a_timedelta_and_change_before_the_first_call(cache: Cache, spy: Spy) -> None:
    """It is rounded up to whole seconds."""

    @cache.memoize(timeout=dt.timedelta(milliseconds=1))
    def one() -> int:
        return 1

    one.cache_timeout = dt.timedelta(minutes=2)
    started = spy.now()
    one()
    assert 0 <= spy.expires(one.entry_name()) - started - 120_000 <= spy.now() - started


def test_owed_delete_outlives_the_longest_ttl(cache: Cache, protocol: LeaseProtocol) -> None:
    """Also in a worker that has deleted an entry but never read one."""

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
def test_unserialisable_result_is_returned_and_its_lease_released(
    cache: Cache, spy: Spy, value: Callable[[], object]
) -> None:
    """The value is nested too deeply, too long, or of a type that JSON does not have."""

    @cache.memoize()
    def result() -> object:
        return value()

    answer = result.lookup()
    assert (answer.outcome, answer.detail) == (Outcome.BYPASS, "unserialisable")
    assert spy.raw(result.entry_name()) is None


def test_function_with_unserialisable_results_is_logged_once(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """Without the log line it would go unnoticed that every call computes."""

    @cache.memoize()
    def unfit() -> object:
        return object()

    unfit()
    unfit()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "app.caching.conditions"]
    assert "unfit cannot be cached: a value of type object cannot be cached" in line


def test_generator_is_joined_to_a_string(cache: Cache) -> None:
    """As in Flask-Caching."""

    @cache.memoize()
    def letters() -> Any:  # noqa: ANN401 - a generator that callers receive as a string
        yield from ("a", "b")

    assert [letters(), letters()] == ["ab", "ab"]
