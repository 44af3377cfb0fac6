"""One true sentence on why a schedule did or did not run last, and when it will."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.actions import calendars, present, rules
from rota.actions.definition import job_of
from rota.errors import Invalid
from rota.model import JobType, NewJob, Occurrence, Overlap, Queue, Schedule, Status, shown_as
from rota.settings import Settings
from rota.store import history, jobs, queues, types, untaken, workers
from rota.store import occurrences as ledger
from rota.store.database import Tx
from rota.store.history import Active
from rota.store.untaken import Taker
from rota.timetable import Calendar, Rule

LOOK_AHEAD_US = 400 * 86_400_000_000
"""So far ahead an instant is sought that no calendar closes."""
MOST_CLOSED = 10_000

_MEANWHILE: dict[Overlap, str] = {
    "skip": "an instant that comes before it has ended is skipped",
    "queueOne": "the next instant waits for it to end",
    "queueAll": "the next instants wait for it to end",
    "cancel": "the next instant asks it to stop",
    "kill": "the next instant kills it",
    "allow": "the next instant runs beside it",
}
_FATES = {
    "skipped": "was skipped", "paused": "was not run", "blackout": "was not run", "coalesced": "made no job of its own",
    "missed": "was missed",
}  # fmt: skip


class Cause(msgspec.Struct, frozen=True):
    """One thing that decides about a schedule."""

    code: str
    text: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the database knows about a schedule at a moment (µs UTC)."""

    schedule: Schedule
    now: int
    last: Occurrence | None = None
    last_status: Status | None = None
    """Of the job of ``last``; None where it made none, or it is gone."""
    active: Active | None = None
    scheduler_lives: bool = True
    job_type: JobType | None = None
    queue: Queue | None = None
    job: NewJob | None = None
    """What its jobs are; None where none can be made."""
    refusal: str | None = None
    """Why none can."""
    takers: Sequence[Taker] = ()
    calendars: dict[str, Calendar] = {}


class Why(msgspec.Struct, frozen=True):
    """The sentence, until when it holds (µs UTC), and its parts."""

    text: str
    until: int | None
    causes: list[Cause]


def look(tx: Tx, schedule: Schedule, settings: Settings) -> Facts:
    """Read what decides about a schedule."""
    last = next(iter(ledger.listed(tx, schedule.id, limit=1)), None)
    last_job = jobs.get(tx, last.job_id) if last is not None and last.job_id is not None else None
    living = workers.living(tx)
    job_type = types.get(tx, schedule.type) if schedule.type else None
    job, refusal = None, None
    try:
        job = job_of(schedule, job_type, settings, queues.defaults(tx))
    except Invalid as error:
        refusal = str(error)
    return Facts(
        schedule=schedule,
        now=tx.now(),
        last=last,
        last_status=shown_as(last_job.status) if last_job is not None else None,
        active=history.active(tx, schedule.id),
        scheduler_lives=any(one.role == "scheduler" for one in living),
        job_type=job_type,
        queue=queues.get(tx, job.queue) if job is not None else None,
        job=job,
        refusal=refusal,
        takers=untaken.takers_of(living),
        calendars=calendars.named(tx, calendars.names_of(schedule)),
    )


def explain(facts: Facts) -> Why:
    """Return why it ran or not, and when it will: a pure function."""
    cause, until = _state(facts)
    obstacles = _obstacles(facts) if cause.code in ("due", "overdue", "blackout") else []
    causes = [cause, *obstacles, *_running(facts), *_last(facts)]
    text = cause.text
    if obstacles:
        text += ", but " + " and ".join(one.text for one in obstacles)
    return Why("; ".join([text, *(one.text for one in causes[1 + len(obstacles) :])]), until, causes)


def _state(facts: Facts) -> tuple[Cause, int | None]:
    """Return what is decisive now, and until when."""
    schedule = facts.schedule
    if schedule.paused_at is not None:
        return _paused(schedule), schedule.resume_at
    if schedule.shadow:
        return Cause("shadow", "it is in the shadow: it only observes, until it goes live"), None
    if schedule.next_at is None:
        return _ended(facts), None
    try:
        rule = rules.rule_of(schedule)
        due, closed_by = _first_open(facts, rule, schedule.next_at)
    except (Invalid, msgspec.ValidationError) as error:
        return Cause("invalid", f"nothing can be decided about it: {error}"), None
    if closed_by is not None:
        when = f"at {_at(due)}" if due is not None else "nobody can say when"
        text = f"calendar {closed_by} lets nothing run at {_at(schedule.next_at)}; it is next due {when}"
        return Cause("blackout", text), due
    if schedule.next_at <= facts.now:
        return Cause("overdue", f"it is due since {_at(schedule.next_at)}"), None
    return Cause("due", f"it is next due at {_at(schedule.next_at)}"), schedule.next_at


