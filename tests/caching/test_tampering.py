"""Tests of tampered entries: reads stay correct, take at most one wait time, and caching resumes."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from redis import Redis

from app.caching.codec import MAX_PAYLOAD_BYTES
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from tests.caching.deployments import Deployment, on_newest_and_oldest
from tests.caching.engines import KEY, POLICY, SHORT_TIMING, Computation, Spy, fetch
from tests.caching.tampering import MANY_WRITERS, TAMPERINGS
from tests.sellers import Seller

_SLACK: Final = 2.0
"""Seconds of delay that a busy machine may add."""
_CACHED: Final = {Outcome.HIT, Outcome.COLLAPSED, Outcome.STORED}
_KEYS: Final = {name: f"{KEY}:{number}" for number, name in enumerate(TAMPERINGS)}


class _UnboundedCodec:
    """A custom codec without a limit of length."""

    def encode(self, value: str) -> bytes:
        return value.encode()

    def decode(self, payload: bytes) -> str:
        return payload.decode()


def _leave_absent(_protocol: LeaseProtocol, _key: str) -> None:
    """Leave the entry absent."""


def _store_value(protocol: LeaseProtocol, key: str) -> None:
    fetch(protocol, Computation("db"), key=key)


def _begin_write(protocol: LeaseProtocol, key: str) -> None:
    protocol.begin(key)


@on_newest_and_oldest
@pytest.mark.parametrize("before", [_leave_absent, _store_value, _begin_write])
def test_reads_are_correct_and_caching_resumes(
    deployment: Deployment, protocol: LeaseProtocol, before: Callable[[LeaseProtocol, str], None]
) -> None:
    """Caching resumes within the maximum duration of a write. The first read deletes a malformed entry."""
    admin = deployment.make_client()
    for name, tamper in TAMPERINGS.items():
        before(protocol, _KEYS[name])
        tamper(admin, _KEYS[name])
    tampered = time.monotonic()

    for key in _KEYS.values():
        started = time.monotonic()
        assert fetch(protocol, Computation("db"), key=key).value == "db"
        assert time.monotonic() - started < SHORT_TIMING.wait + _SLACK

    _wait_until_all_are_cached(protocol, tampered)


@on_newest_and_oldest
def test_write_removes_tampered_entries(deployment: Deployment, protocol: LeaseProtocol) -> None:
    """Tampering happens before begin, and between begin and end. Only well-formed marks are left, and they expire."""
    admin = deployment.make_client()
    for name, tamper in TAMPERINGS.items():
        tamper(admin, _KEYS[name])
        token = protocol.begin(_KEYS[name])
        assert admin.strlen(_KEYS[name]) <= 65_536 + 200
        tamper(admin, _KEYS[name])
        protocol.end(_KEYS[name], token)
    tampered = time.monotonic()

    _wait_until_all_are_cached(protocol, tampered)


def _wait_until_all_are_cached(protocol: LeaseProtocol, tampered: float) -> None:
    """Wait until reads use every entry again, at most as long as a write may last."""
    missing = set(_KEYS)

    def all_are_cached() -> bool:
        missing.difference_update(
            [name for name in missing if fetch(protocol, Computation("db"), key=_KEYS[name]).outcome in _CACHED]
        )
        return not missing

    left = tampered + SHORT_TIMING.writer + _SLACK - time.monotonic()
    assert wait_until(all_are_cached, seconds=left), missing


@pytest.mark.parametrize("start", [b"fail:", b"lease:x", b"write:closed x@99999999999999 0 0 "])
def test_mark_with_too_long_a_ttl_is_deleted_and_counted(protocol: LeaseProtocol, spy: Spy, start: bytes) -> None:
    """The first read deletes it, so the second read stores a value."""
    for seconds in (None, 3600):
        spy.redis.set(KEY, start, ex=seconds)
        first, second = (fetch(protocol, Computation("db")) for _ in range(2))

        assert (first.value, first.outcome, first.detail) == ("db", Outcome.BYPASS, "poison")
        assert second.outcome is Outcome.STORED
    assert protocol.region.counts()["poison"] == 2


def test_scripts_and_codec_agree_on_the_maximum_length(protocol: LeaseProtocol, spy: Spy) -> None:
    """The longest value is a hit. The script refuses a longer stored value, and the engine does not send one."""
    longest = "x" * (MAX_PAYLOAD_BYTES - 2)
    fetch(protocol, Computation(longest))
    assert fetch(protocol, Computation()).outcome is Outcome.HIT

    spy.redis.append(KEY, " ")

    assert fetch(protocol, Computation("db")).detail == "poison"
    assert fetch(protocol, Computation(longest + "x")).detail == "unserialisable"
    custom = replace(POLICY, codec=_UnboundedCodec())
    assert protocol.fetch(KEY, Computation(longest + "xyz"), custom).detail == "unserialisable"


def test_200_000_injected_writers_do_not_slow_down_a_write(seller: Seller, redis: Redis) -> None:
    """The scripts do not parse an overlong list, and the write replaces it."""
    durations: dict[bool, list[float]] = {True: [], False: []}
    for tampered in [False, True] * 10:
        if tampered:
            redis.set(seller.key, MANY_WRITERS)
        started = time.perf_counter()
        seller.creates()
        durations[tampered].append(time.perf_counter() - started)
        outcome = "fwd=miss; stored" if tampered else "hit"  # the write removes the list
        assert seller.reads_stats().headers["Cache-Status"].startswith(f"asin-stats; {outcome}")

    # Compare the minimum of each, because load on the machine only adds time.
    assert min(durations[True]) <= 2 * min(durations[False]), durations
