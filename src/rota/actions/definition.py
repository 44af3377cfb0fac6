"""What defines a schedule: made from what a user says, compared, written down as a version, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

import msgspec

from rota.actions import building, policy, rules
from rota.actions.arguments import check_fit
from rota.actions.specs import Caller, JobDefaults, ScheduleIn, given
from rota.errors import Invalid
from rota.jsontext import check_name, check_text, same_json
from rota.model import JobType, NewJob, Schedule
from rota.settings import Settings
from rota.timetable import Rule

MOST_CALENDARS = 20
_STATE = frozenset(
    (
        "next_at", "last_at", "last_job_id", "runs", "version", "created_at", "updated_at",
        "paused_at", "paused_by", "paused_note", "resume_at", "resumed_at",
    )
)  # fmt: skip
"""What a schedule has come to, beside what it is."""
_OWN = frozenset(("id", "owner", "source"))
DEFINING = tuple(name for name in Schedule.__struct_fields__ if name not in _STATE)


class Draft(msgspec.Struct, kw_only=True):
    """A schedule as it would be stored."""

    schedule: Schedule
    old: Schedule | None
    same_rule: bool
    """The rule is that of ``old``, so that its next instant stays."""
    job: NewJob
    """What its jobs are."""
    at: int
    """When it was made, µs UTC."""

    @property
    def unchanged(self) -> bool:
        return self.old is not None and alike(self.old, self.schedule)


class _When(NamedTuple):
    """When a schedule is due."""

    document: str
    zone: str
    start: int | None
    end: int | None
    anchor: int
    rule: Rule
    same: bool
    """It is the rule of the schedule as it was."""
    next_at: int | None


class Maker:
    """Makes schedules of what users say: with the job types that there are, for who asks."""

    def __init__(
        self, known: Mapping[str, JobType], caller: Caller, settings: Settings, now: int, *, fitting: bool = False
    ) -> None:
        """``fitting`` says that the functions of the types have checked their arguments."""
        self.known = known
        self.caller = caller
        self.settings = settings
        self.now = now
        """µs UTC, by the database's clock."""
        self._fitting = fitting
        self._rules: dict[object, Rule] = {}

    def draft(self, schedule_id: str, spec: ScheduleIn, old: Schedule | None) -> Draft:
        """Return what ``spec`` makes of a schedule; raises Invalid with the field that is wrong.

        A new rule counts from now; an unchanged one keeps its next instant.
        """
        when = self._when(schedule_id, spec, old)
        runs = check_count(spec.max_runs, "maxRuns")
        spent = runs is not None and old is not None and old.runs >= runs
        defaults, job = self._job_part(spec)
        fresh = Schedule(
            id=schedule_id,
            type=spec.job_type,
            lane=job.lane,
            target=_target(spec, job, old),
            args=job.args,
            rule=when.document,
            timezone=when.zone,
            job=msgspec.json.encode(defaults).decode(),
            overlap=spec.overlap or "skip",
            catchup=spec.catchup or "latest",
            catchup_window_us=policy.duration(spec.catchup_window, "catchupWindow"),
            start_at=when.start,
            end_at=when.end,
            max_runs=runs,
            jitter_us=policy.duration(spec.jitter, "jitter") or 0,
            calendars=_calendars(spec.calendars),
            anchor_at=when.anchor,
            next_at=None if spent else when.next_at,
            note=check_text(spec.note, "note", max_length=2000) if spec.note else None,
            owner=spec.owner or "api",
            source=_source(spec, old),
            after_run=spec.after_run or "keep",
            pause_after=check_count(spec.pause_after, "pauseAfter"),
            created_at=self.now,
            updated_at=self.now,
        )
        self._carry(fresh, spec.paused, old)
        fresh.shadow = int(spec.shadow) if spec.shadow is not None else old.shadow if old is not None else 0
        if when.same and (_resumes(old, fresh) or goes_live(old, fresh)):
            fresh.next_at = when.rule.next(self.now) if fresh.next_at is not None else None
        return Draft(schedule=fresh, old=old, same_rule=when.same, job=job, at=self.now)

    def _when(self, schedule_id: str, spec: ScheduleIn, old: Schedule | None) -> _When:
        stored = rules.stored(spec)
        start, end = rules.bounds(spec)
        zone = rules.timezone(spec)
        document = msgspec.json.encode(stored).decode()
        said = (document, zone, start, end)
        same_rule = old is not None and (old.rule, old.timezone, old.start_at, old.end_at) == said
        anchor = old.anchor_at if old is not None and same_rule else start if start is not None else self.now
        rule = self._rule(stored, schedule_id, zone, anchor, start, end)
        if old is None or not same_rule:
            begins = old is None and (start is not None or stored.on_start)
            next_at = rules.first_instant(stored, rule, after_us=anchor - 1 if begins else self.now)
        else:
            next_at = old.next_at if old.next_at is not None else rule.next(self.now)
        return _When(document, zone, start, end, anchor, rule, same_rule, next_at)

    def back(self, schedule_id: str, definition: str, old: Schedule | None) -> Draft:
        """Return what a version makes of a schedule; raises Invalid where that is right no more.

        It stays paused or in the shadow, or not, as it is, and keeps its owner.
        """
        fresh = restored(definition, schedule_id)
        fresh.created_at = fresh.updated_at = self.now
        rule = rules.rule_of(fresh)
        named = ("rule", "timezone", "start_at", "end_at", "anchor_at")
        same_rule = old is not None and all(getattr(old, name) == getattr(fresh, name) for name in named)
        if old is not None and same_rule and old.next_at is not None:
            fresh.next_at = old.next_at
        else:
            fresh.next_at = rule.next(self.now)
        if old is not None:
            fresh.owner, fresh.source, fresh.shadow = old.owner, old.source, old.shadow
            if fresh.max_runs is not None and old.runs >= fresh.max_runs:
                fresh.next_at = None
        job_type = self.known.get(fresh.type) if fresh.type else None
        job = job_of(fresh, job_type, self.settings)
        self._carry(fresh, None, old)
        return Draft(schedule=fresh, old=old, same_rule=same_rule, job=job, at=self.now)

    def _rule(
        self, stored: rules.StoredRule, key: str, zone: str, anchor: int, start: int | None, end: int | None
    ) -> Rule:
        """Return a rule; of many schedules with the same one it is read once."""
        same = (stored, key if stored.is_hashed else "", zone, anchor, start, end)
        found = self._rules.get(same)
        if found is None:
            found = rules.parse(stored, key=key, timezone=zone, anchor_us=anchor, start=start, end=end)
            self._rules[same] = found
        return found

    def _carry(self, fresh: Schedule, paused: bool | None, old: Schedule | None) -> None:
        """Give a schedule the state of the one before; ``paused`` True or False begins or ends a pause."""
        if old is not None:
            for name in _STATE - {"next_at", "updated_at"}:
                setattr(fresh, name, getattr(old, name))
        if paused is False and fresh.paused_at is not None:
            fresh.paused_at = fresh.paused_by = fresh.paused_note = fresh.resume_at = None
            fresh.resumed_at = self.now
        elif paused and fresh.paused_at is None:
            fresh.paused_at, fresh.paused_by = self.now, self.caller.subject

    def _job_part(self, spec: ScheduleIn) -> tuple[JobDefaults, NewJob]:
        """Check what the schedule's jobs will be, by building one."""
        names = (name for name in JobDefaults.__struct_fields__ if hasattr(spec, name))
        defaults = JobDefaults(**{name: getattr(spec, name) for name in names})
        job_type = self.known.get(spec.job_type) if spec.job_type else None
        takes_object = job_type is not None and building.needs_object(job_type.lane)
        args = building.check_args(given(spec.args), self.settings, must_be_object=takes_object)
        if not self._fitting:
            check_fit(args, job_type.args_schema if job_type else None)
        job = building.build(
            "",
            type_name=spec.job_type,
            target=given(spec.target),
            args=args,
            job_type=job_type,
            given=defaults,
            settings=self.settings,
        )
        if job.turn_key is not None and spec.overlap != "allow":
            raise Invalid(
                "overlap", "runs with an orderKey are kept in its order, not in that of the schedule", hint="say allow"
            )
        return defaults, job


