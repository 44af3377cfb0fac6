"""A schedule's job, run by hand beside its timetable."""

from __future__ import annotations

from rota.actions.definition import job_of
from rota.actions.overlap import turn_of
from rota.actions.schedules import known
from rota.actions.specs import Caller
from rota.errors import Conflict
from rota.settings import Settings
from rota.store import audit, jobs, queues, types
from rota.store.database import Tx


def trigger(tx: Tx, schedule_id: str, job_id: str, caller: Caller, settings: Settings) -> None:
    """Store a job of a schedule, to run now, or when the run before has ended where they must not overlap.

    ``job_id`` is made before the transaction, so that trying it again makes no second one.
    """
    schedule = known(tx, schedule_id)
    job_type = types.get(tx, schedule.type) if schedule.type else None
    job = job_of(schedule, job_type, settings, queues.defaults(tx))
    job.id = job_id
    job.origin = "trigger"
    job.started_by, job.trace = caller.starter, caller.trace
    job.turn_key = turn_of(schedule, job)
    if jobs.insert(tx, [job]):
        audit.record(tx, caller, "triggered", "schedule", schedule_id, after={"jobId": job_id})
    elif jobs.get(tx, job_id) is None:
        raise Conflict("the job was not stored", hint="try again")
