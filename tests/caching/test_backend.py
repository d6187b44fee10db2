"""Tests of the Flask-Caching backend: cachelib's documented behaviour on a real server, and errors of the server."""

import datetime as dt
from enum import IntEnum
from typing import Final, NamedTuple

import pytest
from flask_caching.backends.rediscache import RedisCache

from app.caching import LeaseCache
from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Spy, engine

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend that uses `protocol`."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


class Color(IntEnum):
    """A type that JSON would turn into a plain number."""

    RED = 1


class Point(NamedTuple):
    """A type that JSON would turn into a list."""

    x: int
    y: int


NaN: Final = float("nan")
JSON_VALUES = [0, 1.5, "", "text", "ü\n\0", True, False, [], [1, [2]], {"a": {"b": None}}, 2**60]


@pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
def test_get_returns_the_value_and_type_that_set_stored(backend: LeaseCache, value: object) -> None:
    """Holds for every JSON value."""
    assert backend.set("key", value) is True

    assert backend.get("key") == value
    assert type(backend.get("key")) is type(value)
    assert backend.has("key")


@on_every_deployment
def test_get_returns_none_for_an_absent_key(backend: LeaseCache) -> None:
    """`has` and `delete` return False for it."""
    assert backend.get("absent") is None
    assert not backend.has("absent")
    assert backend.delete("absent") is False


@on_every_deployment
def test_set_overwrites_and_add_does_not(backend: LeaseCache) -> None:
    """`add` stores a value only if the key is absent."""
    assert backend.add("key", 1) is True
    assert backend.add("key", 2) is False
    assert backend.get("key") == 1
    assert backend.set("key", 3) is True
    assert backend.get("key") == 3


def test_timeouts_are_in_seconds_and_zero_means_no_expiry(backend: LeaseCache, spy: Spy) -> None:
    """The default, an explicit and no timeout. `add` sets value and TTL in one command."""
    started = spy.now()
    backend.set("default", 1)
    backend.set("given", 1, timeout=100)
    backend.set("forever", 1, timeout=0)
    with spy.counting() as commands:
        backend.add("added", 1, timeout=50)

    took = spy.now() - started
    for key, seconds in {"default": 10, "given": 100, "added": 50}.items():
        assert 0 <= spy.expires(PREFIX + key) - started - 1000 * seconds <= took
    assert spy.expires(PREFIX + "forever") == -1
    assert commands == ["EVAL"]


@on_every_deployment
def test_entry_expires_after_its_timeout(backend: LeaseCache) -> None:
    """`get` then returns None."""
    backend.set("key", 1, timeout=1)

    assert wait_until(lambda: backend.get("key") is None, seconds=9)


@on_every_deployment
def test_methods_for_several_keys_keep_the_order(backend: LeaseCache) -> None:
    """`get_many` keeps the order and returns None for absent keys; `delete_many` returns the deleted keys."""
    assert backend.set_many({"a": 1, "b": 2}) == ["a", "b"]
    assert backend.get_many("b", "absent", "a") == [2, None, 1]
    assert backend.get_dict("a", "b") == {"a": 1, "b": 2}
    assert backend.get_many() == []
    assert backend.delete_many("a", "b") == ["a", "b"]
    assert backend.get_many("a", "b") == [None, None]


@on_every_deployment
def test_inc_and_dec_start_at_zero_and_refuse_non_integers(backend: LeaseCache) -> None:
    """They return None for a value that is not an integer, and do not change it."""
    assert backend.inc("n") == 1
    assert backend.inc("n", 5) == 6
    assert backend.dec("n", 2) == 4
    assert backend.get("n") == 4
    backend.set("text", "x")
    assert backend.inc("text") is None
    assert backend.get("text") == "x"


@pytest.mark.parametrize("value", [object(), 1j, Color.RED, NaN, Point(1, 2)], ids=repr)
def test_unserialisable_value_raises_and_deletes_the_old_value(backend: LeaseCache, value: object) -> None:
    """A value that would be read back as another type or value is refused; the old value must not stay either."""
    backend.set("key", "old")
    with pytest.raises((TypeError, ValueError)):
        backend.set("key", value)
    assert not backend.has("key")

    with pytest.raises((TypeError, ValueError)):
        backend.set_many({"other": 1, "key": value})
    with pytest.raises((TypeError, ValueError)):
        backend.add("key", value)


