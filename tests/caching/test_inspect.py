"""What diagnostics see of Redis, wherever it is."""

from dataclasses import replace

import pytest
from redis import Redis

from app.caching import EntryReport, LeaseCache
from app.caching.inspect import INFO_FIELDS, entry_report, sample_entries, server_report
from app.caching.protocol import LeaseProtocol
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, Computation, Spy, engine, fetch
from tests.caching.places import everywhere


@everywhere
def test_a_server_is_reported_by_its_whitelisted_facts(protocol: LeaseProtocol) -> None:
    """Name, version and latency; nothing that is not on the list."""
    report = server_report(protocol)

    assert report.connected
    assert report.server is not None
    assert report.server.startswith(("valkey 9", "redis 6.2"))
    assert report.latency_ms is not None
    assert set(report.info) <= set(INFO_FIELDS)


@everywhere
def test_each_state_of_an_entry_is_named(protocol: LeaseProtocol, spy: Spy) -> None:
    """With its remaining life and size."""
    absent = entry_report(protocol, KEY)
    fetch(protocol, Computation({"all": 1}))
    value = entry_report(protocol, KEY)
    protocol.begin(KEY)
    tombstone = entry_report(protocol, KEY)
    spy.plants(b"lease:somebody")
    lease = entry_report(protocol, KEY)
    spy.plants(b"fail:")
    failure = entry_report(protocol, KEY)
    spy.redis.delete(KEY)
    spy.redis.rpush(KEY, "x")
    foreign = entry_report(protocol, KEY)

    reports = [absent, value, tombstone, lease, failure, foreign]
    assert [report and report.state for report in reports] == [
        "absent", "value", "tombstone", "lease", "failure", "foreign"
    ]  # fmt: skip
    assert value is not None
    assert value.size_bytes == len('{"all":1}')
    assert value.ttl_seconds is not None
    assert 9 < value.ttl_seconds <= 10


@everywhere
def test_a_sample_of_entries_is_listed(protocol: LeaseProtocol) -> None:
    """By key, no more than asked for."""
    backend = LeaseCache(protocol=protocol, default_timeout=10, key_prefix="asin_stats:")
    backend.set_many({"a": 1, "b": 2, "c": 3})

    found = sample_entries(backend.protocol, backend.keys(), 100)

    assert [key for key, _ in found] == ["asin_stats:a", "asin_stats:b", "asin_stats:c"]
    assert len(sample_entries(backend.protocol, backend.keys(), 2)) == 2


def test_a_server_that_is_gone_is_reported_not_raised(valkey: ValkeyServer) -> None:
    """Diagnostics never become trouble."""
    protocol = engine(valkey.url)
    valkey.kill()

    assert not server_report(protocol).connected
    assert entry_report(protocol, KEY) is None
    backend = LeaseCache(protocol=protocol, default_timeout=10, key_prefix="asin_stats:")
    assert sample_entries(protocol, backend.keys(), 10) == []


@pytest.mark.parametrize(
    ("denied", "report"),
    [
        ("pttl", EntryReport("value", None, 1)),
        ("strlen", EntryReport("value", 9.0, None)),
        ("getrange", None),
    ],
)
def test_a_redis_user_without_a_right_gets_less_not_an_error(
    valkey: ValkeyServer, denied: str, report: EntryReport | None
) -> None:
    """What nobody may ask is None; the rest is told."""
    with Redis.from_url(valkey.url) as admin:
        admin.acl_setuser(
            "reader", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=[f"-{denied}"]
        )
        admin.set(KEY, "1", px=9_400)
    protocol = engine(f"redis://reader:x@127.0.0.1:{valkey.port}", meet=False)

    found = entry_report(protocol, KEY)

    if found and found.ttl_seconds:
        found = replace(found, ttl_seconds=float(int(found.ttl_seconds)))
    assert found == report
