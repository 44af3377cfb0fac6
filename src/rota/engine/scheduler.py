"""Fires schedules.  Any number of schedulers may run: the database decides which of them fires an instant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from rota import logs
from rota.actions import calendars, rules
from rota.actions.deciding import ON_TIME_US, SERVICE, Decision, Run, decide, jitter_us
from rota.actions.definition import job_of
from rota.actions.overlap import turn_of
from rota.actions.telling import tell_of
from rota.engine.loop import Loop
from rota.engine.outage import PASSING
from rota.engine.tracing import fired, fired_trace
from rota.errors import Invalid
from rota.model import JobType, NewJob, Schedule
from rota.settings import Settings
from rota.store import firing, meta, pulse, queues, types
from rota.store.database import Database, Tx
from rota.store.firing import Due
from rota.store.pulse import Pulse
from rota.timetable import Calendar, Rule

BATCH = 1000
CHUNK = 500
"""So many schedules are written by one transaction: workers begin with the first while the others are written."""
AHEAD_S = 0.25
"""So long before an instant its schedules are read and decided about, so that then there is only to write."""
MOST_PLANS = 10 * BATCH
POLL_S = 1.0
AGAIN_S = 0.02
"""Pause after a turn in which others were faster, or nothing could be decided."""
WATERMARK_EVERY_US = 5_000_000
BUSY_S = 5.0
"""After so long without a moment in which nothing is due, the watermark moves while there is."""
ASIDE_S = 30.0
"""How long a schedule is left alone about which nothing can be decided here, so that it does not keep the others."""


class Plan(msgspec.Struct, frozen=True):
    """What a version of a schedule means: when, and which job."""

    made_of: tuple[object, ...]
    """Version and making of the schedule and of its type, since both may be deleted and made anew; what queues say."""
    rule: Rule
    job: NewJob | None
    refusal: str | None
    """Why no job can be made."""


class Around(msgspec.Struct, frozen=True):
    """What a turn reads beside the schedules that are due.  Times are µs UTC."""

    now: int
    types: dict[str, JobType]
    calendars: dict[str, Calendar]
    queue_defaults: Mapping[str, str]
    accounted_to: int | None
    """Asked only when something is late."""

    def down_since(self, schedule: Schedule) -> int | None:
        """Return from when on no scheduler ran, where that is why an instant is late."""
        at, first = self.accounted_to, schedule.next_at
        return at if at is not None and first is not None and at < first else None


class Ready(msgspec.Struct, frozen=True):
    """What will be written when an instant comes, unless something changes until then."""

    at: float
    """When, as ``time.monotonic()`` tells it."""
    decisions: list[Decision]


class Scheduler(Loop):
    """Decides about every due instant, exactly once, and moves the watermark."""

    name = "scheduler"

    def __init__(self, db: Database, settings: Settings, *, tell: Sequence[Callable[[Pulse], None]] = ()) -> None:
        """``tell`` are the loops that learn what each look finds, so that they need not ask as often."""
        super().__init__()
        self._db = db
        self._settings = settings
        self._plans: dict[str, Plan] = {}
        self._aside: dict[str, float] = {}
        """Schedules that are left alone, and until when (``time.monotonic()``)."""
        self._accounted_to = 0
        self._watermark_s = 0.0
        """``time.monotonic()`` from which on it is to be written again."""
        self._rested_at = time.monotonic()
        self._ready: Ready | None = None
        self._crowded = False
        """Whether the last turn left more that is due."""
        self._listeners = tell

    def run_once(self) -> float:
        """Fire what is due; return how long until the next instant (s)."""
        now_s = time.monotonic()
        ready, self._ready = self._ready, None
        if ready is not None and now_s >= ready.at and self._write_ready(ready):
            return 0.0
        self._aside = {schedule_id: until for schedule_id, until in self._aside.items() if until > now_s}
        # The watermark is written with the look that finds nothing due: one transaction for both.
        writes = now_s >= self._watermark_s
        with self._db.transaction() if writes else self._db.statement() as tx:
            seen = pulse.look(tx)
            now, following, seen_s = seen.now, seen.next_at, time.monotonic()
            overdue = following is not None and following <= now
            due = self._due(tx, now) if overdue else []
            around = self._look_around(tx, due, now)
            if writes and not overdue:
                self._move_watermark(now, tx)
        for tell in self._listeners:
            tell(seen)
        if due and following is not None:
            fired = self._fire(due, around)
            if time.monotonic() - self._rested_at > BUSY_S:
                self._move_watermark(following - 1)
            return 0.0 if fired else AGAIN_S
        self._rested_at = time.monotonic()
        if following is None or following > now:
            self._move_watermark(now)
            return POLL_S if following is None else self._sleep_until(following, now, seen_s)
        self._move_watermark(following - 1)  # what is left alone, or another scheduler is about to write
        return POLL_S

    def _due(self, tx: Tx, now: int) -> list[Due]:
        """Return what to decide about; in a long backlog each other turn is for what would become late meanwhile."""
        if self._crowded:
            self._crowded = False
            if recent := firing.due(tx, BATCH, now=now, since=now - ON_TIME_US, without=self._aside):
                return recent
        found = firing.due(tx, BATCH, now=now, without=self._aside)
        self._crowded = len(found) == BATCH
        return found

    def _sleep_until(self, instant: int, now: int, seen_s: float) -> float:
        """Return how long to wait for an instant (s); shortly before it, decide what is to be written then.

        The database's clock showed ``now`` not later than ``time.monotonic()`` showed ``seen_s``.
        """
        pause = (instant - now) / 1e6
        if pause > AHEAD_S:
            return min(POLL_S, pause - AHEAD_S)
        at = seen_s + pause
        with self._db.statement() as tx:
            due = [one for one in firing.due(tx, BATCH, now=instant, without=self._aside) if _foreseeable(one)]
            around = self._look_around(tx, due, instant)
        self._ready = Ready(at, self._decide_all(due, around))
        return max(0.0, at - time.monotonic())

    def _write_ready(self, ready: Ready) -> int:
        """Write what was decided before its instant came; return how many schedules were this scheduler's."""
        names = {one.schedule.type for one in ready.decisions if one.schedule.type}
        known = self._db.read(lambda tx: types.named(tx, names)) if names else {}
        return self._write_all([one for one in ready.decisions if self._is_of_today(one.schedule, known)])

    def _is_of_today(self, schedule: Schedule, known: dict[str, JobType]) -> bool:
        """Tell whether the type of a schedule is as it was; the schedule itself is looked after by the write."""
        plan = self._plans.get(schedule.id)
        return plan is not None and plan.made_of[:-1] == _made_of(schedule, known.get(schedule.type or ""))

    def _look_around(self, tx: Tx, due: Sequence[Due], now: int) -> Around:
        names = {one.schedule.type for one in due if one.schedule.type}
        calendars_named = {name for one in due for name in calendars.names_of(one.schedule)}
        late = any((one.schedule.next_at or now) < now - ON_TIME_US for one in due)
        return Around(
            now=now,
            types=types.named(tx, names) if names else {},
            calendars=calendars.named(tx, calendars_named) if calendars_named else {},
            queue_defaults=queues.defaults(tx) if due else {},
            accounted_to=meta.accounted_to(tx) if late else None,
        )

    def _fire(self, due: Sequence[Due], around: Around) -> int:
        """Decide and write; return how many schedules were this scheduler's."""
        return self._write_all(self._decide_all(due, around))

    def _decide_all(self, due: Sequence[Due], around: Around) -> list[Decision]:
        if len(self._plans) > MOST_PLANS:  # not while deciding: what is decided is written by its plan
            self._plans.clear()
        return [decided for one in due if (decided := self._decide(one, around)) is not None]

    def _write_all(self, decisions: Sequence[Decision]) -> int:
        """Write in parts; what was written is told when all is, so that no job waits for that."""
        written: list[tuple[Decision, set[int]]] = []
        try:
            for at in range(0, len(decisions), CHUNK):
                written += self._write(decisions[at : at + CHUNK])
        except PASSING:
            raise
        except Exception:  # noqa: BLE001 - one that cannot be written must not keep the others
            for decision in decisions:
                written += self._write_alone(decision)
        finally:
            for decision, stored in written:
                _tell(decision, stored)
        return len(written)

    def _write_alone(self, decision: Decision) -> list[tuple[Decision, set[int]]]:
        try:
            return self._write([decision])
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            self._leave_alone(decision.schedule, error)
            return []

    def _write(self, decisions: Sequence[Decision]) -> list[tuple[Decision, set[int]]]:
        """Write in one transaction; return what was this scheduler's, with the instants that have a row now."""
        made = [self._job_of(decision.schedule, run) for decision in decisions for run in decision.runs]
        occurrences = [occurrence for decision in decisions for occurrence in decision.occurrences]
        firings = [decision.firing for decision in decisions]
        clear = {decision.schedule.id: decision.clear for decision in decisions if decision.clear is not None}
        won = self._db.run(lambda tx: firing.fire(tx, firings, occurrences, made, clear=clear))
        return [(decision, won[decision.schedule.id]) for decision in decisions if decision.schedule.id in won]

    def _decide(self, due: Due, around: Around) -> Decision | None:
        try:
            schedule, now = due.schedule, around.now
            plan = self._plan(schedule, around)
            closed = calendars.closed(schedule, around.calendars, schedule.next_at or now, now + 1)
            down_since = around.down_since(schedule)
            return decide(due, plan.rule, now, refusal=plan.refusal, closed=closed, down_since=down_since)
        except Exception as error:  # noqa: BLE001 - a zone that this machine's data no longer knows, say
            self._leave_alone(due.schedule, error)
            return None

    def _leave_alone(self, schedule: Schedule, error: Exception) -> None:
        self._aside[schedule.id] = time.monotonic() + ASIDE_S
        logs.event_limited(
            f"schedule/invalid/{schedule.id}", "schedule/invalid", f"{schedule.id}: {error}", level="error",
            scheduleId=schedule.id, error=f"{type(error).__name__}: {error}",
            exc_info=None if isinstance(error, Invalid) else error,
        )  # fmt: skip

    def _plan(self, schedule: Schedule, around: Around) -> Plan:
        job_type = around.types.get(schedule.type or "")
        made_of = (*_made_of(schedule, job_type), around.queue_defaults)
        plan = self._plans.get(schedule.id)
        if plan is None or plan.made_of != made_of:
            job, refusal = self._job(schedule, job_type, around.queue_defaults)
            plan = Plan(made_of, rules.rule_of(schedule), job, refusal)
            self._plans[schedule.id] = plan
        return plan

    def _job(
        self, schedule: Schedule, job_type: JobType | None, queue_defaults: Mapping[str, str]
    ) -> tuple[NewJob | None, str | None]:
        """Return the job of every run of a schedule, or why there is none."""
        try:
            return job_of(schedule, job_type, self._settings, queue_defaults), None
        except Invalid as error:
            return None, str(error)

    def _job_of(self, schedule: Schedule, run: Run) -> NewJob:
        template = self._plans[schedule.id].job
        assert template is not None, "a decision makes no runs where no job can be made"
        return msgspec.structs.replace(
            template,
            id=run.job_id,
            scheduled_for=run.scheduled_for,
            delay_us=jitter_us(schedule, run.scheduled_for),
            turn_key=turn_of(schedule, template),
            trace=fired_trace(run.job_id),
        )

    def _move_watermark(self, at_us: int, tx: Tx | None = None) -> None:
        if not 0 <= at_us - self._accounted_to < WATERMARK_EVERY_US:
            if tx is not None:
                meta.raise_accounted_to(tx, at_us)
            else:
                self._db.run_alone(lambda own: meta.raise_accounted_to(own, at_us))
            self._accounted_to, self._watermark_s = at_us, time.monotonic() + WATERMARK_EVERY_US / 1e6


def _made_of(schedule: Schedule, job_type: JobType | None) -> tuple[int, int, int, int]:
    of_type = (job_type.version, job_type.created_at) if job_type else (0, 0)
    return schedule.version, schedule.created_at, *of_type


def _foreseeable(due: Due) -> bool:
    """Tell whether nothing but an edit changes what becomes of the instant until it comes."""
    schedule = due.schedule
    return due.blocked_by is None and not due.held and schedule.calendars is None and schedule.pause_after is None


def _tell(decision: Decision, stored: set[int]) -> None:
    paused = decision.firing.paused_at is not None
    if paused or decision.firing.resumed:
        logs.event(
            "schedule/saved", f"{decision.schedule.id} {'paused' if paused else 'resumed'}", by=SERVICE,
            level="warning" if paused else "info", scheduleId=decision.schedule.id,
            version=decision.schedule.version + 1, reason=decision.firing.paused_note,
        )  # fmt: skip
    for occurrence in decision.occurrences:
        if occurrence.job_id is not None and occurrence.scheduled_for not in stored:
            continue  # a row covered that instant before: no job was made
        tell_of(occurrence, decision.schedule.type)
        fired(occurrence, decision.schedule.type)
