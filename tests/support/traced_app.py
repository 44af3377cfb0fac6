"""An application whose jobs look at the trace in which they run."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from rota import Context, Retry, Rota, traces

rota = Rota()


def seen() -> dict[str, Any]:
    """What OpenTelemetry, and Rota, take for the open span."""
    span = trace.get_current_span().get_span_context()
    return {"span": f"{span.trace_id:032x}-{span.span_id:016x}", "current": traces.current()}


@rota.job(retry=Retry(delays=["20ms"]), max_attempts=2)
async def relay(ctx: Context, url: str) -> dict[str, Any]:
    """Fail once; then have an address called."""
    if ctx.attempt == 1:
        raise ValueError("not yet")
    job = await rota.aenqueue(rota.job_request(url))
    return {**seen(), "job": job.id}


@rota.job
def look() -> dict[str, Any]:
    """The same where functions may block."""
    return seen()
