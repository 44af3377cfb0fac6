"""Actions on jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from rota.actions import building
from rota.actions.arguments import check_fit
from rota.actions.specs import Caller, FilterIn, JobIn, TriggerIn, given
from rota.errors import Conflict, Invalid, NotFound
from rota.executors import http_target
from rota.executors.http_address import parse_rules
from rota.executors.http_url import check_callback
from rota.ids import new_id
from rota.jsontext import check_text
from rota.model import FINAL, STATUSES, Job, JobType, NewJob
from rota.settings import Settings
from rota.store import jobs, reads, turns, types
from rota.store.database import Duplicate, Tx
from rota.timetable import parse_instant

MAX_BULK = 10_000
MAX_DELAY_MS = 100 * 366 * 86_400_000


class Enqueued(msgspec.Struct, frozen=True):
    """The id of the job; ``existing`` when a job with its unique key was there already."""

    id: str
    existing: bool = False


def prepare(
    tx: Tx,
    specs: Sequence[JobIn],
    caller: Caller,
    settings: Settings,
    known: dict[str, JobType | None] | None = None,
    *,
    fitting: bool = False,
) -> list[NewJob]:
    """Check jobs and fill in the defaults; nothing is stored.  Ids are made here, so that storing can be repeated.

    ``known`` remembers the job types that were read, for several calls in one transaction.  ``fitting`` says that the
    functions of the types have checked their arguments, and more strictly than the schema does.
    """
    if len(specs) > MAX_BULK:
        raise Invalid("jobs", f"{len(specs)} jobs are too many at once", hint=f"at most {MAX_BULK}")
    known = {} if known is None else known
    prepared = []
    for place, spec in enumerate(specs):
        try:
            if spec.job_type is not None and spec.job_type not in known:
                known[spec.job_type] = types.get(tx, spec.job_type) if _storable(spec.job_type) else None
            prepared.append(_prepare(spec, known.get(spec.job_type or ""), caller, settings, fitting=fitting))
        except Invalid as error:
            if len(specs) > 1:
                error.field = f"jobs.{place}.{error.field}"
                error.message = f"{error.field}: {error.reason}"
            raise
    return prepared


def _storable(name: str) -> bool:
    return "\0" not in name and len(name) < 1000


def _prepare(spec: JobIn, job_type: JobType | None, caller: Caller, settings: Settings, *, fitting: bool) -> NewJob:
    takes_object = job_type is not None and building.needs_object(job_type.lane)
    args = building.check_args(given(spec.args), settings, must_be_object=takes_object)
    if not fitting:
        check_fit(args, job_type.args_schema if job_type else None)
    job = building.build(
        new_id(),
        type_name=spec.job_type,
        target=given(spec.target),
        args=args,
        job_type=job_type,
        given=spec,
        settings=settings,
    )
    job.run_at, job.delay_us = _when(spec)
    if spec.unique_key is not None:
        if not spec.unique_key:  # a variable that was not set would make one job of all
            raise Invalid("uniqueKey", "is empty", hint="leave it out, or give a key")
        job.unique_key = check_text(spec.unique_key, "uniqueKey", max_length=500)
        job.unique_scope = spec.unique_scope or "active"
    elif spec.unique_scope is not None:
        raise Invalid("uniqueScope", "needs a uniqueKey")
    if spec.callback_url is not None:
        job.callback_url = _callback(spec.callback_url, job, settings)
    job.started_by = check_text(spec.started_by, "startedBy", max_length=200) if spec.started_by else caller.subject
    job.origin = spec.origin or "enqueue"
    return job


def _when(spec: JobIn) -> tuple[int | None, int]:
    if spec.delay_ms is not None and spec.run_at is not None:
        raise Invalid("runAt", "delayMs and runAt exclude each other", hint="give one of them")
    if spec.run_at is not None:
        return parse_instant(spec.run_at, "runAt"), 0
    if spec.delay_ms is not None and not 0 <= spec.delay_ms <= MAX_DELAY_MS:
        raise Invalid("delayMs", f"{spec.delay_ms} is out of range", hint=f"from 0 to {MAX_DELAY_MS}")
    return None, (spec.delay_ms or 0) * 1000


def _callback(text: str, job: NewJob, settings: Settings) -> str:
    if job.lane != "http" or job.target is None:
        raise Invalid("callbackUrl", "only a job of an HTTP type has one")
    own = http_target.parse_target(msgspec.json.decode(job.target)).address(settings.services)
    check_callback(text, own, parse_rules(settings.callback_hosts, "ROTA_CALLBACK_HOSTS"))
    return text


def store(tx: Tx, prepared: Sequence[NewJob]) -> list[Enqueued]:
    """Store prepared jobs; a job whose unique key is held gives the holder's id instead."""
    stored = set(jobs.insert(tx, prepared))
    answers = []
    for job in prepared:
        if job.id in stored:
            answers.append(Enqueued(job.id))
        else:
            answers.append(_stored_already(tx, job))
    return answers


def _stored_already(tx: Tx, job: NewJob) -> Enqueued:
    """Tell a repeated call from a held unique key; the holder may end between the two looks."""
    for _ in range(3):
        if jobs.existing(tx, [job.id]):
            return Enqueued(job.id)
        holder = jobs.holder(tx, job.unique_key) if job.unique_key else None
        if holder is not None:
            return Enqueued(holder, existing=True)
        if jobs.insert(tx, [job]):
            return Enqueued(job.id)
    raise Conflict(f"the unique key {job.unique_key!r} is taken and released too quickly", hint="try again")


