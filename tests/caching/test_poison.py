"""What somebody else put at our key: answered from the database, gone afterwards, never executed."""

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
    """Writes a file when it is unpickled."""

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
    ids=["pickle", "bad UTF-8", "10 MB", "NaN", "Infinity", "deep", "huge int", "empty", "cut off", "half a lease"],
)
def test_garbage_is_dropped_and_then_overwritten(
    payload: bytes, protocol: LeaseProtocol, spy: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    """The first reader computes, the second stores; the log has one line."""
    caplog.set_level(logging.INFO, logger="app.caching")
    spy.plants(payload)

    first, second = (fetch(protocol, Computation("db")) for _ in range(2))

    assert (first.value, first.outcome, first.detail) == ("db", Outcome.BYPASS, "poison")
    assert second.outcome is Outcome.STORED
    assert spy.raw() == b'"db"'
    assert len([line for line in caplog.records if line.name == "app.caching.guard"]) == 1


def test_a_planted_pickle_is_never_executed(protocol: LeaseProtocol, spy: Spy, tmp_path: Path) -> None:
    """Bytes are parsed as JSON or not at all."""
    bomb = tmp_path / "boom"
    for prefix in (b"", b"!"):
        spy.plants(prefix + pickle.dumps(_Bomb(bomb)))
        fetch(protocol, Computation("db"))

    assert not bomb.exists()
    pickle.loads(pickle.dumps(_Bomb(bomb)))  # noqa: S301 - ours: shows that the bomb works
    assert bomb.exists()


@pytest.mark.parametrize("kind", ["list", "hash", "set", "stream"])
def test_another_data_type_is_dropped(kind: str, protocol: LeaseProtocol, spy: Spy) -> None:
    """A key of another type breaks no command of the protocol."""
    plants: dict[str, Callable[[], Any]] = {
        "list": partial(spy.redis.rpush, KEY, "x"),
        "hash": partial(spy.redis.hset, KEY, "x", "y"),
        "set": partial(spy.redis.sadd, KEY, "x"),
        "stream": partial(spy.redis.xadd, KEY, {"x": "y"}),
    }
    plant = plants[kind]
    plant()

    first, second = (fetch(protocol, Computation("db")) for _ in range(2))

    assert (first.value, first.detail, second.outcome) == ("db", "wrong-type", Outcome.STORED)
    spy.redis.delete(KEY)
    plant()
    protocol.end(KEY, protocol.begin(KEY))
    assert spy.redis.exists(KEY) == 0


@pytest.mark.parametrize("seconds", [None, 3600])
def test_a_value_that_would_outlive_its_ttl_is_dropped(seconds: int | None, protocol: LeaseProtocol, spy: Spy) -> None:
    """What we store always has our TTL; anything longer-lived is somebody else's and would be stale for ever."""
    spy.redis.set(KEY, '"planted"', ex=seconds)

    assert fetch(protocol, Computation("db")).detail == "poison"
    assert fetch(protocol, Computation("db")).outcome is Outcome.STORED


def test_a_restored_snapshot_is_not_believed(tmp_path: Path) -> None:
    """A server that restarts from its snapshot shows what was deleted since; nobody may see it."""
    server = ValkeyServer(tmp_path)
    with server:
        protocol = engine(server.url, meet=False)
        fetch(protocol, Computation("before"))
        admin = Redis.from_url(server.url)
        admin.save()
        protocol.end(KEY, protocol.begin(KEY))
        server.kill()
        server.start()
        assert Redis.from_url(server.url).get(KEY) == b'"before"'

        answers = [fetch(protocol, Computation("after")) for _ in range(20)]

    assert {answer.value for answer in answers} == {"after"}


def test_a_known_server_s_values_are_believed(valkey: ValkeyServer) -> None:
    """New connections to the same server change nothing: what one engine stores, another that met it earlier serves."""
    writer, reader = engine(valkey.url), engine(valkey.url, meet=False)
    fetch(reader, Computation(), key=f"{KEY}:meeting")
    met = time.monotonic()
    assert wait_until(lambda: time.monotonic() > met + 0.01, seconds=1)  # ages are known to the millisecond
    fetch(writer, Computation("stored"))
    with Redis.from_url(valkey.url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert wait_until(lambda: fetch(reader, Computation(), key=f"{KEY}:meeting").outcome is Outcome.HIT, seconds=5)

    answer = fetch(reader, Computation("db"))

    assert (answer.value, answer.outcome, answer.detail) == ("stored", Outcome.HIT, None)
