"""Jobs over REST: enqueue, trigger, look, cancel, retry, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import jobs as job_actions
from rota.actions import naming, present, tracing
from rota.actions.specs import BulkIn, Caller, CancelIn, FilterIn, JobIn, RetryJobIn, TriggerIn
from rota.api import rights, starters, waiting
from rota.api.context import Context
from rota.api.enqueuing import MOST_SHARED, Order, tell_enqueued
from rota.api.idempotency import HEADER, create_once
from rota.api.job_answers import Enqueued, EnqueuedMany, JobDetail, JobList, Triggered, Why
from rota.api.job_view import detail, known_job, listed
from rota.api.operations import IDEMPOTENCY_KEY, Operations, Parameter
from rota.api.reply import JsonReply
from rota.api.waiting import WaitQuery
from rota.api.why import why
from rota.errors import Invalid
from rota.ids import is_id
from rota.model import NewJob, shown_as
from rota.store import reads
from rota.store.database import Tx

ID = Parameter(name="id", description="Id of the job.", example="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000")
operations = Operations("Jobs", ID)

EXAMPLE = {"jobType": "weekly_digest", "args": {"limit": 100}, "queue": "mail", "priority": 5}
START_WAIT_S = 0.25


class JobQuery(FilterIn):
    """Which jobs, and which part of their list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200, description="Most jobs to answer with.")] = 50
    page: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Number of the page, from 1.")] = 1
    cursor: Annotated[str, msgspec.Meta(description="`nextCursor` of the page before; quicker than `page`.")] | None = (
        None
    )


@operations.add(
    "POST",
    "/api/jobs",
    "enqueueJob",
    role="operator",
    body=JobIn,
    example=EXAMPLE,
    query=WaitQuery,
    headers=(IDEMPOTENCY_KEY,),
    status=201,
    answer=Enqueued | JobDetail,
    problems=(409,),
)
async def enqueue(context: Context) -> Response:
    """Enqueue a job of a declared type, or with a target of its own.

    A target or a callback address takes an admin. With `wait`, the answer comes once the job has ended or the time is
    over, and is the whole job.
    """
    wait_s = waiting.seconds(context)
    spec = await context.body(JobIn)
    rights.check_jobs(context.identity, [spec])
    answers, headers = await _enqueue(context, [spec], await starters.starting(context, [spec]))
    shown = answers[0]
    if wait_s is not None:
        said = {name: shown[name] for name in ("existing", "replaced")}
        shown = {**await waiting.for_end(context, shown["id"], wait_s), **said}
    return JsonReply(shown, 201, headers)


@operations.add(
    "POST",
    "/api/jobs/bulk",
    "enqueueJobs",
    role="operator",
    body=BulkIn,
    example={"jobs": [EXAMPLE, {"jobType": "cleanup_old_data", "delayMs": 60000}]},
    headers=(IDEMPOTENCY_KEY,),
    status=201,
    answer=EnqueuedMany,
    problems=(409,),
)
async def enqueue_many(context: Context) -> Response:
    """Enqueue many jobs, all or none.

    At most 10,000; the answer has them in the same order.
    """
    spec = await context.body(BulkIn)
    rights.check_jobs(context.identity, spec.jobs)
    answers, headers = await _enqueue(context, spec.jobs, await starters.starting(context, spec.jobs))
    return JsonReply({"jobs": answers}, 201, headers)


