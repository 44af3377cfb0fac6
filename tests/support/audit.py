"""The audit after every disaster: what the database says of jobs and instants, and what the targets saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

from rota.actions.rules import rule_of
from rota.model import FINAL, Occurrence, Schedule
from rota.store import occurrences as occurrence_store
from rota.store import schedules
from rota.store.database import Database, Tx

Starts = Counter[tuple[str, int]]
"""How often each (job, attempt) was started, as the targets saw it."""


def marks(path: Path) -> Starts:
    """Starts that commands have written, one ``job attempt`` a line."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter((job, int(attempt)) for job, attempt in map(str.split, lines))


def audit(db: Database, accepted: Collection[str] | None = None, starts: Starts | None = None) -> list[str]:
    """Return every fault in words; of no jobs but the accepted ones is there a row (all, where None are given)."""
    with db.statement() as tx:
        faults = _jobs(tx, accepted, starts or Counter())
        return faults + _leases(tx) + _instants(tx)


def _jobs(tx: Tx, accepted: Collection[str] | None, starts: Starts) -> list[str]:
    faults = []
    told: dict[str, list[int]] = defaultdict(list)
    for job_id, attempt in tx.rows("SELECT job_id, attempt FROM rota_attempts ORDER BY job_id, attempt"):
        told[job_id].append(attempt)
    seen: dict[str, set[int]] = defaultdict(set)
    for (job_id, attempt), count in starts.items():
        seen[job_id].add(attempt)
        if count > 1:
            faults.append(f"attempt {attempt} of {job_id} was started {count} times")
    found = set()
    for job_id, status, attempt in tx.rows("SELECT id, status, attempt FROM rota_jobs"):
        found.add(job_id)
        last = [attempt] if attempt and status in (*FINAL, "running") else []
        if status not in FINAL:
            faults.append(f"{job_id} is {status}")
        if told[job_id] + last != list(range(1, attempt + 1)):
            faults.append(f"{job_id} is {status} at attempt {attempt}; its starts are {told[job_id]}")
        if not seen[job_id] <= set(range(1, attempt + 1)):
            faults.append(f"{job_id} is at attempt {attempt}, targets saw {sorted(seen[job_id])}")
        if starts and status == "completed" and seen[job_id] and attempt not in seen[job_id]:
            faults.append(f"{job_id} completed by attempt {attempt}, targets saw {sorted(seen[job_id])}")
    faults += [f"{job_id} ran and is not there" for job_id in seen.keys() - found]
    if accepted is not None:
        faults += [f"{job_id} was accepted and is not there" for job_id in set(accepted) - found]
    return faults


def _leases(tx: Tx) -> list[str]:
    sql = """
    SELECT j.id, j.worker_id FROM rota_jobs j LEFT JOIN rota_workers w ON w.id = j.worker_id
    WHERE j.status = 'running' AND (j.worker_id IS NOT NULL OR j.answer_by IS NULL)
      AND (w.id IS NULL OR w.state NOT IN ('running', 'draining') OR w.lease_until < rota_now())
    """
    return [f"{job_id} runs without a lease of {worker}" for job_id, worker in tx.rows(sql)]


def _instants(tx: Tx) -> list[str]:
    faults = []
    for schedule in schedules.listed(tx, limit=100_000):
        rows = list(reversed(occurrence_store.listed(tx, schedule.id, limit=1_000_000)))
        faults += [f"{schedule.id}: {fault}" for fault in _covered(schedule, rows)]
        jobs = tx.rows(
            "SELECT id, scheduled_for FROM rota_jobs WHERE schedule_id = :id AND scheduled_for IS NOT NULL",
            {"id": schedule.id},
        )
        made = Counter(instant for _, instant in jobs)
        faults += [f"{schedule.id}: {n} jobs for {instant}" for instant, n in made.items() if n > 1]
        fired = {(row.job_id, row.scheduled_for) for row in rows if row.job_id is not None}
        if fired != set(jobs):
            faults.append(f"{schedule.id}: {len(fired)} instants fired, {len(jobs)} jobs")
    return faults


def _covered(schedule: Schedule, rows: list[Occurrence]) -> list[str]:
    """Tell where the ledger of a schedule that was never edited has a hole or covers an instant twice."""
    rule = rule_of(schedule)
    faults = []
    for before, after in pairwise(rows):
        wanted = rule.next(before.until_at)
        if after.scheduled_for != wanted:
            faults.append(f"after {before.until_at} comes {after.scheduled_for}, due was {wanted}")
    if rows and schedule.next_at is not None and rule.next(rows[-1].until_at) != schedule.next_at:
        faults.append(f"the last row ends at {rows[-1].until_at}, the next instant is {schedule.next_at}")
    if rows and rows[0].scheduled_for != rule.next(schedule.anchor_at):
        faults.append(f"the first row begins at {rows[0].scheduled_for}")
    return faults
