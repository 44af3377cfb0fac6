"""What is done with a schedule over REST: paused, resumed, triggered, backfilled."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import present, switching
from rota.actions import schedules as schedule_actions
from rota.actions.backfill import Backfill, Filled
from rota.actions.specs import BackfillIn, PauseIn
from rota.actions.triggering import trigger
from rota.api import starters, waiting
from rota.api.context import Context
from rota.api.idempotency import create_once
from rota.api.job_answers import JobDetail
from rota.api.job_view import known_job
from rota.api.operations import IDEMPOTENCY_KEY
from rota.api.reply import JsonReply
from rota.api.schedule_answers import BackfillOut, ScheduleOut, ScheduleTriggered
from rota.api.schedule_view import schedule_operations, shown, tell_saved
from rota.api.waiting import WaitQuery
from rota.api.why import why
from rota.ids import new_id
from rota.model import Schedule, shown_as
from rota.store.database import Tx

operations = schedule_operations()


@operations.add(
    "POST",
    "/api/schedules/{id}/pause",
    "pauseSchedule",
    role="operator",
    body=PauseIn,
    body_required=False,
    example={"note": "the mail host moves", "until": "2027-01-05T08:00:00Z"},
    answer=ScheduleOut,
)
async def pause_schedule(context: Context) -> Response:
    """Pause a schedule, for good or until an instant.

    What is due meanwhile is accounted for as paused and does not run.
    """
    schedule_id, spec, caller = context.path("id"), await context.optional_body(PauseIn), context.caller

    def work(tx: Tx) -> Schedule:
        saved = schedule_actions.pause(tx, schedule_id, spec, caller)
        tell_saved(tx, saved, caller.subject)
        return saved

    return JsonReply(shown(await context.write(work)))


@operations.add("POST", "/api/schedules/{id}/resume", "resumeSchedule", role="operator", answer=ScheduleOut)
async def resume_schedule(context: Context) -> Response:
    """End a pause.

    What was due meanwhile is accounted for as paused, and does not run now. One that is not paused stays as it is.
    """
    schedule_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> Schedule:
        before = schedule_actions.known(tx, schedule_id).version
        saved = schedule_actions.resume(tx, schedule_id, caller)
        if saved.version != before:
            tell_saved(tx, saved, caller.subject)
        return saved

    return JsonReply(shown(await context.write(work)))


@operations.add("POST", "/api/schedules/{id}/go-live", "goLive", role="operator", answer=ScheduleOut)
async def go_live(context: Context) -> Response:
    """End the shadow of a schedule that only observed: from now on its instants make jobs.

    What was due before stays accounted for, and does not run. One that is live stays as it is.
    """
    schedule_id, caller, settings = context.path("id"), context.caller, context.settings

    def work(tx: Tx) -> Schedule:
        before = schedule_actions.known(tx, schedule_id).version
        saved = switching.go_live(tx, schedule_id, caller, settings)
        if saved.version != before:
            tell_saved(tx, saved, caller.subject)
        return saved

    return JsonReply(shown(await context.write(work)))


@operations.add(
    "POST",
    "/api/schedules/{id}/trigger",
    "triggerSchedule",
    role="operator",
    query=WaitQuery,
    headers=(IDEMPOTENCY_KEY,),
    answer=ScheduleTriggered | JobDetail,
)
async def trigger_schedule(context: Context) -> Response:
    """Run a schedule's job now, beside its timetable.

    Unless its runs may overlap, it waits for its turn while another run goes on; `why` says so. With `wait`, the answer
    comes once the job has ended or the time is over, and is the whole job.
    """
    wait_s = waiting.seconds(context)
    schedule_id, settings, job_id = context.path("id"), context.settings, new_id()
    caller = await starters.starting(context)

    def work(tx: Tx) -> dict[str, Any]:
        trigger(tx, schedule_id, job_id, caller, settings)
        job = known_job(tx, job_id)
        tx.after_commit(
            lambda: logs.event(
                "job/enqueued", jobId=job.id, jobType=job.type, queue=job.queue, startedBy=caller.starter
            )
        )
        return {
            "id": job.id,
            "jobId": job.id,
            "jobType": job.type,
            "status": shown_as(job.status),
            "startedAt": None,
            "createdAt": present.instant(job.created_at),
            "why": why(tx, job),
        }

    answer, headers = await create_once(context, work)
    if wait_s is not None:
        answer = {**await waiting.for_end(context, answer["id"], wait_s), "jobId": answer["id"]}
    return JsonReply(answer, 200, headers)


@operations.add(
    "POST",
    "/api/schedules/{id}/backfill",
    "backfillSchedule",
    role="operator",
    body=BackfillIn,
    headers=(IDEMPOTENCY_KEY,),
    example={"from": "2027-01-05T00:00:00Z", "to": "2027-01-06T00:00:00Z", "dryRun": True},
    answer=BackfillOut,
)
async def backfill_schedule(context: Context) -> Response:
    """Run the instants of a range that made no job: missed, skipped, paused and the like.

    Each runs as the schedule was then, and gets a row of its own in the ledger, `caughtUp`. More instants than `limit`
    are refused, and nothing runs; so is a range of more than 50,000, those that ran included. The jobs run one after
    the other, beside the timetable.
    """
    schedule_id, spec = context.path("id"), await context.body(BackfillIn)
    caller = context.caller if spec.dry_run else await starters.starting(context)
    backfill = Backfill(schedule_id, spec, caller, context.settings)
    if spec.dry_run:
        return JsonReply(_filled(await context.read(backfill.run), spec))

    def work(tx: Tx) -> dict[str, Any]:
        found = backfill.run(tx)
        tx.after_commit(
            lambda: logs.event("schedule/backfilled", scheduleId=schedule_id, by=caller.subject, count=found.count)
        )
        return _filled(found, spec)

    answer, headers = await create_once(context, work)
    return JsonReply(answer, 200, headers)


def _filled(found: Filled, spec: BackfillIn) -> dict[str, Any]:
    return {
        "count": found.count,
        "dryRun": spec.dry_run,
        "instants": [present.instant(instant) for instant in found.instants],
        "jobs": found.jobs,
    }
