"""Tracing: each request is one trace, in this process and in forked workers; when it is off, it costs nothing."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from redis import Redis

from app import tracing
from config import Settings
from local import ROOT
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.caching.deployments import unresponsive_port
from tests.clients import new_title
from tests.collector import Collector
from tests.outage import at_once
from tests.proxy import SupabaseProxy
from tests.sellers import CACHE_STATUS, STATS, Seller, all_workers_serve, app_environment, new_seller, running_app

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # the example of W3C Trace Context
_PARENT = f"00-{_TRACE}-{_SPAN}-01"


class Traced:
    """An app in this process, called by one seller, and the spans that it has finished."""

    def __init__(self, app: Flask, seller: Seller) -> None:
        """Keep the spans of `app` in memory, too."""
        self._app, self._seller, self._memory = app, seller, InMemorySpanExporter()
        tracing.provider_of(app).add_span_processor(SimpleSpanProcessor(self._memory))

    def requests(self, path: str, *, method: str = "GET", **headers: str) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """Send a request and return the span of the request and all others, in the order in which they began."""
        self._memory.clear()
        given = {"Authorization": f"Bearer {self._seller.token}", **headers}
        body = "Title\nLamp\n" if method == "POST" else None
        self.answer = self._app.test_client().open(path, method=method, headers=given, data=body)
        assert self.answer.get_data()
        self.answer.close()
        # The background work of other applications in this process (pings, owed deletes) has traces of its own.
        spans = [span for span in self._memory.get_finished_spans() if span.parent or span.kind is SpanKind.SERVER]
        spans.sort(key=lambda span: span.start_time or 0)
        (request,) = [span for span in spans if span.kind is SpanKind.SERVER]
        return request, [span for span in spans if span is not request]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Run a collector."""
    with Collector() as running:
        yield running


