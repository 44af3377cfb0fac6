"""Fires schedules.  Any number of schedulers may run: the database decides which of them fires an instant."""

from __future__ import annotations

from collections.abc import Sequence

from rota import logs
from rota.actions import rules
from rota.actions import schedules as actions
from rota.engine.decisions import Decision, Run, decide, jitter_us
from rota.engine.loop import Loop
from rota.errors import Invalid
from rota.model import JobType, NewJob, Schedule
from rota.settings import Settings
from rota.store import meta, schedules, types
from rota.store.database import Database, Tx
from rota.store.schedules import Due
from rota.timetable import Rule

BATCH = 1000
POLL_S = 1.0
WATERMARK_EVERY_US = 5_000_000


class Scheduler(Loop):
    """Decides about every due instant, exactly once, and moves the watermark."""

    name = "scheduler"

    def __init__(self, db: Database, settings: Settings) -> None:
        super().__init__()
        self._db = db
        self._settings = settings
        self._rules: dict[str, tuple[int, Rule]] = {}
        self._accounted_to = 0

    def run_once(self) -> float:
        """Fire what is due; return how long until the next instant (s)."""
        with self._db.statement() as tx:
            now = tx.now()
            due = schedules.due(tx, BATCH)
            known = _types_of(tx, [one.schedule for one in due])
        settled = not due or self._fire(due, known, now)
        with self._db.statement() as tx:
            following = schedules.next_due(tx)
            clock = tx.now()
        # Whatever became due before ``now`` is settled, unless the batch was full.
        self._move_watermark(now if following is None or following > now else following - 1)
        if following is None or (following <= clock and not settled):
            return POLL_S  # nothing to do, or nothing that can be decided: not a reason to spin
        return min(POLL_S, max(0.0, (following - clock) / 1e6))

    def _fire(self, due: Sequence[Due], known: dict[str, JobType], now: int) -> bool:
        """Decide and write; tell whether any schedule moved on."""
        decisions = [decided for one in due if (decided := self._decide(one, now)) is not None]
        made = [job for decision in decisions for job in self._jobs_of(decision, known)]
        occurrences = [occurrence for decision in decisions for occurrence in decision.occurrences]
        firings = [decision.firing for decision in decisions]
        won = self._db.run(lambda tx: schedules.fire(tx, firings, occurrences, made))
        for decision in decisions:
            if decision.schedule.id in won:
                _tell(decision)
        return bool(won)

    def _decide(self, due: Due, now: int) -> Decision | None:
        try:
            return decide(due, self._rule(due.schedule), now)
        except Invalid as error:  # a zone that this machine's data no longer knows, say
            logs.event_limited(
                f"rule/{due.schedule.id}", "schedule/invalid", f"{due.schedule.id}: {error}", level="error",
                scheduleId=due.schedule.id, error=str(error),
            )  # fmt: skip
            return None

    def _rule(self, schedule: Schedule) -> Rule:
        version, rule = self._rules.get(schedule.id, (0, None))
        if rule is None or version != schedule.version:
            if len(self._rules) > 10 * BATCH:
                self._rules.clear()
            rule = rules.rule_of(schedule)
            self._rules[schedule.id] = (schedule.version, rule)
        return rule

    def _jobs_of(self, decision: Decision, known: dict[str, JobType]) -> list[NewJob]:
        made: list[NewJob] = []
        for run in decision.runs:
            job = self._job(decision, run, known)
            if job is not None:
                made.append(job)
        return made

    def _job(self, decision: Decision, run: Run, known: dict[str, JobType]) -> NewJob | None:
        schedule = decision.schedule
        try:
            job = actions.job_of(
                schedule,
                known.get(schedule.type or ""),
                self._settings,
                scheduled_for=run.scheduled_for,
            )
        except Invalid as error:
            for occurrence in decision.occurrences:
                if occurrence.job_id == run.job_id:
                    occurrence.job_id, occurrence.disposition = None, "skipped"
                    occurrence.reason, occurrence.cause = str(error), "invalid"
            decision.firing.last_job_id = None
            decision.firing.fired -= 1
            return None
        job.id = run.job_id
        job.delay_us = jitter_us(schedule, run.scheduled_for)
        return job

    def _move_watermark(self, at_us: int) -> None:
        if at_us - self._accounted_to >= WATERMARK_EVERY_US:
            self._db.run(lambda tx: meta.raise_accounted_to(tx, at_us))
            self._accounted_to = at_us


def _types_of(tx: Tx, due: Sequence[Schedule]) -> dict[str, JobType]:
    names = {schedule.type for schedule in due if schedule.type}
    return {name: found for name in names if (found := types.get(tx, name)) is not None}


def _tell(decision: Decision) -> None:
    for occurrence in decision.occurrences:
        name = {"fired": "schedule/fired", "caughtUp": "schedule/fired"}.get(
            occurrence.disposition, f"schedule/{occurrence.disposition}"
        )
        logs.event(
            name,
            f"{occurrence.schedule_id} {occurrence.disposition}",
            scheduleId=occurrence.schedule_id,
            jobId=occurrence.job_id,
            jobType=decision.schedule.type,
            disposition=occurrence.disposition,
            reason=occurrence.reason,
            scheduledFor=occurrence.scheduled_for,
        )
