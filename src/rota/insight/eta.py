"""When running jobs will have ended: by the progress that they report, else by how long earlier runs took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from rota.actions.forecast import Expected
from rota.actions.forecasting import expected
from rota.durations import SECOND
from rota.model import Job
from rota.store import history, waiting
from rota.store.database import Tx
from rota.store.waiting import Run

MOST_TYPES = 25
"""Of so many types the history is looked at for one list; jobs of further ones have what they report themselves."""
LEAST_PROGRESS = 0.01
"""Below that a report says too little about the rest."""


class Eta(msgspec.Struct, frozen=True):
    """When a run will have ended (µs UTC), and how long such runs take (µs), as far as that is known.

    ``at`` is None where it runs for longer already than nine of ten earlier runs.
    """

    at: int | None
    basis: Literal["progress", "history"]
    usual: Expected | None


def etas(tx: Tx, jobs: Sequence[Job]) -> dict[str, Eta]:
    """Return when those of the jobs that run will have ended, where anything is known about it."""
    running = [job for job in jobs if job.status == "running" and job.started_at is not None]
    if not running:
        return {}
    now, by_type, by_schedule = tx.now(), _of_types(tx, running), _of_schedules(tx, running)
    found = {}
    for job in running:
        usual = by_type.get(job.type) if job.type is not None else by_schedule.get(job.schedule_id or "")
        if (one := estimate(job, usual, now)) is not None:
            found[job.id] = one
    return found


def estimate(job: Job, usual: Expected | None, now_us: int) -> Eta | None:
    """Return when a run will have ended; ``usual`` is how long earlier ones took."""
    started = job.started_at or now_us
    if job.progress is not None and job.progress >= LEAST_PROGRESS:
        # As fast as up to its last report; where that came too soon or is over, as fast as up to now.
        reported = job.updated_at - started
        at = started + round(reported / job.progress)
        if reported < SECOND or at < now_us:
            at = started + round((now_us - started) / job.progress)
        return Eta(at, "progress", usual)
    if usual is None:
        return None
    ends = (started + usual.p50, started + usual.p90)
    return Eta(next((at for at in ends if at > now_us), None), "history", usual)


def _of_types(tx: Tx, running: Sequence[Job]) -> Mapping[str, Expected | None]:
    newest = {job.type: Run(job.id, job.type, job.started_at or 0) for job in sorted(running, key=lambda job: job.id)}
    named = [(name, run) for name, run in newest.items() if name is not None]
    return {name: usual_of(tx, run) for name, run in named[:MOST_TYPES]}


def usual_of(tx: Tx, run: Run) -> Expected | None:
    """Return how long the last completed runs of the same type took; None without any."""
    return expected(sorted(waiting.durations(tx, run)))


def _of_schedules(tx: Tx, running: Sequence[Job]) -> Mapping[str, Expected | None]:
    """Where a schedule has a target of its own."""
    ids = {job.schedule_id for job in running if job.type is None and job.schedule_id is not None}
    return {name: expected(took) for name, took in history.durations(tx, sorted(ids)).items()}
