"""The spans of attempts and of schedules, where this process makes spans.

An attempt is a trace of its own: it may begin days after it was asked for, and be one of many.  What belongs together
is linked: the attempt to whoever enqueued the job, and to the attempt before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rota import logs, traces
from rota.engine.attempt import Running
from rota.executor import Call
from rota.model import Occurrence
from rota.store.claims import Claimed
from rota.store.results import Deferred, Finished, Returned
from rota.timetable import format_instant
from rota.traces.here import parent_of, span_context

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer

GOOD = frozenset(("completed", "deferred", "snoozed"))


class AttemptSpans:
    """The spans of the attempts that a worker runs."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[tuple[str, int], Span] = {}

    def begin(self, claimed: Claimed) -> Claimed:
        """Open the span of an attempt; return it with the trace context for its target."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        call = claimed.call
        with traces.planned(traces.attempt_ids(call.job_id, call.attempt)):
            span = self._tracer.start_span(
                f"run {call.type or call.lane}", Context(), kind=SpanKind.CONSUMER, links=_links(call),
                attributes={**_said(call), "rota.waited_ms": max(0, claimed.started_at - claimed.run_at) // 1000},
            )  # fmt: skip
        self._open[call.job_id, call.attempt] = span
        parent = parent_of(span.get_span_context())
        return msgspec.structs.replace(claimed, call=msgspec.structs.replace(call, trace=parent))

    def end(self, running: Running, ended: Finished | Returned | Deferred) -> None:
        """Close the span of an attempt with what is recorded of it."""
        span = self._open.pop(running.key, None)
        if span is None:
            return
        outcome = _outcome(ended)
        span.set_attribute("rota.outcome", outcome)
        if outcome not in GOOD:
            from opentelemetry.trace import Status, StatusCode

            error = None if isinstance(ended, Deferred) else ended.error
            span.set_status(Status(StatusCode.ERROR, logs.masked(error or outcome)))
            span.set_attribute("error.type", outcome)
        span.end()


def attempt_spans() -> AttemptSpans | None:
    """Return what makes the spans of attempts; None where this process makes none."""
    tracer = traces.tracer()
    return None if tracer is None else AttemptSpans(tracer)


def fired(occurrence: Occurrence, job_type: str | None) -> None:
    """Make the span of a due instant that made a job: the one that attempts of the job are linked to."""
    tracer = traces.tracer()
    if tracer is None or occurrence.job_id is None:
        return
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    said = {
        "messaging.system": "rota",
        "messaging.operation.type": "send",
        "messaging.operation.name": "fire",
        "messaging.message.id": occurrence.job_id,
        "rota.job.id": occurrence.job_id,
        "rota.schedule.id": occurrence.schedule_id,
        "rota.scheduled_for": format_instant(occurrence.scheduled_for),
        **({"rota.job.type": job_type} if job_type else {}),
    }
    with traces.planned(traces.attempt_ids(occurrence.job_id, 0)):
        tracer.start_span(f"fire {occurrence.schedule_id}", Context(), kind=SpanKind.PRODUCER, attributes=said).end()


def fired_trace(job_id: str) -> str | None:
    """Return the context of the span that `fired` will make; None where this process makes none."""
    return None if traces.tracer() is None else traces.attempt_ids(job_id, 0).parent()


def _links(call: Call) -> list[Link]:
    from opentelemetry.trace import Link

    found = []
    if call.trace is not None:
        found.append(Link(span_context(call.trace), {"rota.link": "enqueued"}))
    if call.attempt > 1:
        before = traces.attempt_ids(call.job_id, call.attempt - 1).parent()
        found.append(Link(span_context(before), {"rota.link": "previous attempt"}))
    return found


def _said(call: Call) -> dict[str, Any]:
    said: dict[str, Any] = {
        "messaging.system": "rota",
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "messaging.destination.name": call.queue,
        "messaging.message.id": call.job_id,
        "rota.job.id": call.job_id,
        "rota.queue": call.queue,
        "rota.attempt": call.attempt,
        "rota.lane": call.lane,
    }
    if call.type is not None:
        said["rota.job.type"] = call.type
    if call.schedule_id is not None:
        said["rota.schedule.id"] = call.schedule_id
    return said


def _outcome(ended: Finished | Returned | Deferred) -> str:
    if isinstance(ended, Deferred):
        return "deferred"
    if isinstance(ended, Returned):
        return ended.outcome
    return ended.reason if ended.status == "failed" and ended.reason is not None else ended.status
