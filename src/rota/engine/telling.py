"""What the service's log says of an attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from rota import logs
from rota.engine.attempt import Running
from rota.executor import Call, Line
from rota.store.results import Deferred, Finished, Returned
from rota.store.slowing import Slowed
from rota.timetable import format_instant


class Told(msgspec.Struct, omit_defaults=True, gc=False):
    """The fields of a line about an attempt, in their order; what it has not is left out."""

    queue: str = ""
    jobType: str | None = None
    jobId: str = ""
    attempt: int = 0
    priority: int | None = None
    scheduleId: str | None = None
    durationMs: int | None = None
    error: str | None = None
    delayMs: int | None = None


def tell_started(call: Call) -> None:
    """Write that an attempt begins."""
    type_ = call.type
    told = Told(call.queue, type_, call.job_id, call.attempt, call.priority, call.schedule_id)
    logs.record("job/started", f"{type_ or call.lane} started", told)


def tell_output(call: Call, lines: Sequence[Line], last: int) -> None:
    """Write what a job has written, up to the line with the number ``last``, where the settings want that."""
    for number, line in enumerate(lines, last - len(lines) + 1):
        logs.event(
            "job/output", line.text, queue=call.queue, jobType=call.type, jobId=call.job_id, attempt=call.attempt,
            stream=line.stream, n=number,
        )  # fmt: skip


def tell_slowed(slowed: Slowed) -> None:
    """Write that a queue waits because a target asked for it; where many ask, few are told."""
    until = format_instant(slowed.until)
    logs.event_limited(
        f"slowed {slowed.name}", "queue/slowed", f"queue {slowed.name} calls no target until {until}",
        level="warning", queue=slowed.name, until=until, by=slowed.by,
    )  # fmt: skip


def tell_end(running: Running, ended: Finished | Returned | Deferred) -> None:
    """Write how an attempt ended, or that its target answers later."""
    _tell(running.call, ended, int((time.monotonic() - running.started) * 1000))


def tell_answered(running: Running, ended: Finished | Returned, now_us: int) -> None:
    """Write how an attempt ended that no worker waited for."""
    _tell(running.call, ended, max(0, now_us - running.claimed.started_at) // 1000)


def _tell(call: Call, ended: Finished | Returned | Deferred, duration: int) -> None:
    level, delay = "info", None
    if isinstance(ended, Deferred):
        what = "deferred"
    elif isinstance(ended, Finished):
        what = ended.status
        if what == "failed":
            level = "error"
    elif ended.outcome in ("failed", "timeout", "silent"):
        what, level, delay = "retried", "warning", ended.delay_us // 1000
    else:
        what = ended.outcome
    told = Told(
        call.queue, call.type, call.job_id, call.attempt, call.priority, call.schedule_id, duration, ended.error, delay
    )
    logs.record(f"job/{what}", f"{call.type or call.lane} {what}", told, level)
