"""Actions on schedules."""

from __future__ import annotations

import msgspec

from rota.actions import building, policy, rules
from rota.actions.arguments import check_fit
from rota.actions.specs import Caller, JobDefaults, PauseIn, PreviewIn, ScheduleIn, decode, given
from rota.actions.targets import with_secrets_of
from rota.errors import Conflict, Invalid, NotFound
from rota.ids import new_id
from rota.jsontext import check_name, check_text
from rota.model import JobType, NewJob, Schedule
from rota.settings import Settings
from rota.store import jobs, schedules, types
from rota.store.database import Tx
from rota.timetable import parse_instant

MAX_PREVIEW = 1000
_UNCHANGED_BY_EDIT = frozenset(
    (
        "next_at",
        "last_at",
        "last_job_id",
        "runs",
        "version",
        "created_at",
        "updated_at",
        "paused_at",
        "paused_by",
        "resume_at",
        "resumed_at",
    )
)


def put(tx: Tx, schedule_id: str, spec: ScheduleIn, caller: Caller, settings: Settings) -> Schedule:
    """Create a schedule, or make what is said the next version of it.

    Saying the same again changes nothing: ``schedule_periodic`` is called at every start of an application.  A new
    rule counts from now; an unchanged one keeps its next instant.
    """
    check_name(schedule_id, "id")
    if spec.id is not None and spec.id != schedule_id:
        raise Invalid("id", f"{spec.id!r} is not the id of the address, {schedule_id!r}")
    old = schedules.lock(tx, schedule_id)
    now = tx.now()
    if old is not None:
        spec = msgspec.structs.replace(spec, target=with_secrets_of(old.target, spec.target))
    fresh = _record(tx, schedule_id, spec, caller, settings, old, now)
    if old is not None and _same(old, fresh):
        return old
    schedules.put(tx, fresh)
    return known(tx, schedule_id)


def _record(
    tx: Tx, schedule_id: str, spec: ScheduleIn, caller: Caller, settings: Settings, old: Schedule | None, now: int
) -> Schedule:
    stored = rules.stored(spec)
    start, end = rules.bounds(spec)
    timezone = rules.timezone(spec)
    document = msgspec.json.encode(stored).decode()
    same_rule = old is not None and (old.rule, old.timezone, old.start_at, old.end_at) == (
        document,
        timezone,
        start,
        end,
    )
    anchor = old.anchor_at if old is not None and same_rule else start if start is not None else now
    rule = rules.parse(stored, key=schedule_id, timezone=timezone, anchor_us=anchor, start=start, end=end)
    after = anchor - 1 if start is not None or (old is None and stored.on_start) else now
    first = rules.first_instant(stored, rule, after_us=after)
    defaults, job = _job_part(tx, spec, settings)
    return Schedule(
        id=schedule_id,
        type=spec.job_type,
        lane=job.lane,
        target=job.target if given(spec.target) is not None else None,
        args=job.args,
        rule=document,
        timezone=timezone,
        job=msgspec.json.encode(defaults).decode(),
        overlap=spec.overlap or "skip",
        catchup=spec.catchup or "latest",
        catchup_window_us=policy.duration(spec.catchup_window, "catchupWindow"),
        start_at=start,
        end_at=end,
        max_runs=_max_runs(spec.max_runs),
        jitter_us=policy.duration(spec.jitter, "jitter") or 0,
        anchor_at=anchor,
        next_at=old.next_at if old is not None and same_rule else first,
        paused_at=_paused_at(spec.paused, old, now),
        paused_by=(old.paused_by if old and old.paused_at else caller.subject) if spec.paused is not False else None,
        paused_note=old.paused_note if old else None,
        resume_at=old.resume_at if old and spec.paused is not False else None,
        note=check_text(spec.note, "note", max_length=2000) if spec.note else None,
        owner=spec.owner or "api",
        created_at=now,
        updated_at=now,
    )


def _paused_at(paused: bool | None, old: Schedule | None, now: int) -> int | None:
    before = old.paused_at if old else None
    if paused is None:
        return before
    return (before or now) if paused else None


def _max_runs(value: int | None) -> int | None:
    if value is not None and value < 1:
        raise Invalid("maxRuns", f"{value} is out of range", hint="at least 1")
    return value


