"""Traces by OpenTelemetry: from who enqueues a job over each attempt to its target.

What only passes a context on needs no OpenTelemetry.  Spans are made where ``OTEL_*`` says so, and only then is
anything of it loaded.
"""

from rota.traces.here import attached, current, running
from rota.traces.parent import Ids, attempt_ids, checked, of_job, shown_id
from rota.traces.process import enqueuing, is_wanted, makes_spans, planned, start, stop, tracer

__all__ = [
    "Ids",
    "attached",
    "attempt_ids",
    "checked",
    "current",
    "enqueuing",
    "is_wanted",
    "makes_spans",
    "of_job",
    "planned",
    "running",
    "shown_id",
    "start",
    "stop",
    "tracer",
]
