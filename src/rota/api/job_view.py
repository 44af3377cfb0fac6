"""One job as the API shows it."""

from __future__ import annotations

from typing import Any

from rota.actions import present
from rota.api.why import why
from rota.errors import NotFound
from rota.model import Job
from rota.store import jobs
from rota.store.database import Tx


def known_job(tx: Tx, job_id: str) -> Job:
    """Return a job; raises NotFound."""
    job = jobs.get(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]}")
    return job


def detail(tx: Tx, job: Job) -> dict[str, Any]:
    """Return a job with its attempts and what it waits for."""
    shown = present.job(job, jobs.attempts(tx, job.id))
    return {
        **shown,
        "exchange": present.raw(job.exchange),
        "checkpoint": present.raw(job.checkpoint),
        "eta": None,
        "why": why(tx, job),
    }
