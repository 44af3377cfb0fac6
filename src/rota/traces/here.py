"""The trace in which the code of this process runs just now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rota.traces.parent import ids_of

running: ContextVar[str | None] = ContextVar("rota_trace", default=None)
"""The ``traceparent`` of the attempt in whose context code runs."""


class Only:
    """The same of the one call that a sync runner runs, for the threads that it starts."""

    trace: str | None = None


def current() -> str | None:
    """Return the ``traceparent`` of the span that is open here, else of the attempt that runs here, or None.

    Nothing is loaded for it: a program without OpenTelemetry has no span.
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is not None and (parent := parent_of(api.get_current_span().get_span_context())) is not None:
        return parent
    return running.get() or Only.trace


def parent_of(context: Any) -> str | None:
    """Return OpenTelemetry's ``SpanContext`` as ``traceparent``; None for one that means nothing."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def span_context(parent: str) -> Any:
    """Return a checked ``traceparent`` as OpenTelemetry's ``SpanContext``."""
    from opentelemetry.trace import SpanContext, TraceFlags

    trace, span = ids_of(parent)
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(int(parent[53:], 16)))


def as_context(parent: str | None) -> Any:
    """Return the context in which a span becomes the child of ``parent``; an empty one where there is none."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    if parent is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(span_context(parent)), Context())


@contextmanager
def attached(parent: str | None) -> Iterator[None]:
    """Let the code within see ``parent`` as the span that is open, where the program uses OpenTelemetry at all."""
    if parent is None:
        yield
        return
    token = running.set(parent)
    api: Any = sys.modules.get("opentelemetry.context")
    attachment = api.attach(as_context(parent)) if api is not None and "opentelemetry.trace" in sys.modules else None
    try:
        yield
    finally:
        if attachment is not None:
            api.detach(attachment)
        running.reset(token)
