"""Tests of invalid payloads at a key of the cache: the read bypasses and deletes them, and never executes them."""

import logging
import pickle
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, Computation, Spy, engine, fetch


class _Bomb:
    """A class whose instances write a file when they are unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "payload",
    [
        b"!" + pickle.dumps({"all": 1}),
        b"\xff\xfe\xfa",
        b"x" * 10_000_000,
        b"NaN",
        b"-Infinity",
        b"[" * 100_000,
        b"9" * 100_000,
        b"",
        b"{",
        b"lease",
    ],
    ids=[
        "pickle",
        "invalid UTF-8",
        "10 MB",
        "NaN",
        "Infinity",
        "deeply nested",
        "huge int",
        "empty",
        "truncated",
        "partial lease",
    ],
)
def test_invalid_payload_is_deleted_and_replaced(
    payload: bytes, protocol: LeaseProtocol, spy: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    """The first read computes, the second stores; the log has one line."""
    caplog.set_level(logging.INFO, logger="app.caching")
    spy.stores(payload)

    first, second = (fetch(protocol, Computation("db")) for _ in range(2))

    assert (first.value, first.outcome, first.detail) == ("db", Outcome.BYPASS, "poison")
    assert second.outcome is Outcome.STORED
    assert spy.raw() == b'"db"'
    assert len([line for line in caplog.records if line.name == "app.caching.guard"]) == 1


def test_injected_pickle_is_never_executed(protocol: LeaseProtocol, spy: Spy, tmp_path: Path) -> None:
    """Payloads are only ever parsed as JSON."""
    bomb = tmp_path / "boom"
    for prefix in (b"", b"!"):
        spy.stores(prefix + pickle.dumps(_Bomb(bomb)))
        fetch(protocol, Computation("db"))

    assert not bomb.exists()
    pickle.loads(pickle.dumps(_Bomb(bomb)))  # noqa: S301 - our own pickle: proves that the bomb works
    assert bomb.exists()


@pytest.mark.parametrize("kind", ["list", "hash", "set", "stream"])
def test_other_data_type_is_deleted(kind: str, protocol: LeaseProtocol, spy: Spy) -> None:
    """A key of another type makes no command of the protocol fail."""
    injections: dict[str, Callable[[], Any]] = {
        "list": partial(spy.redis.rpush, KEY, "x"),
        "hash": partial(spy.redis.hset, KEY, "x", "y"),
        "set": partial(spy.redis.sadd, KEY, "x"),
        "stream": partial(spy.redis.xadd, KEY, {"x": "y"}),
    }
    inject = injections[kind]
    inject()

    first, second = (fetch(protocol, Computation("db")) for _ in range(2))

    assert (first.value, first.detail, second.outcome) == ("db", "wrong-type", Outcome.STORED)
    spy.redis.delete(KEY)
    inject()
    protocol.end(KEY, protocol.begin(KEY))
    assert spy.redis.exists(KEY) == 0


@pytest.mark.parametrize("seconds", [None, 3600])
def test_value_with_a_longer_ttl_than_ours_is_deleted(seconds: int | None, protocol: LeaseProtocol, spy: Spy) -> None:
    """The engine stores values only with its own TTL, so this value is foreign and might be stale forever."""
    spy.redis.set(KEY, '"foreign"', ex=seconds)

    assert fetch(protocol, Computation("db")).detail == "poison"
    assert fetch(protocol, Computation("db")).outcome is Outcome.STORED


def test_values_restored_from_a_snapshot_are_not_served(tmp_path: Path) -> None:
    """A server that restarts from a snapshot may hold values that were deleted after the snapshot."""
    server = ValkeyServer(tmp_path)
    with server:
        protocol = engine(server.url, known_server=False)
        fetch(protocol, Computation("before"))
        admin = Redis.from_url(server.url)
        admin.save()
        protocol.end(KEY, protocol.begin(KEY))
        server.kill()
        server.start()
        assert Redis.from_url(server.url).get(KEY) == b'"before"'

        answers = [fetch(protocol, Computation("after")) for _ in range(20)]

    assert {answer.value for answer in answers} == {"after"}


def test_values_of_a_known_server_are_served_after_reconnecting(valkey: ValkeyServer) -> None:
    """An engine serves what another engine stored after its own first contact, also over new connections."""
    writer, reader = engine(valkey.url), engine(valkey.url, known_server=False)
    fetch(reader, Computation(), key=f"{KEY}:other")
    first_contact = time.monotonic()
    assert wait_until(lambda: time.monotonic() > first_contact + 0.01, seconds=1)  # ages are in whole milliseconds
    fetch(writer, Computation("stored"))
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert wait_until(lambda: fetch(reader, Computation(), key=f"{KEY}:other").outcome is Outcome.HIT, seconds=5)

    answer = fetch(reader, Computation("db"))

    assert (answer.value, answer.outcome, answer.detail) == ("stored", Outcome.HIT, None)