def job_of(
    schedule: Schedule,
    job_type: JobType | None,
    settings: Settings,
    queue_defaults: Mapping[str, str] = building.NOTHING_SAID,
) -> NewJob:
    """Build what every job of a schedule is; raises Invalid when its type or target is no longer right."""
    target = msgspec.Raw(schedule.target.encode()) if schedule.target is not None else None
    job = building.build(
        "",
        type_name=schedule.type,
        target=target,
        args=schedule.args,
        job_type=job_type,
        given=_DEFAULTS.decode(schedule.job),
        settings=settings,
        queue_defaults=queue_defaults,
    )
    job.schedule_id, job.origin = schedule.id, "schedule"
    return job


_DEFAULTS = msgspec.json.Decoder(JobDefaults)


def alike(one: Schedule, other: Schedule) -> bool:
    """Tell whether two schedules are the same but for who owns them, and paused both or neither."""
    return same_definition(one, other) and (one.paused_at is None) == (other.paused_at is None)


def same_definition(one: Schedule, other: Schedule) -> bool:
    """Tell whether two schedules are the same but for who owns them and what they have come to."""
    return bool(_what(one) == _what(other))


_what = attrgetter(*(name for name in DEFINING if name not in _OWN))


def document(schedule: Schedule) -> str:
    """Return all that defines a schedule, as JSON."""
    values = {name: getattr(schedule, name) for name in DEFINING if name != "id"}
    return msgspec.json.encode({name: value for name, value in values.items() if value is not None}).decode()


