"""The Flask-Caching backend: cachelib's documented behaviour, on a real server, through trouble included."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_caching.backends.base import BaseCache

from app.caching import Cache, LeaseCache
from app.caching.protocol import LeaseProtocol
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.engines import Computation, Spy, engine, fetch
from tests.caching.places import everywhere

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend on the engine tests' Valkey."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


@pytest.fixture
def cache(protocol: LeaseProtocol) -> Iterator[Cache]:
    """Return the extension as an application configures it."""
    app, cache = Flask(__name__), Cache(with_jinja2_ext=False)
    options = {"protocol": protocol}
    cache.init_app(
        app,
        config={
            "CACHE_TYPE": "app.caching.LeaseCache",
            "CACHE_KEY_PREFIX": PREFIX,
            "CACHE_DEFAULT_TIMEOUT": 10,
            "CACHE_OPTIONS": options,
        },
    )
    with app.app_context():
        yield cache


def _digits(number: int) -> str:
    return str(number)


JSON_VALUES = [0, 1.5, "", "text", "ü\n\0", True, False, [], [1, [2]], {"a": {"b": None}}, 2**60]


@pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
def test_what_is_set_is_got(backend: LeaseCache, value: object) -> None:
    """Each JSON value comes back equal and of the same type."""
    assert backend.set("key", value) is True

    assert backend.get("key") == value
    assert type(backend.get("key")) is type(value)
    assert backend.has("key")


@everywhere
def test_nothing_is_none(backend: LeaseCache) -> None:
    """An absent key is None, and nothing to delete."""
    assert backend.get("absent") is None
    assert not backend.has("absent")
    assert backend.delete("absent") is False


@everywhere
def test_set_overwrites_and_add_does_not(backend: LeaseCache) -> None:
    """`add` stores only where nothing is."""
    assert backend.add("key", 1) is True
    assert backend.add("key", 2) is False
    assert backend.get("key") == 1
    assert backend.set("key", 3) is True
    assert backend.get("key") == 3


def test_timeouts_are_seconds_and_zero_is_for_good(backend: LeaseCache, spy: Spy) -> None:
    """Default, given, none: as documented; `add` sets value and deadline in one step."""
    backend.set("default", 1)
    backend.set("given", 1, timeout=100)
    backend.set("forever", 1, timeout=0)
    with spy.counting() as commands:
        backend.add("added", 1, timeout=50)

    left = {key: spy.redis.ttl(PREFIX + key) for key in ("default", "given", "forever", "added")}
    assert left == {"default": 10, "given": 100, "forever": -1, "added": 50}
    assert commands == ["EVAL"]


@everywhere
def test_an_entry_runs_out(backend: LeaseCache) -> None:
    """After its timeout it is gone."""
    backend.set("key", 1, timeout=1)

    assert wait_until(lambda: backend.get("key") is None, seconds=3)


@everywhere
def test_many_at_once(backend: LeaseCache) -> None:
    """Order is kept, absent ones are None, and deletion says what went."""
    assert backend.set_many({"a": 1, "b": 2}) == ["a", "b"]
    assert backend.get_many("b", "absent", "a") == [2, None, 1]
    assert backend.get_dict("a", "b") == {"a": 1, "b": 2}
    assert backend.get_many() == []
    assert backend.delete_many("a", "b") == ["a", "b"]
    assert backend.get_many("a", "b") == [None, None]


@everywhere
def test_counting(backend: LeaseCache) -> None:
    """`inc` and `dec` are atomic, start at zero and refuse what is no integer."""
    assert backend.inc("n") == 1
    assert backend.inc("n", 5) == 6
    assert backend.dec("n", 2) == 4
    assert backend.get("n") == 4
    backend.set("text", "x")
    assert backend.inc("text") is None
    assert backend.get("text") == "x"


def test_what_json_cannot_hold_is_not_stored(backend: LeaseCache) -> None:
    """False, and nothing in Redis: never a half-true copy."""
    for value in (object(), {1: 2}, (1,), float("nan"), b"bytes", {1, 2}):
        assert backend.set("key", value) is False
        assert not backend.has("key")


@everywhere
def test_garbage_is_nothing(backend: LeaseCache, spy: Spy) -> None:
    """What we did not write is not handed to anybody."""
    for payload in (b"\x80\x04.", b"NaN", b"\xff"):
        spy.plants(payload, key=PREFIX + "key")
        assert backend.get("key") is None
        assert backend.get_many("key") == [None]
    spy.redis.delete(PREFIX + "key")
    spy.redis.rpush(PREFIX + "key", "x")
    assert backend.get("key") is None


def test_leases_and_tombstones_are_not_values(backend: LeaseCache) -> None:
    """The protocol's own states never leak through the explicit interface."""
    backend.protocol.begin(PREFIX + "key")

    assert backend.get("key") is None
    assert not backend.has("key")


