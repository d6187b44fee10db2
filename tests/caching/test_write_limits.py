"""Tests of writes that cannot leave their value, or cannot reach Redis."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.caching.codec import MAX_PAYLOAD_BYTES, JsonCodec
from app.caching.connection import Topology, connect
from app.caching.policy import Policy
from app.caching.protocol import LeaseProtocol
from app.caching.states import Replacement
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, POLICY, SHORT_TIMING, Computation, Spy, engine, fetch, replacement


def test_policy_validates_values_and_versions() -> None:
    """Such values are deleted instead."""
    policy: Policy[Any] = Policy(codec=JsonCodec(), ttl=10)

    assert policy.replacement(1, 1) == Replacement(1, b"1", 10)
    for value, version in ((1, 0), (1, -1), (1, 2**53), (object(), 1), ("x" * (1 << 20), 1)):
        assert policy.replacement(value, version) is None


def test_longest_value_is_kept_and_replaced(protocol: LeaseProtocol, spy: Spy) -> None:
    """It is used while a writer is in flight, and the next longest value replaces it."""
    before, after = ("x" * (MAX_PAYLOAD_BYTES - 2 - more) for more in (0, 1))
    spy.stores(before)
    writers = [protocol.begin(KEY) for _ in range(2)]
    assert fetch(protocol, Computation()).value == before
    for version, writer in enumerate(writers, 1):
        protocol.end(KEY, writer, replacement(after, version))
        assert fetch(protocol, Computation()).value == after


class _MarkCodec:
    """A custom codec whose payloads start like the marks of the engine."""

    def encode(self, value: str) -> bytes:
        return value.encode()

    def decode(self, payload: bytes) -> str:
        return payload.decode()


@pytest.mark.parametrize("payload", ["lease:x", "write:serving x@1 1 1 ", "fail:", "fail:x"])
def test_payload_that_looks_like_a_mark_is_not_stored(protocol: LeaseProtocol, spy: Spy, payload: str) -> None:
    """Neither after a miss nor by a write."""
    policy: Policy[str] = replace(POLICY, codec=_MarkCodec())

    assert protocol.fetch(KEY, lambda: payload, policy).detail == "unserialisable"
    protocol.end(KEY, protocol.begin(KEY), policy.replacement(payload, 1))

    assert spy.raw() is None


@pytest.mark.parametrize("others", [0, 1])
def test_end_on_a_full_server_deletes_the_entry(tmp_path: Path, others: int) -> None:
    """The value cannot be stored any more. The end is delivered all the same."""
    with ValkeyServer(tmp_path, options=("--maxmemory-policy", "noeviction")) as server:
        protocol = engine(server.url)
        writers = [protocol.begin(KEY) for _ in range(others + 1)]
        with Redis.from_url(server.url) as admin:
            admin.config_set("maxmemory", "1")
            protocol.end(KEY, writers[0], replacement("after", 1))
            assert admin.get(KEY) is None
        assert protocol.breaker.owed == 0


def test_undelivered_end_waits_until_no_reader_uses_thereplacement(valkey: ValkeyServer) -> None:
    """Readers on other machines do not know that a delete is owed. A begin that was not confirmed kept no value."""
    slept = list[float]()
    link = connect(Topology(url=valkey.url), timeout=0.5)
    protocol = LeaseProtocol(link, timing=replace(SHORT_TIMING, overlap=30), sleep=slept.append)
    writers = [protocol.begin(KEY), protocol.begin(f"{KEY}:unknown")]
    valkey.kill()
    protocol.end(KEY, writers[0], replacement("after", 1))
    protocol.outcome_unknown(f"{KEY}:unknown", writers[1])
    assert [20 < seconds <= 30 for seconds in slept] == [True, True]

    protocol.end(KEY, protocol.begin(KEY))
    assert len(slept) == 2
