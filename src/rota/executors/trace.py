"""The trace that an attempt belongs to."""

from __future__ import annotations

from rota.executor import Call
from rota.traces.parent import of_job


def traceparent(call: Call) -> str:
    """Return the W3C ``traceparent`` that the target of an attempt gets."""
    return call.trace or of_job(call.job_id)