@everywhere
def test_clear_takes_our_entries_and_nobody_else_s(backend: LeaseCache, spy: Spy) -> None:
    """Another application in the same database keeps its keys, and writers in flight their tombstones."""
    spy.redis.set("foreign", "x")
    spy.redis.set("asin_stats", "x")
    backend.set_many({str(number): number for number in range(1500)})
    backend.protocol.begin(PREFIX + "writing")

    assert backend.drop() == 1500
    assert backend.clear() is True
    assert sorted(spy.redis.scan_iter()) == [b"asin_stats", PREFIX.encode() + b"writing", b"foreign"]


def test_a_prefix_is_taken_literally(protocol: LeaseProtocol, spy: Spy) -> None:
    """Wildcards in a prefix must not make clear reach further."""
    spy.redis.set("axb:1", "x")
    starred = LeaseCache(protocol=protocol, default_timeout=10, key_prefix="a*b:")
    starred.set("1", 1)

    assert starred.drop() == 1
    assert spy.redis.exists("axb:1")
    with pytest.raises(ValueError, match="prefix"):
        LeaseCache(protocol=protocol, default_timeout=10, key_prefix="")


def test_trouble_is_neutral(valkey: ValkeyServer) -> None:
    """With Redis gone reads find nothing, writes say no, and nothing raises."""
    backend = LeaseCache(protocol=engine(valkey.url), default_timeout=10, key_prefix=PREFIX)
    backend.set("key", 1)
    valkey.kill()

    assert backend.get("key") is None
    assert backend.get_many("key", "other") == [None, None]
    assert (backend.has("key"), backend.set("key", 1), backend.add("key", 1)) == (False, False, False)
    assert (backend.delete("key"), backend.inc("key"), backend.clear()) == (False, None, False)
    assert isinstance(backend, BaseCache)


@everywhere
def test_memoize_as_people_know_it(cache: Cache) -> None:
    """Arguments by position, by name and by default are one entry; other arguments another."""
    calls: list[tuple[int, str]] = []

    @cache.memoize(timeout=5)
    def area(a: int, b: str = "x") -> list[object]:
        calls.append((a, b))
        return [a, b]

    assert [area(1), area(a=1), area(1, "x"), area(1, b="x")] == [[1, "x"]] * 4
    assert area(2) == [2, "x"]
    assert calls == [(1, "x"), (2, "x")]
    assert area.uncached(1) == [1, "x"]
    assert "area" in area.make_cache_key(1)

    cache.delete_memoized(area, 1)
    area(1)
    area(2)
    assert calls == [(1, "x"), (2, "x"), (1, "x"), (1, "x")]


def test_delete_memoized_needs_the_arguments(cache: Cache) -> None:
    """Forgetting them must not silently delete nothing, nor everything."""

    @cache.memoize(key=_digits)
    def double(number: int) -> int:
        return 2 * number

    double(4)
    with pytest.raises(TypeError):
        cache.delete_memoized(double)  # type: ignore[call-arg]
    assert double.make_cache_key(4) == "asin_stats:4"


@everywhere
def test_each_writer_ends_itself(cache: Cache, spy: Spy) -> None:
    """Inside `writing`, delete_memoized takes exactly this write out of the tombstone."""

    @cache.memoize(key=_digits)
    def double(number: int) -> int:
        return 2 * number

    with cache.writing(double, 4):
        with cache.writing(double, 5):
            cache.delete_memoized(double, 4)
            assert spy.raw("asin_stats:4") is None
            assert (spy.raw("asin_stats:5") or b"").startswith(b"dirty:")
        assert (spy.raw("asin_stats:5") or b"").startswith(b"dirty:"), "an unknown outcome stands"


def test_a_hit_after_the_protocol_s_own_write(protocol: LeaseProtocol, backend: LeaseCache) -> None:
    """Both faces see the same entries."""
    fetch(protocol, Computation({"all": 1}), key=PREFIX + "key")

    assert backend.get("key") == {"all": 1}
