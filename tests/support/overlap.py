"""Schedules of each overlap policy whose runs take longer than the time between them, and what must be true of them."""

from __future__ import annotations

import shlex
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from rota.model import Job, Occurrence
from rota.store import occurrences as ledger
from rota.store import reads
from rota.store.reads import JobFilter
from tests.engine.scheduling import put
from tests.support.roles import Roles

needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="flock (util-linux) is not installed")
"""Without it the runs cannot tell whether they meet."""

POLICIES = ("skip", "queueOne", "queueAll", "cancel", "kill", "allow")
RUN_S = 1.6
DECIDED_AHEAD_US = 1_000_000
"""So much before an instant the schedulers may have looked at who runs."""

# The lock is the kernel's: it lasts as long as any process of the run, whoever is killed and how.
SCRIPT = """
exec 9>>LOCK
flock -n 9 || echo "$ROTA_JOB_ID" >> OVERLAPS
echo "$ROTA_JOB_ID $ROTA_ATTEMPT" >> MARKS
TRAP
sleep RUN & wait
"""
# Who is asked to stop takes his time, which the next one must wait for; who is killed is not asked.
TRAPS = {"cancel": "trap 'sleep 0.3; kill $!; exit 0' TERM", "kill": "trap '' TERM"}

Rows = list[Occurrence]


class Overlapping:
    """Some schedules of each policy, due each second."""

    def __init__(self, roles: Roles, folder: Path, each: int = 1) -> None:
        self._db = roles.shop.db
        self._folder = folder
        self.names = {f"{policy}-{number}": policy for policy in POLICIES for number in range(each)}
        for name, policy in self.names.items():
            script = SCRIPT.replace("TRAP", TRAPS.get(policy, "")).replace("RUN", str(RUN_S))
            for word, path in (("LOCK", f"{name}.lock"), ("OVERLAPS", f"{name}.overlaps"), ("MARKS", "marks")):
                script = script.replace(word, shlex.quote(str(folder / path)))
            put(self._db, name, every="1s", overlap=policy, target={"kind": "command", "shell": script})

    def faults(self) -> list[str]:
        """Return what is against a policy, now that everything has ended."""
        found = []
        for name, policy in self.names.items():
            jobs = self._jobs(name)
            rows = list(reversed(self._db.read(lambda tx, name=name: ledger.listed(tx, name, limit=100_000))))  # type: ignore[misc]
            found += [
                f"{name}: {fault}" for fault in [*CHECKS[policy](jobs, rows), *self._together(name, policy, jobs)]
            ]
        return found

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each disposition but fired, by policy."""
        sql = "SELECT schedule_id, disposition, count(*) FROM rota_occurrences GROUP BY schedule_id, disposition"
        found: dict[str, int] = defaultdict(int)
        for name, disposition, count in self._db.read(lambda tx: tx.rows(sql)):
            if disposition != "fired":
                found[f"{self.names[name]} {disposition}"] += count
        return found

    def _rows(self, name: str) -> Rows:
        """The ledger of a schedule, the earliest first."""
        return self._db.read(lambda tx: ledger.listed(tx, name, limit=100_000))[::-1]

    def _jobs(self, name: str) -> list[Job]:
        """The jobs of a schedule, by their instants."""
        wanted = JobFilter(schedule=name)
        found = self._db.read(lambda tx: reads.jobs(tx, wanted, limit=10_000)).jobs
        return sorted(found, key=lambda job: job.scheduled_for or 0)

    def _together(self, name: str, policy: str, jobs: list[Job]) -> list[str]:
        """Tell of runs that met others, as the runs themselves saw it, and of turns out of order."""
        if policy == "allow":
            return []
        overlaps = self._folder / f"{name}.overlaps"
        found = [f"{job_id} met another" for job_id in (overlaps.read_text().split() if overlaps.exists() else [])]
        started = [job.started_at for job in jobs if job.started_at is not None]
        if started != sorted(started):
            found.append("its runs did not start in the order of their instants")
        return found


def _dispositions(rows: Rows, *allowed: str) -> list[str]:
    return [f"an instant is {row.disposition}" for row in rows if row.disposition not in allowed]


def _completed(jobs: list[Job]) -> list[str]:
    return [f"{job.id} is {job.status}: {job.reason} {job.error}" for job in jobs if job.status != "completed"]


def _skip(jobs: list[Job], rows: Rows) -> list[str]:
    """What is skipped names a job that ran then."""
    known = {job.id: job for job in jobs}
    found = _dispositions(rows, "fired", "skipped") + _completed(jobs)
    for row in rows:
        if row.disposition == "skipped":
            job = known.get(row.cause or "")
            if job is None or job.id not in (row.reason or ""):
                found.append(f"{row.scheduled_for} was skipped for {row.cause}: {row.reason}")
            elif not (job.scheduled_for or 0) < row.scheduled_for <= row.until_at < _end(job) + DECIDED_AHEAD_US:
                found.append(f"{row.scheduled_for}…{row.until_at} were skipped for {row.cause}, which did not run")
    return found


def _end(job: Job) -> int:
    return job.completed_at or 0


def _queue_one(jobs: list[Job], rows: Rows) -> list[str]:
    """What is folded names the job that waited then."""
    known = {job.id: job for job in jobs}
    found = _dispositions(rows, "fired", "coalesced") + _completed(jobs)
    for row in rows:
        if row.disposition == "coalesced":
            job = known.get(row.cause or "")
            if job is None:
                found.append(f"{row.scheduled_for} was folded into {row.cause}: {row.reason}")
            elif not (job.scheduled_for or 0) < row.scheduled_for <= row.until_at < _end(job) + DECIDED_AHEAD_US:
                found.append(f"{row.scheduled_for}…{row.until_at} were folded into {row.cause}, which did not wait")
    return found


def _all_run(jobs: list[Job], rows: Rows) -> list[str]:
    return _dispositions(rows, "fired") + _completed(jobs)


def _ended_by(mode: str) -> Callable[[list[Job], Rows], list[str]]:
    def check(jobs: list[Job], rows: Rows) -> list[str]:
        """All but the last make way, unless they were quick."""
        found = _dispositions(rows, "fired", "coalesced")
        for job in jobs[:-1]:
            if job.status == "cancelled" and (job.cancel_mode, job.cancel_requested_by) != (mode, "rota"):
                found.append(f"{job.id} was cancelled by {job.cancel_requested_by}: {job.cancel_mode}")
            if job.status not in ("cancelled", "completed"):
                found.append(f"{job.id} is {job.status}: {job.error}")
        if not any(job.status == "cancelled" for job in jobs):
            found.append("nothing was ended")
        return found + _completed(jobs[-1:])

    return check


CHECKS: dict[str, Callable[[list[Job], Rows], list[str]]] = {
    "skip": _skip,
    "queueOne": _queue_one,
    "queueAll": _all_run,
    "cancel": _ended_by("stop"),
    "kill": _ended_by("kill"),
    "allow": _all_run,
}
