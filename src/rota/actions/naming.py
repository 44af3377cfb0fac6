"""Jobs that somebody starts in the name of somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rota.actions.specs import Caller
from rota.model import NewJob
from rota.store import audit
from rota.store.audit import Done
from rota.store.database import Tx


def triggered(tx: Tx, caller: Caller, job: NewJob) -> None:
    """Note in the audit a job that a person started, for whom be it."""
    if job.started_by in (None, caller.subject, caller.starts_as):
        audit.record(tx, caller, "triggered", "job", job.id, after={"jobType": job.type, "queue": job.queue})
    else:
        record(tx, caller, [job], "triggered")


def record(tx: Tx, caller: Caller, jobs: Iterable[NewJob], action: str = "enqueued") -> None:
    """Note in the audit which of the jobs the caller started for others: one entry for each name."""
    named: dict[str, list[NewJob]] = {}
    for job in jobs:
        if job.started_by is not None and job.started_by not in (caller.subject, caller.starts_as):
            named.setdefault(job.started_by, []).append(job)
    audit.record_all(tx, caller, [_entry(caller, name, found, action) for name, found in named.items()])


def _entry(caller: Caller, name: str, jobs: list[NewJob], action: str) -> Done:
    first = jobs[0]
    after: dict[str, Any] = {"jobType": first.type, "queue": first.queue, "startedBy": name}
    if len(jobs) > 1:
        after = {"startedBy": name, "count": len(jobs)}
    return Done(action=action, noun="job", name=first.id, after=after, note=f"{caller.subject} for {name}")