async def _enqueue(
    context: Context, specs: Sequence[JobIn], caller: Caller
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Store jobs; return what is answered for each, and headers."""
    enqueuing = context.service.enqueuing
    with tracing.enqueuing(specs, caller) as traced:
        order = Order(specs, traced)
        if context.header(HEADER) is None and len(specs) <= MOST_SHARED:
            return await context.service.write_together(enqueuing.store_together, order), {}
        return await create_once(context, lambda tx: enqueuing.store(tx, order))


@operations.add(
    "POST",
    "/api/jobs/trigger",
    "triggerJob",
    role="operator",
    body=TriggerIn,
    example={"jobType": "crawl_pending", "triggeredBy": "user_2abc123"},
    query=WaitQuery,
    headers=(IDEMPOTENCY_KEY,),
    answer=Triggered | JobDetail,
)
async def trigger(context: Context) -> Response:
    """Run a declared job type now.

    The answer waits up to 250 ms for the job to start, so that it usually says when it did; with `wait`, for its end.
    """
    wait_s = waiting.seconds(context)
    spec = await context.body(TriggerIn)
    rights.check_trigger(context.identity, spec)
    with tracing.enqueuing([spec], await starters.starting(context, [spec])) as caller:
        shown, headers = await create_once(context, _trigger(context, spec, caller))
    job_id = shown["id"]
    if wait_s is not None:
        return JsonReply({**await waiting.for_end(context, job_id, wait_s), "jobId": job_id}, 200, headers)
    await waiting.for_start(context, job_id, START_WAIT_S)
    job = await context.read(lambda tx: known_job(tx, job_id))
    return JsonReply(
        {
            "id": job_id,
            "jobId": job_id,
            "jobType": job.type,
            "status": shown_as(job.status),
            "startedAt": present.instant(job.started_at),
            "createdAt": present.instant(job.created_at),
        },
        200,
        headers,
    )


def _trigger(context: Context, spec: TriggerIn, caller: Caller) -> Any:
    settings = context.settings
    prepared: list[NewJob] = []

    def work(tx: Tx) -> dict[str, Any]:
        if not prepared:
            prepared.append(job_actions.trigger(tx, spec, caller, settings))
        stored = job_actions.store(tx, prepared)
        if not stored[0].existing:
            naming.triggered(tx, caller, prepared[0])
        tell_enqueued(tx, prepared[0])
        return {"id": stored[0].id}

    return work


@operations.add("GET", "/api/jobs", "listJobs", query=JobQuery, answer=JobList)
async def list_jobs(context: Context) -> Response:
    """List jobs, the latest first.

    `status` takes several, divided by commas; `pending` includes what is scheduled. Totals stop at 10,000.

    What no index finds (`queue`, `tag`, `startedBy`, `concurrencyKey`, `label`, `frequent`, `q`, `args`) is looked for
    among 20,000 jobs at a time: `total` is of these, and `nextCursor` goes on behind them, also from a page that is not
    full.
    """
    query = context.query(JobQuery)
    wanted = job_actions.job_filter(query)
    cursor = query.cursor
    if cursor is not None and not is_id(cursor):
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")

    def look(tx: Tx) -> tuple[reads.JobPage, list[dict[str, Any]]]:
        page = reads.jobs(tx, wanted, limit=query.limit, cursor=cursor, page=query.page)
        return page, listed(tx, page.jobs)

    found, shown = await context.read(look)
    return JsonReply(
        {
            "jobs": shown,
            "total": found.total,
            "page": query.page if cursor is None else None,
            "limit": query.limit,
            "nextCursor": found.next_cursor,
            "totalIsEstimate": found.total_is_estimate,
        }
    )


@operations.add("GET", "/api/jobs/{id}", "getJob", answer=JobDetail)
async def get_job(context: Context) -> Response:
    """Look at one job with all its attempts, and why it waits."""
    job_id = context.path("id")
    return JsonReply(await context.read(lambda tx: detail(tx, known_job(tx, job_id))))


@operations.add("GET", "/api/jobs/{id}/why", "explainJob", answer=Why)
async def explain(context: Context) -> Response:
    """Say in one sentence what a job waits for, or how it ended."""
    job_id = context.path("id")
    return JsonReply(await context.read(lambda tx: why(tx, known_job(tx, job_id))))


@operations.add(
    "POST",
    "/api/jobs/{id}/cancel",
    "cancelJob",
    role="operator",
    body=CancelIn,
    body_required=False,
    example={"force": True},
    answer=JobDetail,
    problems=(409,),
)
async def cancel(context: Context) -> Response:
    """Cancel a job that waits, or stop one that runs.

    A running job is asked to stop: `cancelRequestedAt` says so until it has ended. With `force` it is killed, also
    where it was asked before and takes its time.
    """
    job_id, spec, caller = context.path("id"), await context.optional_body(CancelIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        job = job_actions.cancel(tx, job_id, caller, force=spec.force)
        event = "job/cancelled" if job.status == "cancelled" else "job/cancel-requested"
        tx.after_commit(lambda: logs.event(event, jobId=job_id, jobType=job.type, queue=job.queue, by=caller.subject))
        return detail(tx, job)

    return JsonReply(await context.write(work))


@operations.add(
    "POST",
    "/api/jobs/{id}/retry",
    "retryJob",
    role="operator",
    body=RetryJobIn,
    body_required=False,
    example={"fresh": True},
    answer=JobDetail,
    problems=(409,),
)
async def retry(context: Context) -> Response:
    """Make a job that has ended wait again with all its attempts, or a scheduled one due at once.

    A job that did not complete goes on from its last checkpoint, with `fresh` from the beginning.
    """
    job_id, spec, caller = context.path("id"), await context.optional_body(RetryJobIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        job = job_actions.retry(tx, job_id, caller, fresh=spec.fresh)
        tx.after_commit(
            lambda: logs.event("job/retried", jobId=job_id, jobType=job.type, queue=job.queue, by=caller.subject)
        )
        return detail(tx, job)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/jobs/{id}", "deleteJob", role="operator", status=204, problems=(409,))
async def delete(context: Context) -> Response:
    """Delete a job that does not run, with its history."""
    job_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        job_actions.delete(tx, job_id, caller)
        tx.after_commit(lambda: logs.event("job/deleted", jobId=job_id, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)
