"""The system over REST: its processes, its numbers, and who asks."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota.actions import present
from rota.api.answers import Me, Stats, WorkerList
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.paging import whole_list
from rota.api.reply import JsonReply
from rota.store import consumers, history, meta, queues, schedules, types, workers
from rota.store.database import Tx

DAY_US = 86_400_000_000

operations = Operations("System")


@operations.add("GET", "/api/workers", "listWorkers", answer=WorkerList)
async def list_workers(context: Context) -> Response:
    """List all processes that are known: workers, schedulers and apis, the living first.

    `consumers` says of each queue that a worker serves how many jobs it runs, and why it sleeps: `empty`, or which
    limit keeps it, and until when.
    """

    def look(tx: Tx) -> list[dict[str, Any]]:
        found = workers.listed(tx)
        queues_of = consumers.consumers(tx, found)
        return [present.worker(one, queues_of.get(one.id, ())) for one in found]

    return JsonReply(whole_list("workers", await context.read(look)))


@operations.add("GET", "/api/stats", "getStats", answer=Stats)
async def stats(context: Context) -> Response:
    """See the state of the system in numbers; those of jobs stop at 10,000 for each status."""

    def look(tx: Tx) -> dict[str, Any]:
        rows = queues.stats(tx)
        counts = dict.fromkeys(("pending", "scheduled", "running", "failed"), 0)
        for row in rows:
            counts[row["status"]] += row["n"]
        living = workers.living(tx)
        return {
            "jobs": counts,
            "queues": len(queues.listed(tx)),
            "jobTypes": len(types.listed(tx)),
            "schedules": schedules.count(tx),
            "workers": sum(one.role == "worker" for one in living),
            "schedulers": sum(one.role == "scheduler" for one in living),
            "oldestPendingAt": present.instant(
                min((row["oldest"] for row in rows if row["status"] == "pending"), default=None)
            ),
            "failedLastDay": history.failed_since(tx, tx.now() - DAY_US),
            "accountedTo": present.instant(meta.accounted_to(tx)),
        }

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/me", "getMe", answer=Me)
async def me(context: Context) -> Response:
    """See who asks, as the service understands it."""
    identity = context.identity
    return JsonReply({"subject": identity.subject, "role": identity.role, "source": identity.source})
