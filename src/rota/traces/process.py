"""The spans that this process makes itself, where the variables of OpenTelemetry ask for them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rota import logs
from rota.traces.here import as_context, current, parent_of
from rota.traces.parent import Ids
from rota.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_LAST_SPANS_S = 2.0
_SHORTEST_SECRET = 6


class _State:
    """What belongs to the process."""

    provider: Any = None
    tracer: Tracer | None = None


class _Planned(threading.local):
    """The numbers that the next span of this thread gets; random ones without."""

    ids: Ids | None = None


_planned = _Planned()


def is_wanted(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether ``OTEL_*`` asks for traces: an address of a collector, or ``OTEL_TRACES_EXPORTER=otlp``."""
    given = os.environ if environ is None else environ
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = {name.strip() for name in given.get("OTEL_TRACES_EXPORTER", "").split(",")} - {""}
    return "otlp" in exporters if exporters else any(given.get(name) for name in _ENDPOINTS)


def start(service_name: str, role: str) -> None:
    """Begin to make spans, if that is asked for.  What is in the way is told, and no reason not to work."""
    if _State.tracer is not None or not is_wanted():
        return
    for name in _HEADERS:
        values = (pair.partition("=")[2].strip() for pair in os.environ.get(name, "").split(","))
        logs.mask(*(value for value in values if len(value) >= _SHORTEST_SECRET))
    try:
        _State.provider = _made(service_name, role)
        _State.tracer = _State.provider.get_tracer("rota", __version__)
    except ImportError as error:
        reason = f"{error}: pip install 'rota[otel]'"
        logs.event("traces/off", f"OTEL_* asks for traces, and none are sent: {reason}", level="warning", reason=reason)
    except Exception as error:  # noqa: BLE001 - whatever stands in variables that others share with us
        reason = f"{type(error).__name__}: {error}"
        logs.event("traces/off", f"OTEL_* asks for traces, and none are sent: {reason}", level="warning", reason=reason)
    else:
        logs.event("traces/on", "spans are sent to a collector of OpenTelemetry")


def stop() -> None:
    """Send what is left, and end; a collector that is away keeps a process only for so long."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is not None:
        thread = threading.Thread(target=provider.shutdown, name="rota-traces", daemon=True)
        thread.start()
        thread.join(_LAST_SPANS_S)


def tracer() -> Tracer | None:
    """Return what makes the spans of this process; None where none are wanted."""
    return _State.tracer


def makes_spans() -> bool:
    """Tell whether enqueueing is worth a span here: this process makes spans, or its program uses OpenTelemetry."""
    return _State.tracer is not None or "opentelemetry.trace" in sys.modules


@contextmanager
def planned(ids: Ids) -> Iterator[None]:
    """Give the span that is begun within these numbers."""
    _planned.ids = ids
    try:
        yield
    finally:
        _planned.ids = None


@contextmanager
def enqueuing(what: str, parent: str | None = None, *, jobs: int = 1) -> Iterator[str | None]:
    """Open a span for enqueueing, where `makes_spans`; yield the ``traceparent`` that the jobs get.

    ``parent`` is what the caller sent; without one it is looked for here.  ``what`` is the type of the jobs.  A program
    that uses Rota as a library makes its spans by the provider that it has set up.
    """
    from opentelemetry import trace as api

    parent = parent or current()
    maker = _State.tracer or api.get_tracer("rota", __version__)
    said: dict[str, str | int] = {
        "messaging.system": "rota",
        "messaging.operation.type": "send",
        "messaging.operation.name": "enqueue",
    }
    if jobs > 1:
        said["messaging.batch.message_count"] = jobs
    with maker.start_as_current_span(
        f"enqueue {what}", as_context(parent) if parent else None, kind=api.SpanKind.PRODUCER, attributes=said
    ) as span:
        yield parent_of(span.get_span_context()) or parent


def _made(service_name: str, role: str) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class PlannedIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            ids = _planned.ids
            return ids.trace if ids is not None else super().generate_trace_id()

        def generate_span_id(self) -> int:
            ids = _planned.ids
            return ids.span if ids is not None else super().generate_span_id()

    said = {"rota.role": role, "service.version": __version__}
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named:
        said["service.name"] = service_name
    provider = TracerProvider(resource=Resource.create(said), id_generator=PlannedIds(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    return provider


def _exporter() -> Any:
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), "http/protobuf")
    if protocol == "grpc":
        return import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter").OTLPSpanExporter()
    if protocol != "http/protobuf":
        raise ValueError(f"the protocol {protocol!r} is not known: http/protobuf or grpc")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
