"""What a schedule still owes when it is edited, resumed or deleted: settled in the same transaction.

Nothing is lost by an edit, and nothing runs twice: every instant up to now belongs to the old rule, the others to the
new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rota.actions import calendars, rules
from rota.actions.deciding import Decision, decide, jitter_us
from rota.actions.overlap import turn_of
from rota.actions.telling import tell_of
from rota.errors import Invalid
from rota.model import NewJob, Occurrence, Schedule
from rota.store import firing
from rota.store.database import Tx
from rota.store.firing import Due, Firing
from rota.timetable import Calendar

LATE = frozenset(("missed", "coalesced", "caughtUp"))


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that may owe something, and what becomes of it."""

    old: Schedule
    fresh: Schedule | None
    """None when it is deleted."""
    job: NewJob | None
    """What its jobs are now."""
    why: str
    """``edited by ann``."""
    at: int
    """When that happens, µs UTC."""


def owes(schedule: Schedule | None, now: int) -> bool:
    """Tell whether instants of a schedule have come that nothing was decided about."""
    return schedule is not None and schedule.next_at is not None and schedule.next_at <= now


def settle(tx: Tx, debts: Iterable[Debt]) -> dict[str, int]:
    """Account for what locked schedules owe; return how many jobs that made, by the ids of their schedules.

    Instants on time run as the schedule is now; older ones are missed, for no rule holds any more by which to catch
    them up.  What a pause covers stays paused.
    """
    owing = {debt.old.id: debt for debt in debts if owes(debt.old, debt.at)}
    if not owing:
        return {}
    now = max(debt.at for debt in owing.values())
    found = firing.due(tx, len(owing), now=now, only=owing.keys())
    names = {name for due in found for name in calendars.names_of(due.schedule)}
    known = calendars.named(tx, names) if names else {}
    decided = [(owing[due.schedule.id], _decide(owing[due.schedule.id], due, known)) for due in found]
    made = [_job(debt, run.job_id, run.scheduled_for) for debt, decision in decided for run in decision.runs]
    occurrences = [one for debt, decision in decided for one in _renamed(debt, decision)]
    clear = {decision.schedule.id: decision.clear for _, decision in decided if decision.clear is not None}
    won = firing.fire(tx, [decision.firing for _, decision in decided], occurrences, made, clear=clear)
    kept = [one for one in occurrences if one.job_id is None or one.scheduled_for in won.get(one.schedule_id, ())]
    tx.after_commit(lambda: _tell(kept, owing))
    return Counter(one.schedule_id for one in kept if one.job_id is not None)


def _decide(debt: Debt, due: Due, known: Mapping[str, Calendar]) -> Decision:
    """Decide by the old rule and the old calendars."""
    runs = debt.fresh is not None and debt.fresh.paused_at is None and debt.job is not None
    policy = debt.fresh if debt.fresh is not None else debt.old
    schedule = msgspec.structs.replace(
        due.schedule, catchup="none", catchup_window_us=None, overlap=policy.overlap, max_runs=policy.max_runs
    )
    due = msgspec.structs.replace(due, schedule=schedule, failures=0)
    try:
        closed = calendars.closed(debt.old, known, debt.old.next_at or debt.at, debt.at + 1)
        decided = decide(due, rules.rule_of(debt.old), debt.at, refusal=None if runs else debt.why, closed=closed)
    except (Invalid, msgspec.ValidationError):  # nobody understands the old rule: only its next instant is known
        return _missed(debt.old)
    decided.firing.resumed = False  # whoever edits says whether it is paused
    return decided


def _missed(schedule: Schedule) -> Decision:
    assert schedule.next_at is not None, "it owes something"
    at = schedule.next_at
    firing = Firing(id=schedule.id, version=schedule.version, seen_next=at, next_at=None)
    one = Occurrence(
        schedule_id=schedule.id, scheduled_for=at, until_at=at, disposition="missed", version=schedule.version
    )
    return Decision(schedule, firing, [one], [])


def _renamed(debt: Debt, decided: Decision) -> list[Occurrence]:
    """Say of each instant what the edit did to it."""
    version = debt.old.version + 1
    runs = {"reason": f"{debt.why}; it runs as it is now", "version": version}
    missed = {"disposition": "missed", "reason": f"{debt.why}, before it ran", "cause": f"v{version}"}
    return [msgspec.structs.replace(one, **_change(one, runs, missed)) for one in decided.occurrences]


def _change(one: Occurrence, runs: dict[str, Any], missed: dict[str, Any]) -> dict[str, Any]:
    if one.job_id is not None:
        return runs
    return missed if one.cause == "invalid" or (one.disposition in LATE and one.cause != "paused") else {}


def _job(debt: Debt, job_id: str, instant: int) -> NewJob:
    assert debt.job is not None, "nothing runs where there is no job"
    assert debt.fresh is not None, "nothing runs of what is deleted"
    return run_of(debt.fresh, debt.job, job_id, instant)


def run_of(schedule: Schedule, job: NewJob, job_id: str, instant: int) -> NewJob:
    """Return the job of an instant of a schedule."""
    return msgspec.structs.replace(
        job,
        id=job_id,
        schedule_id=schedule.id,
        scheduled_for=instant,
        origin="schedule",
        delay_us=jitter_us(schedule, instant),
        turn_key=turn_of(schedule, job),
    )


def _tell(occurrences: Iterable[Occurrence], debts: Mapping[str, Debt]) -> None:
    for one in occurrences:
        debt = debts[one.schedule_id]
        tell_of(one, (debt.fresh or debt.old).type)
