"""The diagnostics endpoints: exact, without secrets, fast, and available during an outage."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.caching.reports import INFO_FIELDS
from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.problems import problem
from tests.proxy import Fault, SupabaseProxy, http_answer
from tests.sellers import (
    CACHE_STATUS,
    STATS,
    Seller,
    all_workers_serve,
    app_environment,
    make_operator,
    new_seller,
    running_app,
)

_REDIS = "/diagnostics/redis"
_QUICK = 2.5  # seconds, the documented limit; REDIS_TIMEOUT is 2


@pytest.fixture(scope="module")
def own_app(stack: Stack, module_valkey: ValkeyServer, proxy: SupabaseProxy, log: Path) -> Iterator[AppServer]:
    """Run an app that uses `module_valkey` and `proxy`."""
    environment = app_environment(stack, REDIS_URL=module_valkey.url, SUPABASE_URL=proxy.url)
    with AppServer(environment, workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture
def watcher(stack: Stack, own_app: AppServer, module_valkey: ValkeyServer, proxy: SupabaseProxy) -> Iterator[Seller]:
    """Return an operator of `own_app`. After the test, restart the servers and wait until they are connected."""
    with new_seller(stack.supabase, own_app.url) as someone:
        make_operator(stack.supabase, someone)
        assert someone.http.get(_REDIS).status_code == 200
        yield someone
        proxy.fault = None
        if not module_valkey.is_running():
            module_valkey.start()
        module_valkey.resume()
        assert wait_until(lambda: all(_connected(someone) for _ in range(8)), seconds=10)


def _connected(someone: Seller) -> bool:
    return bool(someone.cache_status()["redis"]["connected"])


def _timed(someone: Seller, path: str) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return someone.http.get(path), time.monotonic() - started


def test_cache_status_has_exactly_the_documented_members(watcher: Seller) -> None:
    """Every member has the right type and a plausible value."""
    assert watcher.stats() == watcher.stats()
    answer = watcher.http.get(CACHE_STATUS)
    document = answer.json()
    assert _shape(document) == {
        "redis": {
            "enabled": bool, "connected": bool, "server": str, "latency_ms": float, "hit_rate": float,
            "keyspace_hits": int, "keyspace_misses": int,
            "memory_usage": {"used_memory": int, "used_memory_human": str, "used_memory_peak_human": str,
                             "maxmemory_policy": str},
        },
        "app": {"hits": int, "misses": int, "hit_rate": float, "since": str},
        "breaker": {"state": str, "owed": int},
        "cache_key": str, "user_cached": bool, "state": str, "ttl_seconds": float, "default_ttl_seconds": int,
        "size_bytes": int,
    }  # fmt: skip
    assert document["cache_key"] == f"asin_stats:{watcher.id}"
    assert (document["user_cached"], document["state"], document["breaker"]["state"]) == (True, "value", "closed")
    assert 0 < document["ttl_seconds"] <= document["default_ttl_seconds"] == 10
    assert document["size_bytes"] == len(watcher.reads_stats().text.strip())
    assert document["redis"]["server"].startswith("valkey 9.")
    assert answer.headers["Cache-Control"] == "no-store"


def _shape(value: object) -> object:
    return {name: _shape(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value)


def test_the_states_of_an_entry_are_distinguished(seller: Seller, redis: Redis) -> None:
    """Reading the status does not change the state."""
    assert (seller.cache_status()["state"], seller.cache_status()["ttl_seconds"]) == ("absent", None)
    for stored, state in ((b"lease:x", "lease"), (b"write:closed x@99999999999999 0 0 ", "writing"), (b"{}", "value")):
        redis.set(seller.key, stored, px=9_000)
        document = seller.cache_status()
        assert (document["state"], document["user_cached"]) == (state, state == "value")
        assert redis.get(seller.key) == stored


def test_hits_and_misses_are_counted_across_all_workers(watcher: Seller) -> None:
    """Ten reads are one miss and nine hits across the workers. Reading the status is not counted."""
    before = watcher.cache_status()["app"]
    for _ in range(10):
        watcher.reads_stats()
    after = watcher.cache_status()["app"]
    assert (after["misses"] - before["misses"], after["hits"] - before["hits"]) == (1, 9)


def test_only_operators_can_read_the_redis_report(seller: Seller, operator: Seller, server: AppServer) -> None:
    """401 without identity, 403 for sellers."""
    problem(httpx.get(f"{server.url}{_REDIS}"), 401)
    assert "info" not in problem(seller.http.get(_REDIS), 403)
    document = operator.http.get(_REDIS).json()
    assert set(document) == {
        "enabled", "connected", "server", "latency_ms", "info", "entries", "breaker", "pool", "counters",
    }  # fmt: skip


def test_the_redis_report_has_only_whitelisted_fields_and_own_entries(
    watcher: Seller, module_valkey: ValkeyServer
) -> None:
    """No path, address, process id or run id. Entries have key and state but no value. No foreign keys."""
    watcher.reads_stats()
    with Redis.from_url(module_valkey.url, decode_responses=True) as client:
        client.set("session:of-somebody-else", "x", px=60_000)
        info: dict[str, Any] = client.info("everything")
    answer = watcher.http.get(_REDIS)
    document = answer.json()
    assert set(document["info"]) <= set(INFO_FIELDS)
    hidden = ("executable", "config_file", "run_id", "master_replid", "os", "gcc_version", "tcp_port", "process_id")
    assert not set(hidden) & set(document["info"])
    values = [str(info[name]) for name in ("executable", "run_id", "master_replid", "os", "gcc_version", "tcp_port")]
    assert not [value for value in values if value in answer.text]
    (entry,) = [entry for entry in document["entries"] if entry["key"] == watcher.key]
    assert (entry["state"], set(entry)) == ("value", {"key", "state", "ttl_seconds", "size_bytes"})
    assert all(found["key"].startswith("asin_stats:") for found in document["entries"])


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_without_redis_the_reports_are_fast_and_say_not_connected(
    watcher: Seller, module_valkey: ValkeyServer, how: str
) -> None:
    """Every endpoint of every worker answers 200 with connected false, within 2.5 s even if Redis hangs."""
    watcher.reads_stats()
    module_valkey.kill() if how == "killed" else module_valkey.pause()
    for path in (CACHE_STATUS, _REDIS, "/readyz") * 2:
        answer, seconds = _timed(watcher, path)
        assert (answer.status_code, seconds < _QUICK) == (200, True), (path, answer.text, seconds)
        redis = answer.json() if path == _REDIS else answer.json()["redis"]
        assert (redis["enabled"], redis["connected"]) == (True, False)
    document = watcher.cache_status()
    assert (document["user_cached"], document["state"], document["breaker"]["state"]) == (False, None, "open")
    assert watcher.stats()["all"] == 0


def test_healthz_depends_on_no_server(watcher: Seller, stack: Stack, module_valkey: ValkeyServer) -> None:
    """It answers at once without identity, even if both servers hang."""
    module_valkey.pause()
    stack.supabase.pause()
    try:
        for _ in range(4):
            answer, seconds = _timed(watcher, "/healthz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert seconds < 0.5
    finally:
        stack.supabase.resume()


def test_readiness_depends_on_the_database_only(
    watcher: Seller, module_valkey: ValkeyServer, proxy: SupabaseProxy
) -> None:
    """503 with Retry-After only if the database is down. The state of Redis is reported, but does not matter."""
    # Both workers cache now that the user is an operator, because the database cannot be queried later.
    (ready, *_) = [watcher.http.get("/readyz") for _ in range(16)]
    assert ready.status_code == 200
    assert _shape(ready.json()) == {
        "status": str,
        "redis": {"enabled": bool, "connected": bool, "latency_ms": float},
        "database": {"connected": bool, "latency_ms": float},
    }
    page = http_answer("200 OK", b"<html>Our gateway is under maintenance</html>", media_type="text/html")
    for fault in (Fault(lambda _: b"", arrives=False), Fault(lambda _: page)):
        proxy.fault = fault
        assert wait_until(lambda: all(watcher.http.get("/readyz").status_code == 503 for _ in range(8)), seconds=10)
        answer = watcher.http.get("/readyz")
        assert answer.json()["database"] == {"connected": False}
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["redis"]["connected"] is True
    proxy.fault = None
    module_valkey.kill()
    assert wait_until(lambda: all(watcher.http.get("/readyz").status_code == 200 for _ in range(8)), seconds=10)


def test_anonymous_callers_get_only_the_readiness_status(
    watcher: Seller, own_app: AppServer, stack: Stack, proxy: SupabaseProxy
) -> None:
    """The same applies to sellers, and to operators whose role cannot be checked."""
    with new_seller(stack.supabase, own_app.url) as seller, new_seller(stack.supabase, own_app.url) as unconfirmed:
        make_operator(stack.supabase, unconfirmed)
        for request in (partial(httpx.get, f"{own_app.url}/readyz"), partial(seller.http.get, "/readyz")):
            assert (request().status_code, request().json()) == (200, {"status": "ready"})
        proxy.fault = Fault(lambda _: b"", arrives=False)
        assert wait_until(lambda: all(watcher.http.get("/readyz").status_code == 503 for _ in range(8)), seconds=10)
        for answer in (httpx.get(f"{own_app.url}/readyz"), seller.http.get("/readyz"), unconfirmed.http.get("/readyz")):
            assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


def test_without_a_redis_url_the_reports_say_not_enabled(settings: Settings, operator: Seller) -> None:
    """All members are present, the numbers come from the database, and nothing is reported as connected."""
    with running_app(settings.model_copy(update={"redis_url": None})) as app:
        client = app.test_client()
        headers = {"Authorization": f"Bearer {operator.token}"}
        none = {"enabled": False, "connected": False}
        assert client.get(_REDIS, headers=headers).get_json() == none
        assert client.get("/readyz", headers=headers).get_json()["redis"] == none
        document = client.get(CACHE_STATUS, headers=headers).get_json()
        assert set(document) == set(operator.cache_status())
        assert (document["redis"], document["user_cached"], document["state"]) == (none, False, None)
        for _ in range(2):
            assert (
                client.get(STATS, headers=headers).headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=no-redis"
            )
        created = client.post("/products", json={"title": "x"}, headers=headers)
        assert (created.status_code, client.get(STATS, headers=headers).get_json()["all"]) == (201, 1)
