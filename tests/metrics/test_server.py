"""The metrics of a real server: requests, workers, database, Redis, imports and the audit log, of all workers."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics.catalogue import RULE
from app.serving import measuring
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.sellers import Seller, all_workers_serve, app_environment, make_operator, new_seller

WORKERS: Final = 2


class _Metrics:
    """What an operator reads from `/metrics`."""

    def __init__(self, operator: Seller) -> None:
        self._operator = operator

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with this name and these labels."""
        text = self._operator.http.get("/metrics").text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())

    def becomes(self, value: float, name: str, **labels: str) -> bool:
        """Wait until a metric has this value."""
        return wait_until(lambda: self.value(name, **labels) == value, seconds=10)


@pytest.fixture
def metrics(operator: Seller) -> _Metrics:
    """Return the metrics of the shared server."""
    return _Metrics(operator)


def test_requests_are_counted_by_route_and_status(metrics: _Metrics, seller: Seller) -> None:
    """The route is the URL rule: a caller cannot create a new label value."""
    rule, name = "/products/<uuid:product_id>", "asin_desk_request_seconds_count"
    product = seller.creates()["product"]["id"]
    before = [metrics.value(name, route=rule, status=status, method="GET") for status in ("200", "404")]
    unknown = metrics.value(name, route="unknown", status="404", method="GET")
    other = metrics.value(name, method="other")

    seller.http.get(f"/products/{product}")
    seller.http.get("/products/00000000-0000-4000-8000-000000000000")
    for number in range(3):
        seller.http.get(f"/nowhere/{number}")
    seller.http.request("BREW", "/products")

    assert metrics.becomes(before[0] + 1, name, route=rule, status="200", method="GET")
    assert metrics.becomes(before[1] + 1, name, route=rule, status="404", method="GET")
    assert metrics.becomes(unknown + 3, name, route="unknown", status="404", method="GET")
    assert metrics.becomes(other + 1, name, method="other")


def test_every_scrape_sees_all_workers(metrics: _Metrics, seller: Seller) -> None:
    """Ten scrapes over new connections, which reach different workers, agree."""
    name, route = "asin_desk_request_seconds_count", "/products/stats/asin-status"
    before = metrics.value(name, route=route)
    for _ in range(20):
        httpx.get(f"{seller.http.base_url}{route}", headers={"Authorization": f"Bearer {seller.token}"})
    assert metrics.becomes(before + 20, name, route=route)
    assert {metrics.value(name, route=route) for _ in range(10)} == {before + 20}
    assert metrics.value("asin_desk_workers") == WORKERS


def test_the_duration_of_a_streamed_response_is_complete(metrics: _Metrics, seller: Seller) -> None:
    """An export counts until its last row is sent, so it has taken longer than its first byte."""
    seller.imports("title\n" + "\n".join(f"product {number}" for number in range(3000)))
    before = metrics.value("asin_desk_request_seconds_sum", route="/products/export")
    answer = seller.http.get("/products/export")
    sent = answer.elapsed.total_seconds()
    assert len(answer.content.splitlines()) == 3001
    assert wait_until(
        lambda: metrics.value("asin_desk_request_seconds_sum", route="/products/export") > before, seconds=5
    )
    assert metrics.value("asin_desk_request_seconds_sum", route="/products/export") - before > sent / 4


def test_a_malformed_request_is_counted(metrics: _Metrics, server: AppServer) -> None:
    """It never reaches the application."""
    before = metrics.value("asin_desk_refused_requests_total", status="400")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert metrics.becomes(before + 1, "asin_desk_refused_requests_total", status="400")


def test_calls_of_the_database_and_of_redis_are_measured(metrics: _Metrics, seller: Seller) -> None:
    """By SQL function and by result. A refused call is no failed one."""
    calls, redis = "asin_desk_database_call_seconds_count", "asin_desk_redis_call_seconds_count"
    before, refused = (
        metrics.value(calls, function="get_asin_stats", result="ok"),
        metrics.value(calls, result="refused"),
    )
    commands = metrics.value(redis)
    seller.reads_stats()
    for _ in range(10):
        seller.reads_stats()
    seller.creates(asin="B00TEST001")
    clash = seller.http.patch(f"/products/{seller.creates()['product']['id']}", json={"asin": "B00TEST001"})

    assert clash.status_code == 409
    assert metrics.becomes(before + 1, calls, function="get_asin_stats", result="ok")
    assert metrics.becomes(refused + 1, calls, result="refused")
    assert wait_until(lambda: metrics.value(redis) >= commands + 11, seconds=30)
    assert metrics.value("asin_desk_database_slots") > 0
    assert metrics.value("asin_desk_redis_connections") > 0


