"""Tests of the diagnostics of servers and entries, on every deployment."""

from dataclasses import replace

import pytest
from redis import Redis

from app.caching import EntryReport, LeaseCache
from app.caching.protocol import LeaseProtocol
from app.caching.reports import INFO_FIELDS, entry_report, sample_entries, server_report
from local.valkey import ValkeyServer
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import KEY, Computation, Spy, engine, fetch


@on_every_deployment
def test_server_report_contains_only_whitelisted_fields(protocol: LeaseProtocol) -> None:
    """It names the server's software and version, and the latency."""
    report = server_report(protocol)

    assert report.connected
    assert report.server is not None
    assert report.server.startswith(("valkey 9", "redis 6.2"))
    assert report.latency_ms is not None
    assert set(report.info) <= set(INFO_FIELDS)


@on_every_deployment
def test_entry_report_names_each_state(protocol: LeaseProtocol, spy: Spy) -> None:
    """A value is reported with its TTL and size."""
    absent = entry_report(protocol, KEY)
    fetch(protocol, Computation({"all": 1}))
    value = entry_report(protocol, KEY)
    protocol.begin(KEY)
    writing = entry_report(protocol, KEY)
    spy.stores(b"lease:other")
    lease = entry_report(protocol, KEY)
    spy.stores(b"fail:")
    failure = entry_report(protocol, KEY)
    spy.redis.delete(KEY)
    spy.redis.rpush(KEY, "x")
    foreign = entry_report(protocol, KEY)

    reports = [absent, value, writing, lease, failure, foreign]
    assert [report and report.state for report in reports] == [
        "absent", "value", "writing", "lease", "failure", "foreign"
    ]  # fmt: skip
    assert value is not None
    assert value.size_bytes == len('{"all":1}')
    assert value.ttl_seconds is not None
    assert 9 < value.ttl_seconds <= 10


@on_every_deployment
def test_sample_entries_lists_entries_by_key(protocol: LeaseProtocol) -> None:
    """It returns at most as many entries as requested."""
    backend = LeaseCache(protocol=protocol, default_timeout=10, key_prefix="asin_stats:")
    backend.set_many({"a": 1, "b": 2, "c": 3})

    found = sample_entries(backend.protocol, backend.keys(), 100)

    assert [key for key, _ in found] == ["asin_stats:a", "asin_stats:b", "asin_stats:c"]
    assert len(sample_entries(backend.protocol, backend.keys(), 2)) == 2


def test_reports_do_not_raise_when_redis_is_down(valkey: ValkeyServer) -> None:
    """They return that the server is not connected, no entry report and no sample."""
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
def test_missing_permission_leaves_out_the_field(valkey: ValkeyServer, denied: str, report: EntryReport | None) -> None:
    """A field that the Redis user may not read is None; the other fields are reported."""
    with Redis.from_url(valkey.url) as admin:
        admin.acl_setuser(
            "reader", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=[f"-{denied}"]
        )
        admin.set(KEY, "1", px=9_400)
    protocol = engine(f"redis://reader:x@127.0.0.1:{valkey.port}", known_server=False)

    found = entry_report(protocol, KEY)

    if found and found.ttl_seconds:
        assert 0 < found.ttl_seconds <= 9.4
        found = replace(found, ttl_seconds=9.0)
    assert found == report
