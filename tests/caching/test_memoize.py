"""`memoize` and `delete_memoized` as Flask-Caching documents them, on a real server."""

import datetime as dt
import hashlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_caching import cache_memoize_hit, cache_memoize_miss

from app.caching import Cache, CacheUnavailableError, Outcome
from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.applications import STOCK, application
from tests.caching.engines import Spy, engine
from tests.caching.places import everywhere


@pytest.fixture
def cache(protocol: LeaseProtocol) -> Iterator[Cache]:
    """Return the cache of an app, in its context."""
    app, cache = application(options={"protocol": protocol}, default_timeout=10)
    with app.app_context():
        yield cache


@pytest.fixture(params=STOCK[:2])
def stock_cache(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[Cache]:
    """Return the same with a backend of Flask-Caching."""
    app, cache = application(request.param, redis_url=valkey.url)
    with app.app_context():
        yield cache


class Counted:
    """A function that keeps what it was called with."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.calls: list[Any] = []

    def __call__(self, *call: Any) -> int:  # noqa: ANN401 - whatever was passed
        """Return how many calls there were."""
        self.calls.append(call)
        return len(self.calls)


@pytest.fixture
def counted() -> Counted:
    """Return a counter of calls."""
    return Counted()


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


class _Shop:
    def __init__(self, rate: int) -> None:
        self.rate = rate


class _NamedShop(_Shop):
    def __repr__(self) -> str:
        return f"shop {self.rate}"


class _SlottedShop:
    __slots__ = ("rate",)

    def __init__(self, rate: int) -> None:
        self.rate = rate


def _with_price(cache: Cache, base: type, counted: Counted) -> Any:  # noqa: ANN401 - a class made on the spot
    class Shop(base):  # type: ignore[misc]
        @cache.memoize()
        def price(self, amount: int) -> int:
            counted(self.rate, amount)
            return amount * int(self.rate)

        @classmethod
        @cache.memoize()
        def name(cls, greeting: str) -> str:
            counted(cls.__name__, greeting)
            return f"{greeting} {cls.__name__}"

    return Shop


@pytest.mark.parametrize("base", [_Shop, _NamedShop])
def test_a_memoized_method_is_bound_to_its_object(cache: Cache, counted: Counted, base: type) -> None:
    """Each object has entries of its own; they can be dropped for one call, for one object, and for all."""
    kind = _with_price(cache, base, counted)
    full, half = kind(10), kind(5)
    assert [full.price(30), full.price(30), half.price(30), kind.price(full, 30)] == [300, 300, 150, 300]
    assert counted.calls == [(10, 30), (5, 30)]

    for delete, computed in (
        (lambda: cache.delete_memoized(full.price, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(kind.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price), [(10, 30)]),
        (full.price.delete_memoized, [(10, 30)]),
        (lambda: cache.delete_memoized(kind.price), [(10, 30), (5, 30)]),
    ):
        counted.calls.clear()
        delete()
        assert (full.price(30), half.price(30)) == (300, 150)
        assert counted.calls == computed
    assert full.price.lookup(30).outcome is Outcome.HIT


def test_a_new_object_never_gets_the_entries_of_one_that_is_gone(cache: Cache, counted: Counted) -> None:
    """Though Python gives it the same address."""
    kind = _with_price(cache, _Shop, counted)

    assert [kind(rate).price(1) for rate in range(20)] == list(range(20))


def test_objects_that_cannot_be_told_apart_are_refused(cache: Cache, counted: Counted) -> None:
    """Rather than mixed up."""
    kind = _with_price(cache, _SlottedShop, counted)
    kind.__slots__ = ()

    class Bare:
        __slots__ = ()
        price = kind.price

    with pytest.raises(TypeError, match="__caching_id__"):
        Bare().price(1)


def test_a_memoized_classmethod_is_bound_to_its_class(cache: Cache, counted: Counted) -> None:
    """A subclass is another one."""
    kind = _with_price(cache, _Shop, counted)

    class Other(kind):  # type: ignore[misc, valid-type]
        pass

    assert [kind.name("hi"), kind.name("hi"), Other.name("hi")] == ["hi Shop", "hi Shop", "hi Other"]
    cache.delete_memoized(kind.name)
    kind.name("hi")
    Other.name("hi")
    assert counted.calls == [("Shop", "hi"), ("Other", "hi"), ("Shop", "hi")]


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


def test_the_setting_source_check_is_the_default(protocol: LeaseProtocol) -> None:
    """CACHE_SOURCE_CHECK."""
    app, cache = application(options={"protocol": protocol}, source_check=True)

    @cache.memoize()
    def checked() -> int:
        return 1

    with app.app_context():
        assert "checked@" in checked.make_cache_key()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": 0}, "above 0"),
        ({"timeout": dt.timedelta(0)}, "above 0"),
        ({"timeout": -1}, "negative"),
        ({"unless": True}, "unless must be a function"),
        ({"forced_update": 1}, "forced_update must be a function"),
        ({"is_stale": "x"}, "is_stale must be a function"),
        ({"response_filter": 1}, "response_filter must be a function"),
        ({"hash_method": len}, "hash_method must be a constructor"),
        ({"make_name": "x"}, "make_name must be a function"),
        ({"args_to_ignore": ["colour"]}, "does not take"),
        ({"args_to_ignore": "number"}, "must be a list"),
        ({"key": str, "make_name": str}, "leaves nothing to make_name"),
        ({"key": str, "args_to_ignore": ["number"]}, "leaves nothing to args_to_ignore"),
    ],
)
def test_an_argument_that_cannot_work_is_refused_when_it_decorates(
    cache: Cache, arguments: dict[str, Any], words: str
) -> None:
    """With one clear error."""

    def double(number: int) -> int:
        return 2 * number

    with pytest.raises((TypeError, ValueError), match=words):
        cache.memoize(**arguments)(double)


def test_memoize_without_parentheses_is_refused(cache: Cache) -> None:
    """A usual slip."""
    with pytest.raises(TypeError, match=r"@cache\.memoize\(\)"):
        cache.memoize(_digits)  # type: ignore[arg-type]


def test_a_default_of_no_expiry_is_refused_at_the_first_call(protocol: LeaseProtocol) -> None:
    """It is a fine default for `set`, but not for `memoize`."""
    app, cache = application(options={"protocol": protocol}, default_timeout=0)

    @cache.memoize()
    def one() -> int:
        return 1

    with app.app_context(), pytest.raises(ValueError, match="above 0"):
        one()


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


def test_a_generator_is_joined(cache: Cache) -> None:
    """As Flask-Caching does."""

    @cache.memoize()
    def letters() -> Any:  # noqa: ANN401 - a generator in, a text out
        yield from ("a", "b")

    assert [letters(), letters()] == ["ab", "ab"]


def test_signals_are_sent_when_they_are_enabled(protocol: LeaseProtocol) -> None:
    """CACHE_ENABLE_SIGNALS: a miss, then a hit."""
    app, cache = application(options={"protocol": protocol}, enable_signals=True)
    heard: list[tuple[str, str]] = []

    def hear(name: str) -> Callable[..., None]:
        return lambda _sender, **said: heard.append((name, said["cache_key"]))

    hit, miss = hear("hit"), hear("miss")
    with cache_memoize_hit.connected_to(hit), cache_memoize_miss.connected_to(miss), app.app_context():

        @cache.memoize()
        def one() -> int:
            return 1

        one()
        one()
        key = one.make_cache_key()
    assert heard == [("miss", f"test:{key}"), ("hit", f"test:{key}")]


def test_outside_of_a_context_the_last_app_is_used(protocol: LeaseProtocol) -> None:
    """As in Flask-Caching."""
    _, cache = application(options={"protocol": protocol})

    @cache.memoize()
    def one() -> int:
        return 1

    assert [one.lookup().outcome for _ in range(2)] == [Outcome.STORED, Outcome.HIT]


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
    kind = _with_price(stock_cache, _Shop, counted)
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


def test_no_private_attribute_of_a_library_is_needed(protocol: LeaseProtocol) -> None:
    """Two applications share one `Cache`, each with its own backend."""
    cache = Cache(with_jinja2_ext=False)
    apps = [Flask(name) for name in ("one", "two")]
    for app in apps:
        config = {"CACHE_TYPE": "app.caching.LeaseCache", "CACHE_KEY_PREFIX": f"{app.name}:"}
        cache.init_app(app, config={**config, "CACHE_OPTIONS": {"protocol": protocol}})

    @cache.memoize()
    def name() -> str:
        return cache.engine.key_prefix

    for app in apps:
        with app.app_context():
            assert name() == name() == f"{app.name}:"
