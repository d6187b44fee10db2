"""The diagnostics endpoints: exact, without secrets, fast, and available during an outage."""

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
from tests.outage import at_once, visit
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
def own_operator(
    stack: Stack, own_app: AppServer, module_valkey: ValkeyServer, proxy: SupabaseProxy
) -> Iterator[Seller]:
    """Return an operator of `own_app`. After the test, restore the servers and wait until they are connected."""
    with new_seller(stack.supabase, own_app.url) as someone:
        make_operator(stack.supabase, someone)
        assert someone.http.get(_REDIS).status_code == 200
        yield someone
        proxy.fault = None
        if not module_valkey.is_running():
            module_valkey.start()
        module_valkey.resume()
        assert wait_until(lambda: all(at_once(lambda: _connected(someone))), seconds=30)


def _connected(someone: Seller) -> bool:
    """Return whether the worker that answers is connected to Redis, and the one that answers next to the database."""
    status = someone.cache_status()
    redis = bool(status["redis"]["connected"]) and status["breaker"]["state"] == "closed"
    return redis and someone.http.get("/readyz").status_code == 200


def test_cache_status_has_exactly_the_documented_members(own_operator: Seller) -> None:
    """Every member has the right type and a plausible value."""
    assert own_operator.stats() == own_operator.stats()
    answer = own_operator.http.get(CACHE_STATUS)
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
    assert document["cache_key"] == f"asin_stats:{own_operator.id}"
    assert (document["user_cached"], document["state"], document["breaker"]["state"]) == (True, "value", "closed")
    assert 0 < document["ttl_seconds"] <= document["default_ttl_seconds"] == 10
    assert document["size_bytes"] == len(own_operator.reads_stats().text.strip())
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


def test_hits_and_misses_are_counted_across_all_workers(own_operator: Seller) -> None:
    """Ten reads are one miss and nine hits across the workers. Reading the status is not counted."""
    before = own_operator.cache_status()["app"]
    for _ in range(10):
        own_operator.reads_stats()
    after = own_operator.cache_status()["app"]
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
    own_operator: Seller, module_valkey: ValkeyServer
) -> None:
    """No path, address, process id or run id. Entries have key and state but no value. No foreign keys."""
    own_operator.reads_stats()
    with Redis.from_url(module_valkey.url, decode_responses=True) as client:
        client.set("session:of-somebody-else", "x", px=60_000)
        info: dict[str, Any] = client.info("everything")
    answer = own_operator.http.get(_REDIS)
    document = answer.json()
    assert set(document["info"]) <= set(INFO_FIELDS)
    hidden = ("executable", "config_file", "run_id", "master_replid", "os", "gcc_version", "tcp_port", "process_id")
    assert not set(hidden) & set(document["info"])
    values = [str(info[name]) for name in ("executable", "run_id", "master_replid", "os", "gcc_version", "tcp_port")]
    assert not [value for value in values if value in answer.text]
    (entry,) = [entry for entry in document["entries"] if entry["key"] == own_operator.key]
    assert (entry["state"], set(entry)) == ("value", {"key", "state", "ttl_seconds", "size_bytes"})
    assert all(found["key"].startswith("asin_stats:") for found in document["entries"])


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_without_redis_the_reports_are_fast_and_say_not_connected(
    own_operator: Seller, module_valkey: ValkeyServer, how: str
) -> None:
    """Every endpoint of every worker answers 200 with connected false, within 2.5 s even if Redis hangs."""
    own_operator.reads_stats()
    module_valkey.kill() if how == "killed" else module_valkey.pause()
    for path in (CACHE_STATUS, _REDIS, "/readyz") * 2:
        found = visit(partial(own_operator.http.get, path))
        assert (found.status, found.seconds < _QUICK) == (200, True), (path, found.answer.text, found.seconds)
        redis = found.answer.json() if path == _REDIS else found.answer.json()["redis"]
        assert (redis["enabled"], redis["connected"]) == (True, False)
    document = own_operator.cache_status()
    assert (document["user_cached"], document["state"], document["breaker"]["state"]) == (False, None, "open")
    assert own_operator.stats()["all"] == 0


