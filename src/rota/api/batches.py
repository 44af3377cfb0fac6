"""Batches over REST: jobs that are enqueued together, and one that goes when all of them have ended."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import batches as batch_actions
from rota.actions import naming, tracing
from rota.actions.specs import BatchIn
from rota.api import rights, starters
from rota.api.batch_answers import BatchCancelled, BatchList, BatchMade, BatchOut
from rota.api.context import Context
from rota.api.idempotency import create_once
from rota.api.operations import IDEMPOTENCY_KEY, Operations, Parameter
from rota.api.paging import PageQuery, answered
from rota.api.reply import JsonReply
from rota.store import batches
from rota.store.counting import count_up_to
from rota.store.database import Tx

ID = Parameter(name="id", description="Id of the batch.", example="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000")
operations = Operations("Batches", ID)

EXAMPLE = {
    "name": "pages of example.com",
    "jobs": [{"jobType": "crawl_page", "args": {"page": 1}}, {"jobType": "crawl_page", "args": {"page": 2}}],
    "callback": {"jobType": "build_index"},
}


@operations.add(
    "POST",
    "/api/batches",
    "createBatch",
    role="operator",
    body=BatchIn,
    example=EXAMPLE,
    headers=(IDEMPOTENCY_KEY,),
    status=201,
    answer=BatchMade,
    problems=(409,),
)
async def create_batch(context: Context) -> Response:
    """Enqueue jobs as a batch, at most 10,000, all or none, and a job that goes when all of them have ended.

    The callback waits until every job has completed, failed for good or been cancelled; at once where there are none.
    """
    spec = await context.body(BatchIn)
    specs = [*spec.jobs, *([spec.callback] if spec.callback is not None else [])]
    rights.check_jobs(context.identity, specs)
    settings = context.settings
    orders: list[batch_actions.Order] = []

    def work(tx: Tx) -> dict[str, Any]:
        if not orders:  # once, ids and all, however often it is tried
            orders.append(batch_actions.prepare(tx, spec, caller, settings))
        batch_actions.store(tx, orders[0])
        naming.record(tx, caller, orders[0].all())
        tx.after_commit(lambda: batch_actions.tell(orders[0]))
        return _made(orders[0])

    with tracing.enqueuing(specs, await starters.starting(context, specs)) as caller:
        made, headers = await create_once(context, work)
    return JsonReply(made, 201, headers)


def _made(order: batch_actions.Order) -> dict[str, Any]:
    batch = order.batch
    return {
        "id": batch.id,
        "total": batch.total,
        "callbackId": batch.callback_id,
        "jobs": [job.id for job in order.jobs],
    }


@operations.add("GET", "/api/batches", "listBatches", query=PageQuery, answer=BatchList)
async def list_batches(context: Context) -> Response:
    """List batches with how far they are, the latest first."""
    query = context.query(PageQuery)
    before, limit = query.before_id(), query.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = batches.listed(tx, limit=limit + 1, before=before, offset=query.offset())
        page, total = found[:limit], count_up_to(tx, "rota_batches")
        counts = batches.counts(tx, [one.id for one in page])
        more = page[-1].id if len(found) > limit else None
        items = [batch_actions.shown(one, counts[one.id]) for one in page]
        return answered("batches", items, query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/batches/{id}", "getBatch", answer=BatchOut)
async def get_batch(context: Context) -> Response:
    """Look at a batch: how many of its jobs are in which status, and whether all have ended."""
    batch_id = context.path("id")
    return JsonReply(await context.read(lambda tx: batch_actions.look(tx, batch_id)))


@operations.add("POST", "/api/batches/{id}/cancel", "cancelBatch", role="operator", answer=BatchCancelled)
async def cancel_batch(context: Context) -> Response:
    """Cancel the jobs of a batch that have not been started; those that run go on.

    Its callback then goes, or is cancelled, as `ifFailed` says.
    """
    batch_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        changed = batch_actions.cancel(tx, batch_id, caller)
        tx.after_commit(lambda: logs.event("batch/cancelled", batchId=batch_id, count=changed, by=caller.subject))
        return {"id": batch_id, "changed": changed}

    return JsonReply(await context.write(work))