def test_imports_are_counted_without_dry_runs(metrics: _Metrics, seller: Seller) -> None:
    """Rows by result, and the import itself."""
    rows, imports = "asin_desk_import_rows_total", "asin_desk_import_seconds_count"
    before = metrics.value(rows, result="created"), metrics.value(rows), metrics.value(imports, result="ok")
    seller.imports("title\nfirst\nsecond\n", dry_run=True)
    seller.imports("title,asin\nfirst,\nsecond,not an asin\n")
    assert metrics.becomes(before[2] + 1, imports, result="ok")
    assert metrics.value(rows, result="created") == before[0] + 1
    assert metrics.value(rows) == before[1] + 2


def test_look_up_results_are_counted(metrics: _Metrics, seller: Seller) -> None:
    """Rows by result, and the upload itself. Products that got their ASIN are not counted: they are no rows."""
    rows, uploads = "asin_desk_candidates_rows_total", "asin_desk_candidates_seconds_count"
    before = metrics.value(rows, result="stored"), metrics.value(rows), metrics.value(uploads, result="ok")
    seller.creates(upc="96385074")
    found = [{"upc": "96385074", "asin": "B000000001"}, {"upc": "73513537", "asin": "B000000001"}]
    answer = seller.http.post("/products/candidates", json=found, params={"accept_single": True})
    assert '"decided": 1' in answer.text
    assert metrics.becomes(before[2] + 1, uploads, result="ok")
    assert metrics.value(rows, result="stored") == before[0] + 1
    assert metrics.value(rows) == before[1] + 2


def test_events_of_the_audit_log_are_counted(metrics: _Metrics, server: AppServer) -> None:
    """By event and outcome, without who did it."""
    before = metrics.value("asin_desk_audit_events_total", event="token", outcome="refused")
    httpx.get(f"{server.url}/products", headers={"Authorization": "Bearer forged"})
    assert metrics.becomes(before + 1, "asin_desk_audit_events_total", event="token", outcome="refused")


@pytest.fixture
def own_server(stack: Stack, valkey: ValkeyServer, log: Path) -> Iterator[AppServer]:
    """Run an app with a Valkey of its own."""
    environment = app_environment(stack, REDIS_URL=valkey.url)
    with AppServer(environment, workers=WORKERS, log=log) as running:
        assert all_workers_serve(log, workers=WORKERS)
        yield running


def test_counts_outlive_a_killed_worker(stack: Stack, own_server: AppServer, log: Path) -> None:
    """The worker that replaces it continues its row. Nothing counts twice."""
    with new_seller(stack.supabase, own_server.url) as operator:
        make_operator(stack.supabase, operator)
        metrics = _Metrics(operator)
        for _ in range(10):
            httpx.get(f"{own_server.url}/healthz")
        assert metrics.becomes(WORKERS, "asin_desk_workers")
        before = metrics.value("asin_desk_request_seconds_count", route="/healthz")
        for pid in set(re.findall(r"Booting worker with pid: (\d+)", log.read_text())):
            os.kill(int(pid), signal.SIGKILL)
        assert wait_until(lambda: _starts(log) == 2 * WORKERS, seconds=30)
        assert metrics.becomes(2 * WORKERS, "asin_desk_worker_starts_total")
        assert metrics.becomes(WORKERS, "asin_desk_workers")
        assert metrics.value("asin_desk_request_seconds_count", route="/healthz") == before


def _starts(log: Path) -> int:
    return log.read_text().count("Booting worker with pid")


def test_all_workers_report_that_redis_is_down(stack: Stack, own_server: AppServer, valkey: ValkeyServer) -> None:
    """Whichever worker answers, the sum covers every worker that has noticed, and returns to 0."""
    with new_seller(stack.supabase, own_server.url) as operator:
        make_operator(stack.supabase, operator)
        metrics = _Metrics(operator)
        assert metrics.value("asin_desk_breaker_open") == 0
        valkey.stop()

        def noticed() -> bool:
            httpx.get(f"{own_server.url}/products/stats/asin-status", headers=dict(operator.http.headers))
            return metrics.value("asin_desk_breaker_open") == WORKERS

        assert wait_until(noticed, seconds=30)
        valkey.start()
        assert metrics.becomes(0, "asin_desk_breaker_open")


def test_measuring_a_request_costs_three_python_calls() -> None:
    """The two hooks and one more. gunicorn calls its hooks in any case, and its own defaults make five calls."""
    request = SimpleNamespace(method="GET")
    environ = {RULE: SimpleNamespace(rule="/products")}
    response = SimpleNamespace(status="200 OK", status_code=200)

    def measure() -> None:
        measuring.pre_request(None, request)
        measuring.post_request(None, request, environ, response)

    measure()  # creates the slot
    calls: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        measure()
    finally:
        sys.setprofile(None)
    assert calls == ["measure", "pre_request", "post_request", "observe"]
