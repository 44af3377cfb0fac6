"""One job as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rota.actions import present
from rota.api.why import why
from rota.durations import MILLISECOND, MINUTE, SECOND, format_duration
from rota.errors import NotFound
from rota.insight.eta import Eta, etas
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
        "eta": shown_eta(etas(tx, [job]).get(job.id)),
        "why": why(tx, job),
    }


def listed(tx: Tx, found: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the jobs of a list."""
    known = etas(tx, found)
    return [{**present.job(job), "eta": shown_eta(known.get(job.id))} for job in found]


def shown_eta(found: Eta | None) -> dict[str, Any] | None:
    """Return when a job will have ended in its outside form."""
    if found is None:
        return None
    usual = found.usual
    return {
        "at": present.instant(found.at),
        "basis": found.basis,
        "p50": _duration(usual.p50) if usual else None,
        "p90": _duration(usual.p90) if usual else None,
        "runs": usual.runs if usual else 0,
    }


def _duration(us: int) -> str:
    """Return a duration as exactly as anybody wants to know it."""
    unit = MILLISECOND if us < SECOND else 100 * MILLISECOND if us < MINUTE else SECOND
    return format_duration(round(us / unit) * unit)