def test_too_long_value_is_not_stored(backend: LeaseCache, caplog: pytest.LogCaptureFixture) -> None:
    """`set` and `add` return False, the log has a line, and the old value is deleted."""
    backend.set("key", "old")

    assert backend.set("key", "x" * MAX_PAYLOAD_BYTES) is False
    assert backend.add("key", "x" * MAX_PAYLOAD_BYTES) is False
    assert backend.set_many({"key": "x" * MAX_PAYLOAD_BYTES, "other": 1}) == ["other"]
    assert not backend.has("key")
    assert "longer than 1048576 bytes" in caplog.text


@pytest.mark.parametrize("timeout", [dt.timedelta(seconds=9.2), dt.timedelta(milliseconds=1), 9.5])
def test_fractions_of_a_second_are_rounded_up(backend: LeaseCache, spy: Spy, timeout: dt.timedelta) -> None:
    """As in Flask-Caching. A negative timeout is a ValueError."""
    started = spy.now()
    backend.set("key", 1, timeout=timeout)

    rounded = 1 if timeout == dt.timedelta(milliseconds=1) else 10
    assert 0 <= spy.expires(PREFIX + "key") - started - 1000 * rounded <= spy.now() - started
    with pytest.raises(ValueError, match="negative"):
        backend.set("key", 1, timeout=-1)


@on_every_deployment
def test_get_ignores_payloads_the_engine_did_not_write(backend: LeaseCache, spy: Spy) -> None:
    """`get` returns None for invalid JSON and for other data types."""
    for payload in (b"\x80\x04.", b"NaN", b"\xff"):
        spy.stores(payload, key=PREFIX + "key")
        assert backend.get("key") is None
        assert backend.get_many("key") == [None]
    spy.redis.delete(PREFIX + "key")
    spy.redis.rpush(PREFIX + "key", "x")
    assert backend.get("key") is None


@on_every_deployment
def test_clear_deletes_only_entries_with_our_prefix(patient_protocol: LeaseProtocol, spy: Spy) -> None:
    """Keys of other applications in the same database stay, and so do writers in flight."""
    backend = LeaseCache(protocol=patient_protocol, default_timeout=10, key_prefix=PREFIX)
    spy.redis.set("foreign", "x")
    spy.redis.set("asin_stats", "x")
    backend.set_many({str(number): number for number in range(1500)})
    backend.protocol.begin(PREFIX + "writing")

    assert backend.drop() == 1500
    assert backend.clear() is True
    assert set(spy.redis.scan_iter()) == {b"asin_stats", PREFIX.encode() + b"writing", b"foreign"}


def test_wildcards_in_a_prefix_match_literally(protocol: LeaseProtocol, spy: Spy) -> None:
    """`clear` must not delete keys that match the prefix only as a pattern. An empty prefix is refused."""
    spy.redis.set("axb:1", "x")
    backend = LeaseCache(protocol=protocol, default_timeout=10, key_prefix="a*b:")
    backend.set("1", 1)

    assert backend.drop() == 1
    assert spy.redis.exists("axb:1")
    with pytest.raises(ValueError, match="CACHE_KEY_PREFIX"):
        LeaseCache(protocol=protocol, default_timeout=10, key_prefix="")


def test_methods_return_neutral_values_when_redis_is_down(valkey: ValkeyServer) -> None:
    """Reads find nothing, writes return False, None or an empty list, and nothing raises."""
    backend = LeaseCache(protocol=engine(valkey.url), default_timeout=10, key_prefix=PREFIX)
    backend.set("key", 1)
    valkey.kill()

    assert backend.get("key") is None
    assert backend.get_many("key", "other") == [None, None]
    assert (backend.has("key"), backend.set("key", 1), backend.add("key", 1)) == (False, False, False)
    assert (backend.set_many({"key": 1}), backend.delete("key"), backend.inc("key")) == ([], False, None)
    assert backend.clear() is False
    assert isinstance(backend, RedisCache)


def test_delete_many_does_not_report_success_when_redis_hangs(valkey: ValkeyServer) -> None:
    """It raises RuntimeError. With CACHE_IGNORE_ERRORS it returns an empty list."""
    strict, lenient = (
        LeaseCache(protocol=engine(valkey.url, timeout=0.2), key_prefix=PREFIX, ignore_delete_many_errors=ignore)
        for ignore in (False, True)
    )
    lenient.set("key", 1)
    valkey.pause()

    for deleting in (strict.delete_many, strict.unlink):
        with pytest.raises(RuntimeError, match="Failed to delete"):
            deleting("key")
    assert (lenient.delete_many("key"), lenient.unlink("key")) == ([], 0)
