"""Records in their outside form: camelCase, times RFC 3339 in UTC with milliseconds, priorities the right way up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rota.actions.specs import JobDefaults
from rota.actions.targets import HANDED_OVER
from rota.durations import format_duration
from rota.executors import command_target, handoff_broker, http_target
from rota.executors.http_mask import mask_url
from rota.model import ORDER, Attempt, Job, JobType, Occurrence, Pause, Queue, Schedule, Worker, priority_of, shown_as
from rota.store.consumers import Consumer
from rota.store.occurrences import Run
from rota.timetable import format_millis


def instant(at_us: int | None) -> str | None:
    """Return a time as text, ``2026-11-21T09:00:00.000Z``."""
    return None if at_us is None else format_millis(at_us)


def raw(document: str | None) -> msgspec.Raw | None:
    """Return a stored JSON document as it stands."""
    return None if document is None else msgspec.Raw(document.encode())


def target(document: str | None) -> Any:
    """Return a target without its secrets."""
    if document is None:
        return None
    decoded = msgspec.json.decode(document)
    kind = decoded.get("kind")
    if kind == "http":
        return http_target.masked_target(decoded)
    if kind in HANDED_OVER:
        return handoff_broker.masked(decoded, HANDED_OVER[kind])
    return command_target.masked_target(decoded) if kind == "command" else decoded


def job(record: Job, attempts: list[Attempt] | None = None) -> dict[str, Any]:
    """Return a job; with its attempts where they were read."""
    shown: dict[str, Any] = {
        "id": record.id,
        "jobType": record.type,
        "kind": "function" if record.lane in ("async", "sync") else record.lane,
        "status": shown_as(record.status),
        "queue": record.queue,
        "priority": priority_of(record.rank, record.priority),
        "args": raw(record.args),
        "target": target(record.target),
        "attempt": record.attempt,
        "attemptsUsed": record.attempts_used,
        "maxAttempts": record.max_attempts,
        "createdAt": instant(record.created_at),
        "runAt": instant(record.run_at),
        "startedAt": instant(record.started_at),
        "completedAt": instant(record.completed_at),
        "updatedAt": instant(record.updated_at),
        "durationMs": _milliseconds(record.started_at, record.completed_at),
        "startedBy": record.started_by,
        "origin": record.origin,
        "scheduleId": record.schedule_id,
        "scheduledFor": instant(record.scheduled_for),
        "timeout": format_duration(record.timeout_us) if record.timeout_us else None,
        "silence": format_duration(record.silence_us) if record.silence_us else None,
        "deadlineAt": instant(deadline(record)),
        "silentAt": instant(record.silent_by) if record.status == "running" else None,
        "awaitsAnswer": record.awaits_answer,
        "uniqueKey": record.unique_key,
        "uniqueScope": record.unique_scope,
        "dependsOn": raw(record.depends_on) or [],
        "ifParentFailed": record.if_parent_failed,
        "batchId": record.batch_id,
        "concurrencyKey": record.concurrency_key,
        "orderKey": order_key(record),
        "runOn": raw(record.run_on) or [],
        "callbackUrl": mask_url(record.callback_url) if record.callback_url else None,
        "tags": raw(record.tags) or [],
        "onLost": record.on_lost,
        "expiresAt": instant(record.expires_at),
        "workerId": record.worker_id,
        "progress": None
        if record.progress is None and record.progress_note is None
        else {"value": record.progress, "message": record.progress_note},
        "result": raw(record.result),
        "resultTruncated": {"bytes": record.result_truncated} if record.result_truncated else None,
        "error": record.error,
        "errorDetail": raw(record.error_detail),
        "reason": record.reason,
        "cancelRequestedAt": instant(record.cancel_requested_at),
        "cancelRequestedBy": record.cancel_requested_by,
    }
    if attempts is not None:
        shown["attempts"] = [attempt(one) for one in [*attempts, *_last_attempt(record, attempts)]]
    return shown


def deadline(record: Job) -> int | None:
    """Return when the time of a run is over (µs UTC)."""
    if record.status != "running" or record.started_at is None:
        return None
    usual = None if record.timeout_us is None else record.started_at + record.timeout_us
    return record.answer_by if record.answer_by is not None else usual


def order_key(record: Job) -> str | None:
    """Return the key in whose order a job runs."""
    key = record.turn_key or ""
    return key.removeprefix(ORDER) if key.startswith(ORDER) else None


def _last_attempt(record: Job, attempts: list[Attempt]) -> list[Attempt]:
    """The last start stands in the job itself."""
    if record.attempt == 0 or any(one.attempt == record.attempt for one in attempts):
        return []
    # Until it ends, the job still tells the error of the attempt before.
    error = (record.error, record.error_detail) if record.completed_at is not None else (None, None)
    return [
        Attempt(
            record.id,
            record.attempt,
            shown_as(record.status),
            record.worker_id,
            record.started_at,
            record.completed_at,
            *error,
        )
    ]


def attempt(record: Attempt) -> dict[str, Any]:
    """Return an attempt."""
    return {
        "attempt": record.attempt,
        "outcome": record.outcome,
        "startedAt": instant(record.started_at),
        "endedAt": instant(record.ended_at),
        "durationMs": _milliseconds(record.started_at, record.ended_at),
        "workerId": record.worker_id,
        "error": record.error,
        "errorDetail": raw(record.error_detail),
    }


def _milliseconds(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, (end - start) // 1000)


def schedule(record: Schedule, description: str | None = None) -> dict[str, Any]:
    """Return a schedule; with its rule in words where they were made."""
    rule = msgspec.json.decode(record.rule)
    defaults = msgspec.json.decode(record.job)
    return {
        "id": record.id,
        "jobType": record.type,
        "target": target(record.target),
        "args": raw(record.args),
        **{name: rule.get(name) for name in ("cron", "every", "at", "seconds", "dayMatch", "rules")},
        "onStart": rule.get("onStart", False),
        "description": description,
        "timezone": record.timezone,
        "startAt": instant(record.start_at),
        "endAt": instant(record.end_at),
        "maxRuns": record.max_runs,
        "afterRun": record.after_run,
        "jitter": format_duration(record.jitter_us) if record.jitter_us else None,
        "overlap": record.overlap,
        "catchup": record.catchup,
        "catchupWindow": format_duration(record.catchup_window_us) if record.catchup_window_us is not None else None,
        "pauseAfter": record.pause_after,
        "calendars": raw(record.calendars) or [],
        **{name: defaults.get(name) for name in JobDefaults.__struct_encode_fields__},
        "tags": defaults.get("tags") or [],
        "runOn": defaults.get("runOn") or [],
        "runs": record.runs,
        "nextAt": instant(record.next_at),
        "lastAt": instant(record.last_at),
        "lastJobId": record.last_job_id,
        "paused": record.paused_at is not None,
        "pausedAt": instant(record.paused_at),
        "pausedBy": record.paused_by,
        "pausedNote": record.paused_note,
        "resumeAt": instant(record.resume_at),
        "shadow": bool(record.shadow),
        "note": record.note,
        "owner": record.owner,
        "source": record.source,
        "version": record.version,
        "createdAt": instant(record.created_at),
        "updatedAt": instant(record.updated_at),
    }


def occurrence(record: Occurrence, count: int | None = None, run: Run | None = None) -> dict[str, Any]:
    """Return an occurrence: one instant, or a range with how many instants it covers where they were counted.

    Of one whose job is there still, how far that is.
    """
    if record.scheduled_for == record.until_at:
        when: dict[str, Any] = {"scheduledFor": instant(record.scheduled_for)}
    else:
        when = {"from": instant(record.scheduled_for), "to": instant(record.until_at), "count": count}
    return {
        **when,
        "disposition": record.disposition,
        "jobId": record.job_id,
        "reason": record.reason,
        "version": record.version,
        "decidedAt": instant(record.decided_at),
        **(_run(run) if run else {}),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "jobStatus": shown_as(run.status),
        "startedAt": instant(run.started_at),
        "durationMs": _milliseconds(run.started_at, run.completed_at),
    }


def queue_settings(record: Queue | None) -> dict[str, Any]:
    """Return what people set of a queue, as they may send it."""
    if record is None:
        return {}
    rates = msgspec.json.decode(record.rate_limits) if record.rate_limits else []
    kept = msgspec.json.decode(record.retention) if record.retention else {}
    return {
        "concurrency": record.concurrency,
        "workerConcurrency": record.worker_concurrency,
        "keyConcurrency": record.key_concurrency,
        "rateLimits": [{**one, "per": format_duration(one["per"])} for one in rates],
        "ageing": format_duration(record.ageing_us) if record.ageing_us else None,
        "defaults": raw(record.defaults),
        "retention": {name: _kept(name, value) for name, value in kept.items()} or None,
    }


def _kept(name: str, value: int | None) -> str | int:
    if value is None:
        return "never"
    return value if name.startswith("most") else format_duration(value)


def queue(record: Queue, stats: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a queue with what is in it: ``stats`` are its rows of ``store.queues.stats``."""
    counts = {"pending": 0, "scheduled": 0, "running": 0, "failed": 0}
    for row in stats:
        counts[row["status"]] += row["n"]
    waiting = [row["oldest"] for row in stats if row["status"] == "pending"]
    return {
        "name": record.name,
        **queue_settings(record),
        "paused": record.paused_at is not None,
        "pausedAt": instant(record.paused_at),
        "pausedBy": record.paused_by,
        "pausedNote": record.paused_note,
        "resumeAt": instant(record.resume_at),
        "slowedUntil": instant(record.slowed_until),
        "slowedBy": record.slowed_by,
        "counts": counts,
        "oldestPendingAt": instant(min(waiting)) if waiting else None,
        "stats": [
            {"status": r["status"], "priority": r["priority"], "count": r["n"], "oldestAt": instant(r["oldest"])}
            for r in stats
        ],
        "createdAt": instant(record.created_at),
    }