@pytest.fixture
def traced_app(settings: Settings, proxy: SupabaseProxy, collector: Collector) -> Iterator[Flask]:
    """Return the app in this process, with tracing, and with a proxy in front of Supabase."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_ENDPOINT, collector.url)
        with running_app(settings.model_copy(update={"tracing": "on", "supabase_url": proxy.url})) as running:
            yield running
            tracing.stop(running)


@pytest.fixture
def traced(traced_app: Flask, seller: Seller) -> Traced:
    """Return `traced_app` as used by `seller`."""
    return Traced(traced_app, seller)


def _attributes(spans: Sequence[ReadableSpan]) -> str:
    return json.dumps([[span.name, dict(span.attributes or {}), str(span.events)] for span in spans], default=str)


def test_a_hit_is_one_trace_with_one_redis_command(traced: Traced) -> None:
    """The span of the request is the first one and has the name of the route."""
    found = (traced.requests(STATS) for _ in range(20))  # on a busy machine, Redis may not answer in time
    request, (command,) = next(each for each in found if "; hit" in traced.answer.headers["Cache-Status"])
    assert (request.name, request.parent, command.name) == (f"GET {STATS}", None, "EVALSHA")
    assert command.context.trace_id == request.context.trace_id


def test_commands_of_the_redis_client_belong_to_the_trace(traced: Traced) -> None:
    """Diagnostics use the client of redis-py; the cache sends its commands itself."""
    request, others = traced.requests(CACHE_STATUS)
    assert {span.name for span in others} >= {"PING", "INFO"}
    assert {span.context.trace_id for span in others} == {request.context.trace_id}


def test_a_miss_asks_redis_the_database_and_redis_again(traced: Traced, redis: Redis, seller: Seller) -> None:
    """All three are children of the request, and no other span is there."""
    traced.requests(STATS)
    redis.delete(seller.key)
    request, others = traced.requests(STATS)
    assert "stored" in traced.answer.headers["Cache-Status"]
    assert [span.name for span in others] == ["EVALSHA", "POST", "EVALSHA"]
    assert {span.context.trace_id for span in others} == {request.context.trace_id}
    assert {span.parent and span.parent.span_id for span in others} == {request.context.span_id}
    called = dict(others[1].attributes or {})
    assert str(called["url.full"]).endswith("/rest/v1/rpc/get_asin_stats")


def test_a_streamed_import_is_one_trace(traced: Traced) -> None:
    """The calls that are made while the answer is sent belong to it, too."""
    request, others = traced.requests("/products/import", method="POST", **{"Content-Type": "text/csv"})
    assert b'"done": true' in traced.answer.get_data()
    (body,) = [span for span in others if span.name == "response body"]
    assert [span.name for span in others if span.parent and span.parent.span_id == body.context.span_id].count("POST")
    assert {span.context.trace_id for span in others} == {request.context.trace_id}
    later, _ = traced.requests("/healthz")
    assert later.context.trace_id != request.context.trace_id


def test_traceparent_is_honoured_and_sent_on_to_supabase(traced: Traced, proxy: SupabaseProxy) -> None:
    """The trace of the client continues. Baggage is not sent on, because any client can send some."""
    proxy.received.clear()
    request, others = traced.requests("/products", traceparent=_PARENT, baggage="secret=1")
    assert format_trace_id(request.context.trace_id) == _TRACE
    assert request.parent
    assert format_span_id(request.parent.span_id) == _SPAN
    assert {format_trace_id(span.context.trace_id) for span in others} == {_TRACE}
    (received,) = [{name.lower(): value for name, value in headers.items()} for headers in proxy.received]
    assert received["traceparent"].split("-")[1] == _TRACE
    assert "baggage" not in received


def test_a_problem_document_names_the_trace(traced: Traced) -> None:
    """Also when no route matches."""
    for path in ("/products?limit=0", "/nothing-here"):
        request, _ = traced.requests(path, traceparent=_PARENT)
        assert traced.answer.get_json()["trace_id"] == _TRACE == format_trace_id(request.context.trace_id)


def test_spans_contain_no_token_no_key_and_no_words_of_a_seller(traced: Traced, seller: Seller) -> None:
    """The query of a list contains what a seller searches for."""
    words = new_title().split()[1]
    request, others = traced.requests(f"/products?search=wanted-words-{words}")
    text = _attributes([request, *others])
    assert "/products" in text
    assert not [part for part in ("wanted-words", seller.token, seller.id, seller.key) if part in text]


def test_a_client_that_was_not_sampled_stays_so(traced: Traced) -> None:
    """The flag of `traceparent` is honoured: nothing is recorded, but the id still appears in problems."""
    memory = InMemorySpanExporter()
    tracing.provider_of(traced._app).add_span_processor(SimpleSpanProcessor(memory))  # noqa: SLF001 - a test of it
    answer = traced._app.test_client().get("/products", headers={"traceparent": f"00-{_TRACE}-{_SPAN}-00"})  # noqa: SLF001 - same
    assert (answer.status_code, answer.get_json()["trace_id"]) == (401, _TRACE)
    assert memory.get_finished_spans() == ()


@pytest.mark.parametrize(("arguments", "service"), [("", "asin-desk"), ("--preload", "desk-of-this-test")])
def test_each_forked_worker_sends_its_own_spans(
    stack: Stack, tmp_path: Path, collector: Collector, arguments: str, service: str
) -> None:
    """Both workers: each request is one trace, and its log lines have the trace id. --preload forks after the start."""
    log = tmp_path / "gunicorn.log"
    name = {} if service == "asin-desk" else {"OTEL_SERVICE_NAME": service}
    environment = _environment(stack, collector.url, GUNICORN_CMD_ARGS=arguments, **name)
    with AppServer(environment, workers=2, log=log) as server, new_seller(stack.supabase, server.url) as someone:
        collector.spans.clear()

        def both_have_sent() -> bool:
            # A connection that is kept open stays with its worker.
            at_once(lambda: someone.reads_stats(traceparent=_PARENT, connection="close"))
            # With --preload, the process that forks the workers sends spans of its own start, too.
            return len({span.process for span in list(collector.spans) if span.name == f"GET {STATS}"}) == 2

        assert wait_until(both_have_sent, seconds=60)
        answer = someone.http.post("/products", json={"title": new_title()})
        assert answer.status_code == 201
        own = [line for line in map(json.loads, log.read_text().splitlines())
               if line["request_id"] == answer.headers["X-Request-ID"]]  # fmt: skip
        (trace,) = {line["trace_id"] for line in own}
    spans = collector.traces()[trace]  # workers send the last spans when they stop
    assert {"POST /products", "EVALSHA", "POST"} <= {span.name for span in spans}
    assert {span.service for span in spans} == {service}
    (first,) = [span for span in spans if not span.parent]
    assert {span.parent for span in spans} == {"", first.id}


def test_a_collector_that_does_not_answer_delays_no_request(stack: Stack, tmp_path: Path) -> None:
    """Requests are answered as usual. The lines of a text log have the trace id, too."""
    log = tmp_path / "gunicorn.log"
    with (
        unresponsive_port() as port,
        AppServer(_environment(stack, f"http://127.0.0.1:{port}", LOG_FORMAT="text"), workers=1, log=log) as server,
        new_seller(stack.supabase, server.url) as someone,
    ):
        assert all_workers_serve(log, workers=1)
        someone.creates()
        assert someone.stats()["all"] == 1
        assert max(someone.reads_stats().elapsed.total_seconds() for _ in range(50)) < 5
    assert re.search(r" \[[0-9a-f]{24} trace=[0-9a-f]{32}\] cache hit asin_stats:", log.read_text())


def _environment(stack: Stack, endpoint: str, **more: str) -> dict[str, str]:
    """Return the environment of an app that sends its spans to `endpoint` after at most 0.1 s."""
    soon = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    return app_environment(stack, TRACING="on", **{_ENDPOINT: endpoint}, **soon, **more)


def test_without_tracing_nothing_of_opentelemetry_is_imported(stack: Stack) -> None:
    """With it, the same program prints True. redis-py imports a part of OpenTelemetry itself, if it is installed."""
    program = "import sys, app.factory; app.factory.create_app(); print('opentelemetry.instrumentation' in sys.modules)"
    for setting, printed in (("off", "False\n"), ("on", "True\n")):
        environment = {**app_environment(stack), "PATH": os.environ["PATH"], "TRACING": setting}
        ran = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stdout) == (0, printed), ran.stderr


def test_tracing_without_its_packages_is_a_clear_mistake(stack: Stack) -> None:
    """One line that says what to install."""
    program = "import sys; sys.modules['opentelemetry.instrumentation'] = None; import wsgi"
    environment = {**app_environment(stack), "PATH": os.environ["PATH"], "TRACING": "on"}
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1), ran.stderr
    assert ran.stderr.startswith("TRACING: is on, but OpenTelemetry is not installed; run: pip install")
