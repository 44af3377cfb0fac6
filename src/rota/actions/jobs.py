"""Actions on jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rota.actions import building, parents, secrets
from rota.actions.arguments import check_fit
from rota.actions.specs import Caller, FilterIn, JobIn, TriggerIn, given
from rota.actions.types import name_the_nearest
from rota.actions.uniqueness import set_key
from rota.errors import Conflict, Invalid, NotFound
from rota.executors import http_target
from rota.executors.http_address import parse_rules
from rota.executors.http_url import check_callback
from rota.ids import is_id, new_id
from rota.jsontext import check_text
from rota.model import FINAL, STATUSES, Job, JobType, NewJob, shown_as
from rota.settings import Settings
from rota.store import audit, changes, dependencies, jobs, queues, reads, replacing, turns, types, unique
from rota.store.database import Duplicate, Tx
from rota.timetable import parse_instant

MAX_BULK = 10_000
MAX_DELAY_MS = 100 * 366 * 86_400_000


TRIES = 5
"""How often a unique key may be found taken and free again before the caller is told."""


class Enqueued(msgspec.Struct, frozen=True):
    """The id of the job; ``existing`` when a job with its unique key was there already."""

    id: str
    existing: bool = False
    replaced: bool = False
    """Whether that one became what this one is."""


def prepare(
    tx: Tx,
    specs: Sequence[JobIn],
    caller: Caller,
    settings: Settings,
    known: dict[str, JobType | None] | None = None,
    *,
    fitting: bool = False,
    first: int | None = None,
) -> list[NewJob]:
    """Check jobs and fill in the defaults; nothing is stored.  Ids are made here, so that storing can be repeated.

    ``known`` remembers the job types that were read, for several calls in one transaction.  ``fitting`` says that the
    functions of the types have checked their arguments, and more strictly than the schema does.  ``first`` is the
    place of the first one among all that are asked for, where these are a part of them.
    """
    if len(specs) > MAX_BULK:
        raise Invalid("jobs", f"{len(specs)} jobs are too many at once", hint=f"at most {MAX_BULK}")
    known = {} if known is None else known
    queue_defaults = queues.defaults(tx)
    prepared = []
    for place, spec in enumerate(specs):
        try:
            if spec.job_type is not None and spec.job_type not in known:
                known[spec.job_type] = types.get(tx, spec.job_type) if _storable(spec.job_type) else None
            prepared.append(
                _prepare(spec, known.get(spec.job_type or ""), queue_defaults, caller, settings, fitting=fitting)
            )
        except Invalid as error:
            name_the_nearest(tx, error, spec.job_type)
            if len(specs) > 1 or first is not None:
                error.field = f"jobs.{place + (first or 0)}.{error.field}"
                error.message = f"{error.field}: {error.reason}"
            raise
    secrets.check_known(tx, (job.target for spec, job in zip(specs, prepared, strict=True) if spec.job_type is None))
    parents.resolve(tx, specs, prepared)
    return prepared


def _storable(name: str) -> bool:
    return "\0" not in name and len(name) < 1000


def _prepare(
    spec: JobIn,
    job_type: JobType | None,
    queue_defaults: Mapping[str, str],
    caller: Caller,
    settings: Settings,
    *,
    fitting: bool,
) -> NewJob:
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
        queue_defaults=queue_defaults,
    )
    if spec.depends_on and job.turn_key is not None:
        raise Invalid("dependsOn", "cannot be together with an orderKey", hint="one of them says when its turn is")
    job.run_at, job.delay_us = when(spec.run_at, spec.delay_ms)
    set_key(job, spec)
    if spec.callback_url is not None:
        job.callback_url = _callback(spec.callback_url, job, settings)
    job.started_by = check_text(spec.started_by, "startedBy", max_length=200) if spec.started_by else caller.starter
    job.origin = spec.origin or "enqueue"
    job.trace = caller.trace
    return job


def when(run_at: str | None, delay_ms: int | None) -> tuple[int | None, int]:
    """Return when a job starts: a time (µs UTC), None for now, and a delay (µs)."""
    if delay_ms is not None and run_at is not None:
        raise Invalid("runAt", "delayMs and runAt exclude each other", hint="give one of them")
    if run_at is not None:
        return parse_instant(run_at, "runAt"), 0
    if delay_ms is not None and not 0 <= delay_ms <= MAX_DELAY_MS:
        raise Invalid("delayMs", f"{delay_ms} is out of range", hint=f"from 0 to {MAX_DELAY_MS}")
    return None, (delay_ms or 0) * 1000


def _callback(text: str, job: NewJob, settings: Settings) -> str:
    if job.lane != "http" or job.target is None:
        raise Invalid("callbackUrl", "only a job of an HTTP type has one")
    own = http_target.parse_target(msgspec.json.decode(job.target)).address(settings.services)
    check_callback(text, own, parse_rules(settings.callback_hosts, "ROTA_CALLBACK_HOSTS"))
    return text


def store(tx: Tx, prepared: Sequence[NewJob]) -> list[Enqueued]:
    """Store prepared jobs; a job whose unique key is held gives the holder's id instead."""
    stored = set(jobs.insert(tx, prepared))
    others = {}
    if len(stored) < len(prepared):  # in the order of their keys, so that two requests do not wait for each other
        refused = sorted((job for job in prepared if job.id not in stored), key=lambda job: job.unique_key or "")
        others = {job.id: _stored_already(tx, job) for job in refused}
    return [others[job.id] if job.id in others else Enqueued(job.id) for job in prepared]