def test_healthz_depends_on_no_server(own_operator: Seller, stack: Stack, module_valkey: ValkeyServer) -> None:
    """It answers at once without identity, even if both servers hang."""
    module_valkey.pause()
    stack.supabase.pause()
    try:
        for _ in range(4):
            found = visit(partial(own_operator.http.get, "/healthz"))
            assert (found.status, found.answer.json()) == (200, {"status": "ok"})
            assert found.seconds < 1.5  # each of the servers would cost at least 2 s
    finally:
        stack.supabase.resume()


def test_readiness_depends_on_the_database_only(
    own_operator: Seller, module_valkey: ValkeyServer, proxy: SupabaseProxy
) -> None:
    """503 with Retry-After only if the database is down. The state of Redis is reported, but does not matter."""
    # The workers cache now that the user is an operator, because the database cannot be queried later.
    (ready, *_) = at_once(lambda: own_operator.http.get("/readyz"), number=16)
    assert ready.status_code == 200
    assert _shape(ready.json()) == {
        "status": str,
        "redis": {"enabled": bool, "connected": bool, "latency_ms": float},
        "database": {"connected": bool, "latency_ms": float},
    }
    page = http_answer("200 OK", b"<html>Our gateway is under maintenance</html>", media_type="text/html")
    for fault in (Fault(lambda _: b"", arrives=False), Fault(lambda _: page)):
        proxy.fault = fault
        for answer in _answers_when_all_have(own_operator, status=503):
            assert int(answer.headers["Retry-After"]) >= 1
            document = answer.json()
            if "database" in document:  # not from a worker that does not know the operator
                assert (document["database"], document["redis"]["connected"]) == ({"connected": False}, True)
    proxy.fault = None
    module_valkey.kill()
    _answers_when_all_have(own_operator, status=200)


def _answers_when_all_have(operator: Seller, *, status: int) -> list[httpx.Response]:
    """Return 8 answers of `/readyz`, all with this status and one of them from a worker that knows the operator."""
    answers: list[httpx.Response] = []

    def have_status() -> bool:
        answers[:] = at_once(lambda: operator.http.get("/readyz"))
        is_reported = any("database" in answer.json() for answer in answers)
        return is_reported and all(answer.status_code == status for answer in answers)

    assert wait_until(have_status, seconds=30)
    return answers


def test_anonymous_callers_get_only_the_readiness_status(
    own_operator: Seller, own_app: AppServer, stack: Stack, proxy: SupabaseProxy
) -> None:
    """The same applies to sellers, and to operators whose role cannot be checked."""
    with new_seller(stack.supabase, own_app.url) as seller, new_seller(stack.supabase, own_app.url) as unconfirmed:
        make_operator(stack.supabase, unconfirmed)
        requests = [partial(someone.http.get, "/readyz") for someone in (seller, unconfirmed)]
        requests.append(partial(httpx.get, f"{own_app.url}/readyz"))
        for request in (requests[0], requests[-1]):
            assert (request().status_code, request().json()) == (200, {"status": "ready"})
        proxy.fault = Fault(lambda _: b"", arrives=False)
        _answers_when_all_have(own_operator, status=503)

        def refused() -> bool:
            answers = [request() for request in requests for _ in range(8)]
            return all((one.status_code, one.json()) == (503, {"status": "unavailable"}) for one in answers)

        assert wait_until(refused, seconds=30)


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
        for answer in [client.get(STATS, headers=headers) for _ in range(2)]:
            assert answer.headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=no-redis"
        created = client.post("/products", json={"title": "x"}, headers=headers)
        assert (created.status_code, client.get(STATS, headers=headers).get_json()["all"]) == (201, 1)