def _paused(schedule: Schedule) -> Cause:
    assert schedule.paused_at is not None, "only for one that is paused"
    by = f" by {schedule.paused_by}" if schedule.paused_by else ""
    note = f" ({schedule.paused_note})" if schedule.paused_note else ""
    end = f" until {_at(schedule.resume_at)}" if schedule.resume_at is not None else " until it is resumed"
    return Cause("paused", f"it is paused{by} since {_at(schedule.paused_at)}{end}{note}")


def _ended(facts: Facts) -> Cause:
    schedule = facts.schedule
    if schedule.max_runs is not None and schedule.runs >= schedule.max_runs:
        return Cause("ended", f"it does not run again: it has made its {schedule.max_runs} runs (maxRuns)")
    if schedule.end_at is not None and schedule.end_at <= facts.now:
        return Cause("ended", f"it does not run again: it ended at {_at(schedule.end_at)} (endAt)")
    return Cause("ended", "it does not run again: its last instant has passed")


def _first_open(facts: Facts, rule: Rule, instant: int) -> tuple[int | None, str | None]:
    """Return the first instant from one on that no calendar closes, and the calendar that closes the first."""
    until = instant + LOOK_AHEAD_US
    closed = sorted(calendars.closed(facts.schedule, facts.calendars, instant, until))
    due: int | None = instant
    closed_by = None
    for first, end, name in closed:
        if due is None or first > due:
            break
        if due < end:
            closed_by = closed_by or name
            due = rule.next(end - 1)
    return (None if due is not None and due >= until else due), closed_by


def _obstacles(facts: Facts) -> list[Cause]:
    """Return what keeps it from being run when it is due."""
    found = []
    if not facts.scheduler_lives:
        found.append(Cause("no-scheduler", "no scheduler lives"))
    if facts.refusal is not None:
        found.append(Cause("invalid", f"no job can be made: {facts.refusal}"))
    queue, job = facts.queue, facts.job
    if queue is not None and queue.paused_at is not None:
        by = f" by {queue.paused_by}" if queue.paused_by else ""
        note = f" ({queue.paused_note})" if queue.paused_note else ""
        found.append(Cause("queue-paused", f"queue {queue.name} is paused{by}{note}"))
    if job is not None and not any(one.takes(untaken.lane_of(job)) for one in facts.takers):
        found.append(Cause("no-worker", untaken.lacking(facts.takers, untaken.lane_of(job))))
    return found


def _running(facts: Facts) -> list[Cause]:
    active = facts.active
    if active is None:
        return []
    if active.started_at is not None and active.status == "running":
        does = f"runs since {_at(active.started_at)}"
    elif active.status == "scheduled":
        does = f"starts at {_at(active.run_at)}"
    else:
        does = "waits to be started"
    held = f" ({active.held} more wait for it)" if active.held else ""
    return [Cause("running", f"job {active.id} {does}{held}: {_MEANWHILE[facts.schedule.overlap]}")]


def _last(facts: Facts) -> list[Cause]:
    """Say what became of the last instant."""
    last = facts.last
    if last is None:
        return [Cause("never", "nothing was due yet")]
    instants = f"the instant {_at(last.scheduled_for)}"
    if last.until_at != last.scheduled_for:
        instants = f"each instant from {_at(last.scheduled_for)} to {_at(last.until_at)}"
    reason = f" ({last.reason})" if last.reason else ""
    if last.job_id is not None:
        late = " late" if last.disposition == "caughtUp" else ""
        became = f", which {_became(facts.last_status)}" if facts.last_status else ""
        return [Cause(last.disposition, f"{instants} ran{late} as job {last.job_id}{became}{reason}")]
    return [Cause(last.disposition, f"{instants} {_FATES[last.disposition]}{reason}")]


def _became(status: Status) -> str:
    if status in ("completed", "failed"):
        return status
    return {"running": "runs", "cancelled": "was cancelled"}.get(status, "waits")


def _at(instant_us: int) -> str:
    return present.instant(instant_us) or ""
