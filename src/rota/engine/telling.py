"""What the service's log says of an attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from rota import logs
from rota.engine.attempt import Running
from rota.executor import Call, Line
from rota.store.claims import Claimed
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
    waitedMs: int | None = None
    reason: str | None = None


def tell_started(claimed: Claimed) -> None:
    """Write that an attempt begins, and how long the job waited since it was due."""
    call, type_ = claimed.call, claimed.call.type
    told = Told(
        call.queue, type_, call.job_id, call.attempt, call.priority, call.schedule_id, waitedMs=_waited_ms(claimed)
    )
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
    _tell(running.claimed, ended, int((time.monotonic() - running.started) * 1000))


def tell_answered(running: Running, ended: Finished | Returned, now_us: int) -> None:
    """Write how an attempt ended that no worker waited for."""
    _tell(running.claimed, ended, max(0, now_us - running.claimed.started_at) // 1000)


def _waited_ms(claimed: Claimed) -> int:
    return max(0, claimed.started_at - claimed.run_at) // 1000


def _tell(claimed: Claimed, ended: Finished | Returned | Deferred, duration: int) -> None:
    call, level, delay, waited, reason = claimed.call, "info", None, None, None
    if isinstance(ended, Deferred):
        what = "deferred"
    elif isinstance(ended, Finished):
        what, waited = ended.status, _waited_ms(claimed)
        if what == "failed":
            level, reason = "error", ended.reason
    elif ended.outcome in ("failed", "timeout", "silent"):
        what, level, delay = "retried", "warning", ended.delay_us // 1000
    else:
        what, delay = ended.outcome, ended.delay_us // 1000 if ended.outcome == "snoozed" else None
    told = Told(
        call.queue, call.type, call.job_id, call.attempt, call.priority, call.schedule_id, duration, ended.error,
        delay, waited, reason,
    )  # fmt: skip
    logs.record(f"job/{what}", f"{call.type or call.lane} {what}", told, level)
