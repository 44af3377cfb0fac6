"""Edits of jobs over REST."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import job_edits
from rota.actions.specs import EditIn
from rota.api.context import Context
from rota.api.job_answers import JobDetail
from rota.api.job_view import detail, known_job
from rota.api.jobs import ID
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.store.database import Tx

operations = Operations("Jobs", ID)


@operations.add(
    "PATCH",
    "/api/jobs/{id}",
    "editJob",
    role="operator",
    body=EditIn,
    example={"args": {"limit": 50}, "priority": 10, "retry": True, "note": "the batch was too large"},
    answer=JobDetail,
    problems=(409,),
)
async def edit(context: Context) -> Response:
    """Change a job that waits, failed or was cancelled; what is not named stays.

    Arguments are checked as when a job is enqueued. `"retry": true` makes a job that has ended wait again with all its
    attempts; else it stays as it ended, with what was changed. What runs or has completed is refused. Of a job with a
    target of its own only an admin may change anything.
    """
    job_id, spec, caller = context.path("id"), await context.body(EditIn), context.caller
    identity, settings = context.identity, context.settings

    def work(tx: Tx) -> dict[str, Any]:
        if known_job(tx, job_id).type is None:
            identity.require("admin")
        job = job_edits.edit(tx, job_id, spec, caller, settings)
        tx.after_commit(
            lambda: logs.event(
                "job/edited", jobId=job_id, jobType=job.type, queue=job.queue, by=caller.subject, fields=_named(spec)
            )
        )
        return detail(tx, job)

    return JsonReply(await context.write(work))


def _named(spec: EditIn) -> list[str]:
    return [name for name in spec.__struct_fields__ if name != "note" and getattr(spec, name) != getattr(EMPTY, name)]


EMPTY = EditIn()
