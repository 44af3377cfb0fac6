"""What the service's log says of an attempt."""

from __future__ import annotations

import time
from typing import Any

from rota import logs
from rota.engine.attempt import Running
from rota.executor import Call
from rota.store.results import Finished, Returned


def tell(
    event: str,
    call: Call,
    msg: str = "",
    *,
    level: str = "info",
    **fields: Any,
) -> None:
    """Write one line about an attempt."""
    logs.event(
        event,
        msg or f"{call.type or call.lane} {event.partition('/')[2]}",
        level=level,
        queue=call.queue,
        jobType=call.type,
        jobId=call.job_id,
        attempt=call.attempt,
        priority=call.priority,
        scheduleId=call.schedule_id,
        **fields,
    )


def tell_end(running: Running, ended: Finished | Returned) -> None:
    """Write how an attempt ended."""
    duration = int((time.monotonic() - running.started) * 1000)
    if isinstance(ended, Finished):
        level: str = "error" if ended.status == "failed" else "info"
        tell(
            f"job/{ended.status}",
            running.call,
            level=level,
            durationMs=duration,
            error=ended.error,
        )
    elif ended.outcome in ("failed", "timeout"):
        delay = ended.delay_us // 1000
        tell(
            "job/retried",
            running.call,
            level="warning",
            durationMs=duration,
            error=ended.error,
            delayMs=delay,
        )
    else:
        tell(f"job/{ended.outcome}", running.call, durationMs=duration, error=ended.error)
