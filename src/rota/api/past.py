"""The history of another system over REST."""

from __future__ import annotations

from starlette.responses import Response

from rota import logs
from rota.actions import past as past_actions
from rota.actions.past import PastIn
from rota.api.answers import Answer
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.store.database import Tx

operations = Operations("Jobs")

EXAMPLE = {
    "jobs": [
        {
            "id": "550e8400-e29b-41d4-a716-446655440000",
            "jobType": "crawl_pending",
            "status": "completed",
            "createdAt": "2026-10-09T12:34:56Z",
            "startedAt": "2026-10-09T12:34:56Z",
            "completedAt": "2026-10-09T12:35:42Z",
            "startedBy": "user_2abc123",
            "result": {"success": True, "itemsProcessed": 150},
        }
    ]
}


class PastStored(Answer):
    """How many jobs were given, and how many of them were not there yet."""

    given: int
    stored: int


@operations.add(
    "POST", "/api/jobs/past", "storePastJobs", role="admin", body=PastIn, example=EXAMPLE, answer=PastStored
)
async def store_past_jobs(context: Context) -> Response:
    """Store jobs that ended in another system, at most 1,000 together, all or none.

    They get an id by their time and their old id, which `args.importedId` keeps, and the tag `imported`; the same ones
    again change nothing. Retention holds for them as for jobs of triggers.
    """
    spec, settings, caller = await context.body(PastIn), context.settings, context.caller
    jobs = await context.service.think(lambda: past_actions.read(spec, settings))

    def work(tx: Tx) -> int:
        new = past_actions.store(tx, jobs, caller)
        if new:
            tx.after_commit(lambda: logs.event("job/imported", count=new, by=caller.subject))
        return new

    return JsonReply({"given": len(jobs), "stored": await context.write(work)})