def _job_part(tx: Tx, spec: ScheduleIn, settings: Settings) -> tuple[JobDefaults, NewJob]:
    """Check what the schedule's jobs will be, by building one."""
    defaults = JobDefaults(
        **{name: getattr(spec, name) for name in JobDefaults.__struct_fields__ if hasattr(spec, name)}
    )
    job_type = types.get(tx, spec.job_type) if spec.job_type and "\0" not in spec.job_type else None
    takes_object = job_type is not None and building.needs_object(job_type.lane)
    args = building.check_args(given(spec.args), settings, must_be_object=takes_object)
    check_fit(args, job_type.args_schema if job_type else None)
    job = building.build(
        "",
        type_name=spec.job_type,
        target=given(spec.target),
        args=args,
        job_type=job_type,
        given=defaults,
        settings=settings,
    )
    return defaults, job


def _same(old: Schedule, fresh: Schedule) -> bool:
    names = (name for name in Schedule.__struct_fields__ if name not in _UNCHANGED_BY_EDIT)
    return all(getattr(old, name) == getattr(fresh, name) for name in names) and (
        (old.paused_at is None) == (fresh.paused_at is None)
    )


def known(tx: Tx, schedule_id: str) -> Schedule:
    """Return a schedule; raises NotFound."""
    found = schedules.get(tx, schedule_id) if "\0" not in schedule_id else None
    if found is None:
        raise NotFound(f"there is no schedule {schedule_id[:100]}")
    return found


def delete(tx: Tx, schedule_id: str) -> None:
    """Delete a schedule; its history stays until its retention ends."""
    known(tx, schedule_id)
    schedules.delete(tx, schedule_id)


def pause(tx: Tx, schedule_id: str, spec: PauseIn, caller: Caller) -> Schedule:
    """Pause a schedule: its instants are accounted for as paused, until it is resumed or ``until`` has come."""
    known(tx, schedule_id)
    note = check_text(spec.note, "note", max_length=1000) if spec.note else None
    until = parse_instant(spec.until, "until") if spec.until else None
    if until is not None and until <= tx.now():
        raise Invalid("until", "has passed already")
    schedules.pause(tx, schedule_id, by=caller.subject, note=note, until=until)
    return known(tx, schedule_id)


def resume(tx: Tx, schedule_id: str) -> Schedule:
    """End a pause; what was due meanwhile does not run."""
    known(tx, schedule_id)
    schedules.resume(tx, schedule_id)
    return known(tx, schedule_id)


def job_of(schedule: Schedule, job_type: JobType | None, settings: Settings, *, scheduled_for: int | None) -> NewJob:
    """Build the job of a schedule.  Raises Invalid when its type or target is no longer right."""
    target = msgspec.Raw(schedule.target.encode()) if schedule.target is not None else None
    job = building.build(
        new_id(),
        type_name=schedule.type,
        target=target,
        args=schedule.args,
        job_type=job_type,
        given=decode(schedule.job, JobDefaults, "job"),
        settings=settings,
    )
    job.schedule_id = schedule.id
    job.scheduled_for = scheduled_for
    job.origin = "schedule"
    return job


def trigger(tx: Tx, schedule_id: str, caller: Caller, settings: Settings) -> str:
    """Run a schedule's job now, beside its timetable; return the job's id."""
    schedule = known(tx, schedule_id)
    job_type = types.get(tx, schedule.type) if schedule.type else None
    job = job_of(schedule, job_type, settings, scheduled_for=None)
    job.origin = "trigger"
    job.started_by = caller.subject
    if not jobs.insert(tx, [job]):
        raise Conflict("the job was not stored", hint="try again")
    return job.id


class Preview(msgspec.Struct, rename="camel"):
    """What a rule means."""

    description: str
    instants: list[int]
    """µs UTC."""
    warnings: list[str]


def preview(spec: PreviewIn, now_us: int) -> Preview:
    """Return the next instants of a rule, strictly after ``after`` (now by default); the database is not asked."""
    if not 1 <= spec.count <= MAX_PREVIEW:
        raise Invalid("count", f"{spec.count} is out of range", hint=f"from 1 to {MAX_PREVIEW}")
    after = parse_instant(spec.after, "after") if spec.after is not None else now_us
    start, end = rules.bounds(spec)
    anchor = start if start is not None else after
    rule = rules.parse(
        rules.stored(spec), key=spec.id or "", timezone=rules.timezone(spec), anchor_us=anchor, start=start, end=end
    )
    return Preview(rule.describe(), rule.instants(after, spec.count), rule.warnings(after))
