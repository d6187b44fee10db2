"""The Flask-Caching backend: cachelib's documented behaviour, on a real server, through trouble included."""

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
from tests.caching.engines import Spy, engine
from tests.caching.places import everywhere

PREFIX = "asin_stats:"


@pytest.fixture
def backend(protocol: LeaseProtocol) -> LeaseCache:
    """Return a backend on the engine tests' Valkey."""
    return LeaseCache(protocol=protocol, default_timeout=10, key_prefix=PREFIX)


class Color(IntEnum):
    """JSON would give back the number."""

    RED = 1


class Point(NamedTuple):
    """JSON would give back a list."""

    x: int
    y: int


NaN: Final = float("nan")
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


@pytest.mark.parametrize("value", [object(), 1j, Color.RED, NaN, Point(1, 2)], ids=repr)
def test_what_cannot_be_stored_raises_and_takes_the_old_value_away(backend: LeaseCache, value: object) -> None:
    """A value that would come back as another is refused, and what it was to replace is not left behind."""
    backend.set("key", "old")
    with pytest.raises((TypeError, ValueError)):
        backend.set("key", value)
    assert not backend.has("key")

    with pytest.raises((TypeError, ValueError)):
        backend.set_many({"other": 1, "key": value})
    with pytest.raises((TypeError, ValueError)):
        backend.add("key", value)


def test_what_is_too_long_is_not_stored(backend: LeaseCache, caplog: pytest.LogCaptureFixture) -> None:
    """Longer than a reader would believe: False, one line in the log, and the old value is gone."""
    backend.set("key", "old")

    assert backend.set("key", "x" * MAX_PAYLOAD_BYTES) is False
    assert backend.add("key", "x" * MAX_PAYLOAD_BYTES) is False
    assert backend.set_many({"key": "x" * MAX_PAYLOAD_BYTES, "other": 1}) == ["other"]
    assert not backend.has("key")
    assert "longer than 1048576 bytes" in caplog.text


@pytest.mark.parametrize("timeout", [dt.timedelta(seconds=9.2), dt.timedelta(milliseconds=1), 9.5])
def test_fractions_of_a_second_are_rounded_up(backend: LeaseCache, spy: Spy, timeout: dt.timedelta) -> None:
    """As Flask-Caching does."""
    backend.set("key", 1, timeout=timeout)

    assert spy.redis.ttl(PREFIX + "key") in {1, 10}
    with pytest.raises(ValueError, match="negative"):
        backend.set("key", 1, timeout=-1)


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


@everywhere
def test_clear_takes_our_entries_and_nobody_else_s(patient: LeaseProtocol, spy: Spy) -> None:
    """Another application in the same database keeps its keys, and writers in flight their tombstones."""
    backend = LeaseCache(protocol=patient, default_timeout=10, key_prefix=PREFIX)
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
    with pytest.raises(ValueError, match="CACHE_KEY_PREFIX"):
        LeaseCache(protocol=protocol, default_timeout=10, key_prefix="")


def test_trouble_is_neutral(valkey: ValkeyServer) -> None:
    """With Redis gone reads find nothing, writes say no, and nothing raises but what is documented to."""
    backend = LeaseCache(protocol=engine(valkey.url), default_timeout=10, key_prefix=PREFIX)
    backend.set("key", 1)
    valkey.kill()

    assert backend.get("key") is None
    assert backend.get_many("key", "other") == [None, None]
    assert (backend.has("key"), backend.set("key", 1), backend.add("key", 1)) == (False, False, False)
    assert (backend.set_many({"key": 1}), backend.delete("key"), backend.inc("key")) == ([], False, None)
    assert backend.clear() is False
    assert isinstance(backend, RedisCache)


def test_deleting_many_does_not_claim_success_on_a_server_that_hangs(valkey: ValkeyServer) -> None:
    """A RuntimeError, or (CACHE_IGNORE_ERRORS) an empty list."""
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
