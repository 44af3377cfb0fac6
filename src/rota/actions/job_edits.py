"""Edits of jobs that do not run: checked as when they were enqueued, and kept in the audit."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.actions import building, jobs, keys, policy, present
from rota.actions.arguments import check_fit
from rota.actions.decoding import decode
from rota.actions.specs import Caller, EditIn, JobDefaults, RetryIn, given
from rota.durations import parse_duration
from rota.errors import Conflict, Invalid, TooLarge
from rota.jsontext import check_queue, check_text
from rota.model import FINAL, Job
from rota.settings import Settings
from rota.store import audit, changes, queues, schedules, types
from rota.store.database import Tx

LONGEST_NOTE = 1000
MOST_KEPT = 16 * 1024
"""Of longer arguments and checkpoints the audit keeps the head."""
NOTHING = EditIn()


def edit(tx: Tx, job_id: str, spec: EditIn, caller: Caller, settings: Settings) -> Job:
    """Change a job that waits, failed or was cancelled; with ``retry`` true it waits again, with all its attempts."""
    job = jobs.known(tx, job_id)
    if spec.retry is False:
        spec = msgspec.structs.replace(spec, retry=msgspec.UNSET)
    if job.status == "running":
        raise Conflict(f"job {job_id} is running", hint="cancel it first, or let it end")
    if job.status == "completed":
        raise Conflict(f"job {job_id} has completed already", hint="enqueue another")
    if msgspec.structs.replace(spec, note=None) == NOTHING:
        raise Invalid("body", "changes nothing", hint="name at least one field, for example args")
    note = check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None
    again = spec.retry is True
    due = jobs.when(spec.run_at, spec.delay_ms) if (spec.run_at, spec.delay_ms) != (None, None) else None
    values = _values(tx, job, spec, settings)
    if job.status in FINAL and not again:
        field = next(
            (name for name, said in (("runAt", spec.run_at), ("delayMs", spec.delay_ms)) if said is not None), None
        )
        if field or spec.expires_in is not msgspec.UNSET:
            raise Invalid(field or "expiresIn", "the job does not wait", hint='add "retry": true')
    before = shown(job)
    if again:
        jobs.make_wait(tx, job)
    if values or due is not None:
        changes.edit(tx, job_id, values, due=due)
    after = jobs.known(tx, job_id)
    audit.record(tx, caller, "edited", "job", job_id, before=before, after=shown(after), note=note)
    return after


def _values(tx: Tx, job: Job, spec: EditIn, settings: Settings) -> dict[str, Any]:
    """Return the columns that change."""
    values: dict[str, Any] = {}
    args = job.args
    if (document := given(spec.args)) is not None:
        args = values["args"] = _args(tx, job, document, settings)
        values["checkpoint"] = None  # it is one of the work with the other arguments
    if spec.queue is not None:
        values["queue"] = check_queue(spec.queue)
    if spec.priority is not None:
        values["rank"] = policy.priority_rank(spec.priority, settings.priorities)
    if spec.timeout is not msgspec.UNSET:
        values["timeout_us"] = policy.timeout_us(JobDefaults(timeout=spec.timeout), job.lane, _targets_timeout(job))
    if spec.silence is not msgspec.UNSET:
        values["silence_us"] = policy.silence_us(spec.silence)
    values |= _retries(job, spec)
    if spec.tags is not msgspec.UNSET:
        values["tags"] = policy.check_tags(spec.tags)
    if spec.concurrency_key is not msgspec.UNSET:
        takes = keys.takes_args(spec.concurrency_key, "concurrencyKey")
        decoded = msgspec.json.decode(args) if takes else None
        values["concurrency_key"] = keys.filled(spec.concurrency_key, decoded, "concurrencyKey")
    elif args != job.args and (template := _template(tx, job)) is not None:
        values["concurrency_key"] = keys.filled(template, msgspec.json.decode(args), "concurrencyKey")
    if spec.expires_in is not msgspec.UNSET:
        values["expires_us"] = policy.duration(spec.expires_in, "expiresIn", minimum_us=1000)
    return values


def _template(tx: Tx, job: Job) -> str | None:
    """Return from what the schedule, the type or the queue says the job has its key; None where it is its own."""
    schedule = schedules.get(tx, job.schedule_id) if job.schedule_id is not None else None
    job_type = types.get(tx, job.type) if job.type is not None else None
    queue = queues.get(tx, job.queue)
    said = (schedule and schedule.job, job_type and job_type.defaults, queue and queue.defaults)
    templates = (decode(one, JobDefaults).concurrency_key for one in said if one)
    return next((one for one in templates if one is not None and _makes(one, job)), None)


def _makes(template: str, job: Job) -> bool:
    try:
        return keys.filled(template, msgspec.json.decode(job.args), "concurrencyKey") == job.concurrency_key
    except Invalid:
        return False


def _args(tx: Tx, job: Job, document: msgspec.Raw, settings: Settings) -> str:
    text = building.check_args(document, settings, must_be_object=building.needs_object(job.lane))
    job_type = types.get(tx, job.type) if job.type is not None else None
    check_fit(text, job_type.args_schema if job_type else None)
    if job.lane == "command" and len(text.encode()) > building.MAX_COMMAND_ARGS:
        raise TooLarge("args", f"a command gets at most {building.MAX_COMMAND_ARGS} bytes, in ROTA_ARGS")
    return text


def _targets_timeout(job: Job) -> int | None:
    said = msgspec.json.decode(job.target).get("timeout") if job.target is not None else None
    return parse_duration(said, "timeout") if said is not None else None


def _retries(job: Job, spec: EditIn) -> dict[str, Any]:
    values: dict[str, Any] = {}
    wanted = spec.retry if isinstance(spec.retry, RetryIn) else None
    attempts, retry = policy.attempts_and_retry(JobDefaults(max_attempts=spec.max_attempts, retry=wanted), job.lane)
    if spec.max_attempts is not None or (wanted is not None and wanted.attempts is not None):
        values["max_attempts"] = attempts
    if wanted is not None or spec.retry is None:
        values["retry"] = retry
    return values


def shown(job: Job) -> dict[str, Any]:
    """Return what an edit may change, as the audit keeps it."""
    whole = present.job(job)
    fields = ("status", "queue", "priority", "runAt", "timeout", "maxAttempts", "tags", "concurrencyKey", "expiresAt")
    return {**{field: whole[field] for field in fields}, "args": _kept(job.args), "retry": present.raw(job.retry)}


def shown_running(job: Job) -> dict[str, Any]:
    """Return what a sign of life may change, as the audit keeps it."""
    return {
        "progress": job.progress,
        "message": job.progress_note,
        "deadlineAt": present.instant(present.deadline(job)),
        "silentAt": present.instant(job.silent_by),
        "checkpoint": None if job.checkpoint is None else _kept(job.checkpoint),
    }


def _kept(document: str) -> Any:
    if len(document) <= MOST_KEPT:
        return present.raw(document)
    return {"bytes": len(document.encode()), "head": document[:MOST_KEPT]}