def enqueue(tx: Tx, specs: Sequence[JobIn], caller: Caller, settings: Settings) -> list[Enqueued]:
    """Check and store jobs, all or none."""
    return store(tx, prepare(tx, specs, caller, settings))


def trigger(tx: Tx, spec: TriggerIn, caller: Caller, settings: Settings) -> NewJob:
    """Prepare a run of a job type that a person asked for."""
    job = prepare(tx, [JobIn(job_type=spec.job_type, args=spec.args, started_by=spec.triggered_by)], caller, settings)[
        0
    ]
    job.origin = "trigger"
    return job


def _known(tx: Tx, job_id: str) -> Job:
    job = jobs.lock(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]}")
    return job


def cancel(tx: Tx, job_id: str, caller: Caller, *, force: bool = False) -> Job:
    """Cancel a waiting job, or ask for the end of a running one (``cancel_requested_at`` says so until it stopped).

    With ``force`` a running one is killed, also where it was asked to stop before.
    """
    job = _known(tx, job_id)
    if job.status in FINAL:
        raise Conflict(f"job {job_id} {'was' if job.status == 'cancelled' else 'has'} {job.status} already")
    if not jobs.cancel_waiting(tx, job_id, caller.subject):
        jobs.request_cancel(tx, job_id, caller.subject, mode="kill" if force else "stop")
    return _known(tx, job_id)


def retry(tx: Tx, job_id: str) -> Job:
    """Make an ended job wait again, with all its attempts anew, or a scheduled one due at once.

    Where another job of its key is ready or runs, it waits for its turn.
    """
    job = _known(tx, job_id)
    if job.status == "running":
        raise Conflict(f"job {job_id} is running", hint="cancel it first")
    if job.status == "held":
        active, _ = turns.ahead(tx, job.turn_key or "", job_id)
        raise Conflict(f"job {job_id} waits for job {active} to end", hint="cancel that job, or let it end")
    try:
        with tx.savepoint():
            if job.status in FINAL:
                jobs.retry(tx, job_id)
            else:
                jobs.run_now(tx, job_id)
    except Duplicate:
        holder = jobs.holder(tx, job.unique_key or "")
        raise Conflict(f"its unique key is held by job {holder}", hint="cancel that job, or let it end") from None
    return _known(tx, job_id)


def delete(tx: Tx, job_id: str) -> None:
    """Delete a job that does not run, with its history."""
    if not jobs.delete(tx, [_known(tx, job_id).id]):
        raise Conflict(f"job {job_id} is running", hint="cancel it first")


Action = Literal["retry", "cancel", "delete"]
AFFECTED: dict[str, tuple[str, ...]] = {
    "retry": ("failed", "cancelled", "completed"),
    "cancel": ("pending", "scheduled", "held", "running"),
    "delete": ("pending", "scheduled", "held", "failed", "cancelled", "completed"),
}


def act(tx: Tx, action: Action, ids: Sequence[str], caller: Caller, *, force: bool = False) -> int:
    """Do one thing to many jobs; those whose state does not allow it are left; return how many were changed."""
    if action == "delete":
        return jobs.delete(tx, ids)
    changed = 0
    for job_id in ids:
        try:
            if action == "cancel":
                cancel(tx, job_id, caller, force=force)
            else:
                retry(tx, job_id)
        except (Conflict, NotFound):
            continue
        changed += 1
    return changed


def job_filter(spec: FilterIn, prefix: str = "") -> reads.JobFilter:
    """Check a filter; ``pending`` includes what is scheduled or held, as people mean it."""
    statuses: list[str] = []
    given = [spec.status] if isinstance(spec.status, str) else spec.status or []
    for status in (part for text in given for part in text.split(",")):
        if status not in STATUSES:
            raise Invalid(f"{prefix}status", f"{status!r} is unknown", hint=f"one of {', '.join(STATUSES)}")
        statuses += ["scheduled", "pending", "held"] if status == "pending" else [status]
    texts = {
        name: check_text(value, prefix + name, max_length=500)
        for name in ("type", "queue", "schedule", "tag", "started_by", "q")
        if (value := getattr(spec, name)) is not None
    }
    return reads.JobFilter(
        statuses=tuple(dict.fromkeys(statuses)),
        since=parse_instant(spec.since, f"{prefix}since") if spec.since else None,
        until=parse_instant(spec.until, f"{prefix}until") if spec.until else None,
        **texts,
    )


def affected(wanted: reads.JobFilter, action: Action) -> reads.JobFilter:
    """Narrow a filter to the jobs that an action can change."""
    if wanted.empty():
        raise Invalid("filter", "is empty", hint="name at least one field, for example status")
    allowed = AFFECTED[action]
    statuses = tuple(s for s in wanted.statuses if s in allowed) if wanted.statuses else allowed
    if not statuses:
        raise Invalid(
            "filter.status", f"no job of this status can be changed by {action}", hint=f"one of {', '.join(allowed)}"
        )
    return msgspec.structs.replace(wanted, statuses=statuses)