def restored(definition: str, schedule_id: str) -> Schedule:
    """Return the schedule that ``document`` wrote down, without a next instant."""
    values = {name: value for name, value in msgspec.json.decode(definition).items() if name in DEFINING}
    return Schedule(**{"type": None, "target": None, **values, "id": schedule_id, "next_at": None})


def check_count(value: int | None, field: str) -> int | None:
    """Return a number of runs, or None; raises Invalid for one below 1."""
    if value is not None and not 1 <= value <= policy.MAX_PRIORITY:
        raise Invalid(field, f"{value} is out of range", hint="at least 1")
    return value


def goes_live(old: Schedule | None, fresh: Schedule) -> bool:
    """Tell whether a schedule has only observed so far, and runs from now on."""
    return old is not None and bool(old.shadow) and not fresh.shadow


def _resumes(old: Schedule | None, fresh: Schedule) -> bool:
    return old is not None and old.paused_at is not None and fresh.paused_at is None


def _target(spec: ScheduleIn, job: NewJob, old: Schedule | None) -> str | None:
    """Return a target of its own; one that says the same as before stays the text that it was."""
    if given(spec.target) is None or job.target is None:
        return None
    same = old is not None and old.target is not None and same_json(job.target, old.target)
    return old.target if same and old is not None else job.target


def _calendars(names: list[str] | None) -> str | None:
    if not names:
        return None
    if len(names) > MOST_CALENDARS:
        raise Invalid("calendars", f"{len(names)} calendars are too many", hint=f"at most {MOST_CALENDARS}")
    for place, name in enumerate(names):
        check_name(name, f"calendars.{place}")
    return msgspec.json.encode(sorted(set(names))).decode()


def _source(spec: ScheduleIn, old: Schedule | None) -> str | None:
    """Return which application or file says it; who does not say keeps what was said before."""
    if spec.source:
        return check_text(spec.source, "source", max_length=500)
    return old.source if old is not None and old.owner == (spec.owner or "api") else None