def pause(record: Pause | None) -> dict[str, Any]:
    """Return whether something is paused, and how."""
    return {
        "paused": record is not None,
        "pausedAt": instant(record.at) if record else None,
        "pausedBy": record.author if record else None,
        "pausedNote": record.note if record else None,
        "resumeAt": instant(record.resume_at) if record else None,
    }


def job_type(record: JobType, paused: Pause | None = None) -> dict[str, Any]:
    """Return a job type, and how it is paused."""
    return {
        "name": record.name,
        "kind": "function" if record.lane in ("async", "sync") else record.lane,
        "target": target(record.target),
        "argsSchema": raw(record.args_schema),
        "defaults": raw(record.defaults),
        "owner": record.owner,
        "version": record.version,
        **pause(paused),
        "createdAt": instant(record.created_at),
        "updatedAt": instant(record.updated_at),
    }


def worker(record: Worker, consumers: Sequence[Consumer] = ()) -> dict[str, Any]:
    """Return a process, and what it does with its queues."""
    detail = msgspec.json.decode(record.detail or "{}")
    return {
        "id": record.id,
        "role": record.role,
        "host": record.host,
        "pid": record.pid,
        "version": record.version,
        "state": record.state,
        "queues": raw(record.queues),
        "lanes": raw(record.lanes),
        "jobTypes": raw(record.types),
        "labels": raw(record.labels) or [],
        "running": record.running,
        "slots": detail.get("slots"),
        "loops": [_loop(one) for one in detail.get("loops") or ()],
        "loopLagMs": detail.get("loopLagMs"),
        "consumers": [_consumer(one) for one in consumers],
        "startedAt": instant(record.started_at),
        "lastHeartbeat": instant(record.seen_at),
        "lastClaim": instant(record.claimed_at),
        "leaseUntil": instant(record.lease_until),
    }


def _loop(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "sleepsUntil": instant(told.get("sleepsUntil"))}


def _consumer(one: Consumer) -> dict[str, Any]:
    sleeping = None if one.reason is None else {"reason": one.reason, "until": instant(one.until)}
    return {"queue": one.queue, "numRunningLoops": one.running, "sleeping": sleeping}
