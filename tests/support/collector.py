"""A collector of OpenTelemetry over HTTP, which keeps the spans that it is sent."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.target import Request, TargetServer
from tests.support.waiting import wait_until

PATH = "/v1/traces"
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
ERROR = 2


@dataclass(frozen=True)
class Seen:
    """A span as it came."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    links: dict[str, str]
    """What each link is for, with the ``trace-span`` that it leads to."""
    said: dict[str, Any]
    """Its attributes."""
    service: dict[str, Any]
    """The attributes of the process that made it."""
    failed: bool
    error: str

    @property
    def place(self) -> str:
        """``trace-span``, as in a ``traceparent``."""
        return f"{self.trace}-{self.span}"


@dataclass
class Collector:
    """What arrived at a server so far."""

    server: TargetServer
    environ: dict[str, str] = field(init=False)
    """What makes processes send their spans there, and soon."""

    def __post_init__(self) -> None:
        self.environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.server.url(), "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def spans(self) -> list[Seen]:
        """Every span that has come, in the order of arrival."""
        return [span for request in self.server.requests_to(PATH) for span in _spans(request)]

    def wait_for(self, *names: str, timeout: float = 60) -> list[Seen]:
        """Return one span for each of these names, when all have come; several of a name in the order of their end."""

        def found() -> list[Seen]:
            left, taken = self.spans(), []
            for name in names:
                one = next((span for span in left if span.name == name), None)
                if one is None:
                    return []
                left.remove(one)
                taken.append(one)
            return taken

        return wait_until(found, timeout, lambda: f"{names} among {[span.name for span in self.spans()]}")


def _spans(request: Request) -> list[Seen]:
    body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
    assert request.headers["content-type"] == "application/x-protobuf"
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                links = {
                    str(_values(link.attributes)["rota.link"]): f"{link.trace_id.hex()}-{link.span_id.hex()}"
                    for link in span.links
                }
                assert span.end_time_unix_nano >= span.start_time_unix_nano
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                said, failed = _values(span.attributes), span.status.code == ERROR
                found.append(Seen(span.name, span.kind, *ids, links, said, service, failed, span.status.message))
    return found


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