def _stored_already(tx: Tx, job: NewJob) -> Enqueued:
    """Tell a repeated call from a held unique key; the holder may end, or its window be over, between two looks."""
    for _ in range(TRIES):
        if jobs.existing(tx, [job.id]):
            return Enqueued(job.id)
        if job.unique_key is not None:
            if job.if_exists != "keep" and (replaced := replacing.replace(tx, job)) is not None:
                return Enqueued(replaced, existing=True, replaced=True)
            if (holder := unique.holder(tx, job.unique_key)) is not None:
                return Enqueued(holder, existing=True)
            unique.free(tx, job.unique_key)
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


def known(tx: Tx, job_id: str) -> Job:
    """Return a job, kept from changing until the transaction ends; raises NotFound."""
    job = jobs.lock(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]}")
    return job


def cancel(tx: Tx, job_id: str, caller: Caller, *, force: bool = False) -> Job:
    """Cancel a waiting job, or ask for the end of a running one (``cancel_requested_at`` says so until it stopped).

    With ``force`` a running one is killed, also where it was asked to stop before.
    """
    job = known(tx, job_id)
    if job.status in FINAL:
        raise Conflict(f"job {job_id} {'was' if job.status == 'cancelled' else 'has'} {job.status} already")
    if not jobs.cancel_waiting(tx, job_id, caller.subject):
        jobs.request_cancel(tx, job_id, caller.subject, mode="kill" if force else "stop")
    audit.record(tx, caller, "killed" if force else "cancelled", "job", job_id, before={"status": shown_as(job.status)})
    return known(tx, job_id)


def retry(tx: Tx, job_id: str, caller: Caller, *, fresh: bool = False) -> Job:
    """Make an ended job wait again, with all its attempts anew, or a scheduled one due at once.

    Where another job of its key is ready or runs, it waits for its turn.  A job that did not complete goes on from its
    checkpoint, unless it is to begin ``fresh``.
    """
    job = make_wait(tx, known(tx, job_id), fresh=fresh)
    audit.record(tx, caller, "retried", "job", job_id, after={"fresh": True} if fresh else None)
    return job


def make_wait(tx: Tx, job: Job, *, fresh: bool = False) -> Job:
    """Do what ``retry`` does, without its place in the audit."""
    job_id = job.id
    if job.status == "running":
        raise Conflict(f"job {job_id} is running", hint="cancel it first")
    if job.status == "held":
        raise Conflict(f"job {job_id} waits for {_awaited(tx, job)} to end", hint="cancel that job, or let it end")
    try:
        with tx.savepoint():
            if job.status in FINAL:
                jobs.retry(tx, job_id, fresh=fresh)
                changes.rerank(tx, [job_id])
            else:
                jobs.run_now(tx, job_id, fresh=fresh)
    except Duplicate:
        holder = unique.holder(tx, job.unique_key or "")
        raise Conflict(f"its unique key is held by job {holder}", hint="cancel that job, or let it end") from None
    return known(tx, job_id)


def _awaited(tx: Tx, job: Job) -> str:
    """Name what a held job waits for: others that it depends on, or the one whose turn it is."""
    if waits := dependencies.waiting_for(tx, job.id, limit=1):
        return f"batch {waits[0][0]}" if waits[0][1] == "batch" else f"job {waits[0][0]}"
    return f"job {turns.ahead(tx, job.turn_key or '', job.id)[0]}"


def delete(tx: Tx, job_id: str, caller: Caller) -> None:
    """Delete a job that does not run, with its history."""
    job = known(tx, job_id)
    if not jobs.delete(tx, [job_id]):
        raise Conflict(f"job {job_id} is running", hint="cancel it first")
    gone = {"jobType": job.type, "queue": job.queue, "status": shown_as(job.status)}
    audit.record(tx, caller, "deleted", "job", job_id, before=gone)


MOST_PARTS = 20


def _argument(path: str, value: str, field: str) -> tuple[tuple[str, ...], str]:
    """Return where an argument stands, and its value; raises Invalid."""
    parts = tuple(check_text(path, field, max_length=500).split("."))
    if not all(parts) or len(parts) > MOST_PARTS or '"' in path or "\\" in path:
        raise Invalid(f"{field}.{path[:100]}", "is no path", hint="write names with dots between them: args.user.id")
    return parts, check_text(value, f"{field}.{path}", max_length=500)


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
        for name in ("type", "queue", "schedule", "tag", "started_by", "batch", "concurrency_key", "label", "q")
        if (value := getattr(spec, name)) is not None
    }
    if spec.batch is not None and not is_id(spec.batch):
        raise Invalid(
            f"{prefix}batch", f"{spec.batch[:100]!r} is no id of a batch", hint="see the answer of POST /api/batches"
        )
    return reads.JobFilter(
        args=tuple(_argument(path, value, f"{prefix}args") for path, value in sorted((spec.args or {}).items())),
        statuses=tuple(dict.fromkeys(statuses)),
        hide_frequent=spec.frequent == "hide",
        since=parse_instant(spec.since, f"{prefix}since") if spec.since else None,
        until=parse_instant(spec.until, f"{prefix}until") if spec.until else None,
        **texts,
    )
