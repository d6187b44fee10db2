"""Traces for OpenTelemetry: each request is one trace, with a span for each Redis command and each call of Supabase.

Imported only with TRACING=on. The standard OTEL_… variables configure everything else (docs/tracing.md). In each
process a background thread sends the spans, so no request waits for the collector. The SDK restarts that thread after
a fork.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Tracer, format_trace_id, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.caching import Observe
from app.telemetry import keep_trace_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_EXTENSION: Final = "tracing"
# The stable names of attributes. Without this, the instrumentations still use the names before 2024.
_SEMANTIC_CONVENTIONS: Final = ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")


def start(app: Flask) -> Observe:
    """Trace the requests of `app`, and the calls that this process makes with httpx and redis-py.

    Call it before other packages register functions that run before a request. Returns a function for the cache engine,
    whose commands do not pass through the client of redis-py.
    """
    os.environ.setdefault(*_SEMANTIC_CONVENTIONS)
    if "OTEL_PROPAGATORS" not in os.environ:  # the default also sends the baggage of any client on to Supabase
        set_global_textmap(TraceContextTextMapPropagator())
    app.extensions[_EXTENSION] = provider = _provider()
    FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call]  # the package leaves it untyped
        app,
        tracer_provider=provider,
        request_hook=_keep_trace_id,
        response_hook=_remove_query,
        enable_commenter=False,  # for instrumented SQL drivers, which this application does not have
    )
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    RedisInstrumentor().instrument(tracer_provider=provider)
    tracer = provider.get_tracer(__name__)
    app.after_request(lambda response: _traced_stream(tracer, response))
    return _observer(tracer)


def provider_of(app: Flask) -> TracerProvider:
    """Return the tracer provider of an application for which `start` was called."""
    provider: TracerProvider = app.extensions[_EXTENSION]
    return provider


def stop(app: Flask) -> None:
    """Send the remaining spans and end tracing. For processes that outlive the application, such as tests."""
    HTTPXClientInstrumentor().uninstrument()
    RedisInstrumentor().uninstrument()
    provider_of(app).shutdown()


def _provider() -> TracerProvider:
    """Return a provider that sends spans to the collector. OTEL_SERVICE_NAME replaces the name of the service."""
    resource = Resource.create({"service.name": "asin-desk"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _keep_trace_id(span: Span, environ: "WSGIEnvironment") -> None:
    keep_trace_id(environ, format_trace_id(span.get_span_context().trace_id))


def _remove_query(span: Span | None, _status: str, _headers: list[tuple[str, str]]) -> None:
    """Remove the query string from the span: it contains what a seller searches for."""
    if span is not None:
        span.set_attribute("url.query", "")


def _traced_stream(tracer: Tracer, response: Response) -> Response:
    """Trace the calls that are made while a streamed response is sent. The span of the request has ended by then."""
    if response.is_streamed and not response.direct_passthrough:
        response.response = _within(tracer, get_current_span(), response.response)
    return response


def _within(tracer: Tracer, request: Span, parts: Iterable[Any]) -> Iterator[Any]:
    with tracer.start_as_current_span("response body", context=set_span_in_context(request)):
        yield from parts


def _observer(tracer: Tracer) -> Observe:
    """Return a function that wraps `exchange(command, seconds=…)` with a span. Spans contain no key and no value."""

    def observe(exchange: Callable[..., Any]) -> Callable[..., Any]:
        def traced(command: tuple[Any, ...], *, seconds: float) -> Any:  # noqa: ANN401 - a Redis reply
            name = str(command[0])
            attributes = {"db.system.name": "redis", "db.operation.name": name}
            with tracer.start_as_current_span(
                name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
            ):
                return exchange(command, seconds=seconds)

        return traced

    return observe
