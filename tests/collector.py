"""An OpenTelemetry collector: it receives spans over HTTP, as the exporter of a process sends them."""

from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.loopback import LoopbackServer


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived. `parent` is empty for the first span of a trace; `process` names the sending process."""

    trace: str
    id: str
    parent: str
    name: str
    process: str
    service: str


class Collector(LoopbackServer):
    """Receives spans. `url` is the value of OTEL_EXPORTER_OTLP_ENDPOINT. Use it as a context manager."""

    def __init__(self) -> None:
        """Listen; `spans` are those received so far, in order of arrival."""
        self.spans: list[ReceivedSpan] = []
        super().__init__(self._handler())

    def traces(self) -> dict[str, list[ReceivedSpan]]:
        """Return the received spans by trace id."""
        found = defaultdict[str, list[ReceivedSpan]](list)
        for span in list(self.spans):
            found[span.trace].append(span)
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Store the spans of one export."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
                """Log nothing."""

        return Handler


def _spans(request: ExportTraceServiceRequest) -> list[ReceivedSpan]:
    found = []
    for group in request.resource_spans:
        about = {item.key: item.value.string_value for item in group.resource.attributes}
        for scope in group.scope_spans:
            found += [
                ReceivedSpan(
                    span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name,
                    about.get("service.instance.id", ""), about.get("service.name", ""),
                )
                for span in scope.spans
            ]  # fmt: skip
    return found
