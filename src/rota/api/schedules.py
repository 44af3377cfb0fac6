"""Schedules over REST."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import present, rules
from rota.actions import schedules as schedule_actions
from rota.actions.specs import PauseIn, PreviewIn, ScheduleIn
from rota.actions.triggering import trigger
from rota.api import rights
from rota.api.answers import OccurrenceList, PreviewOut, ScheduleList, ScheduleOut, Triggered
from rota.api.context import Context
from rota.api.idempotency import create_once
from rota.api.job_view import known_job
from rota.api.operations import IDEMPOTENCY_KEY, Operations, Parameter
from rota.api.paging import decode_cursor, encode_cursor
from rota.api.reply import JsonReply
from rota.errors import Invalid
from rota.ids import new_id
from rota.model import Occurrence, Schedule, shown_as
from rota.store import occurrences as ledger
from rota.store import schedules
from rota.store.database import Tx
from rota.timetable import Rule

ID = Parameter(name="id", description="Id of the schedule.", example="digest")
operations = Operations("Schedules", ID)

EXAMPLE = {"jobType": "weekly_digest", "cron": "0 9 * * MON", "timezone": "Europe/Paris", "args": {"limit": 100}}
_Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="Most items to answer with.")]
_Cursor = Annotated[str, msgspec.Meta(description="`nextCursor` of the page before.")]


class ScheduleQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which schedules."""

    q: Annotated[str, msgspec.Meta(description="Part of the id or of the job type.", max_length=200)] | None = None
    limit: _Limit = 50
    cursor: _Cursor | None = None


class OccurrenceQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which occurrences."""

    limit: _Limit = 50
    cursor: _Cursor | None = None


@operations.add("GET", "/api/schedules", "listSchedules", query=ScheduleQuery, answer=ScheduleList)
async def list_schedules(context: Context) -> Response:
    """List schedules in the order of their ids."""
    query = context.query(ScheduleQuery)
    after = decode_cursor(query.cursor) if query.cursor is not None else ""
    if "\0" in (query.q or ""):
        raise Invalid("q", "holds NUL", hint="remove it")

    def look(tx: Tx) -> dict[str, Any]:
        found = schedules.listed(tx, after=after, limit=query.limit + 1, q=query.q)
        shown = found[: query.limit]
        return {
            "schedules": [_shown(schedule) for schedule in shown],
            "total": schedules.count(tx),
            "page": None,
            "limit": query.limit,
            "nextCursor": encode_cursor(shown[-1].id) if len(found) > query.limit else None,
            "totalIsEstimate": query.q is not None,
        }

    return JsonReply(await context.read(look))


@operations.add(
    "POST",
    "/api/schedules/preview",
    "previewSchedule",
    body=PreviewIn,
    example={"cron": "0 9 * * MON", "timezone": "Europe/Paris", "count": 3},
    answer=PreviewOut,
)
async def preview(context: Context) -> Response:
    """Say what a rule means, with its next instants, strictly after `after`.

    Nothing is stored and the database is not asked. `H` in an expression needs the `id` of the schedule.
    """
    spec = await context.body(PreviewIn)
    found = await context.service.think(lambda: schedule_actions.preview(spec, time.time_ns() // 1000))
    return JsonReply(
        {
            "description": found.description,
            "instants": [present.instant(instant) for instant in found.instants],
            "warnings": found.warnings,
        }
    )


@operations.add("GET", "/api/schedules/{id}", "getSchedule", answer=ScheduleOut)
async def get_schedule(context: Context) -> Response:
    """Look at one schedule, its rule also in words."""
    schedule_id = context.path("id")
    return JsonReply(_shown(await context.read(lambda tx: schedule_actions.known(tx, schedule_id))))


@operations.add(
    "PUT",
    "/api/schedules/{id}",
    "putSchedule",
    role="operator",
    body=ScheduleIn,
    example=EXAMPLE,
    answer=ScheduleOut,
)
async def put_schedule(context: Context) -> Response:
    """Create a schedule, or make this its next version.

    Saying the same again changes nothing. A target of its own takes an admin; naming a known job type does not.
    """
    schedule_id, spec = context.path("id"), await context.body(ScheduleIn)
    rights.check_schedule(context.identity, spec)
    caller, settings = context.caller, context.settings

    def work(tx: Tx) -> Schedule:
        saved = schedule_actions.put(tx, schedule_id, spec, caller, settings)
        tx.after_commit(lambda: _tell("schedule/saved", saved.id, caller.subject, version=saved.version))
        return saved

    return JsonReply(_shown(await context.write(work)))


@operations.add("DELETE", "/api/schedules/{id}", "deleteSchedule", role="operator", status=204)
async def delete_schedule(context: Context) -> Response:
    """Delete a schedule; its history stays until its retention ends."""
    schedule_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        schedule_actions.delete(tx, schedule_id, caller)
        tx.after_commit(lambda: _tell("schedule/removed", schedule_id, caller.subject))

    await context.write(work)
    return Response(status_code=204)


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
        tx.after_commit(lambda: _tell("schedule/saved", saved.id, caller.subject, version=saved.version))
        return saved

    return JsonReply(_shown(await context.write(work)))


@operations.add("POST", "/api/schedules/{id}/resume", "resumeSchedule", role="operator", answer=ScheduleOut)
async def resume_schedule(context: Context) -> Response:
    """End a pause."""
    schedule_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> Schedule:
        saved = schedule_actions.resume(tx, schedule_id, caller)
        tx.after_commit(lambda: _tell("schedule/saved", saved.id, caller.subject, version=saved.version))
        return saved

    return JsonReply(_shown(await context.write(work)))


@operations.add(
    "POST",
    "/api/schedules/{id}/trigger",
    "triggerSchedule",
    role="operator",
    headers=(IDEMPOTENCY_KEY,),
    answer=Triggered,
)
async def trigger_schedule(context: Context) -> Response:
    """Run a schedule's job now, beside its timetable."""
    schedule_id, caller, settings, job_id = context.path("id"), context.caller, context.settings, new_id()

    def work(tx: Tx) -> dict[str, Any]:
        trigger(tx, schedule_id, job_id, caller, settings)
        job = known_job(tx, job_id)
        tx.after_commit(
            lambda: logs.event(
                "job/enqueued", jobId=job.id, jobType=job.type, queue=job.queue, startedBy=caller.subject
            )
        )
        return {
            "id": job.id,
            "jobId": job.id,
            "jobType": job.type,
            "status": shown_as(job.status),
            "startedAt": None,
            "createdAt": present.instant(job.created_at),
        }

    shown, headers = await create_once(context, work)
    return JsonReply(shown, 200, headers)


@operations.add(
    "GET", "/api/schedules/{id}/occurrences", "listOccurrences", query=OccurrenceQuery, answer=OccurrenceList
)
async def list_occurrences(context: Context) -> Response:
    """List the due instants of a schedule and what became of each, the latest first.

    Neighbours with the same fate that made no job are one item `from`…`to` with their `count`, null where the
    rule has changed since.
    """
    schedule_id, query = context.path("id"), context.query(OccurrenceQuery)
    before = _before(query.cursor)

    def look(tx: Tx) -> dict[str, Any]:
        schedule = schedule_actions.known(tx, schedule_id)
        found = ledger.listed(tx, schedule_id, before=before, limit=query.limit + 1)
        shown = found[: query.limit]
        return {
            "occurrences": [present.occurrence(one, _count(schedule, one)) for one in shown],
            "limit": query.limit,
            "nextCursor": encode_cursor(str(shown[-1].scheduled_for)) if len(found) > query.limit else None,
        }

    return JsonReply(await context.read(look))


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    text = decode_cursor(cursor)
    if not text.removeprefix("-").isdigit() or len(text) > 19:
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")
    return int(text)


def _count(schedule: Schedule, occurrence: Occurrence) -> int | None:
    """Return how many instants a range covers, None where the rule has changed since and nobody knows."""
    first, last = occurrence.scheduled_for, occurrence.until_at
    rule = _rule(schedule)
    if first == last or rule is None or rule.next(first - 1) != first or rule.next(last - 1) != last:
        return None
    return rule.count(first - 1, last)


def _rule(schedule: Schedule) -> Rule | None:
    """Return the rule, None where what is stored cannot be understood (any more): it must be seen to be mended."""
    try:
        return rules.rule_of(schedule)
    except Invalid:
        return None


def _shown(schedule: Schedule) -> dict[str, Any]:
    rule = _rule(schedule)
    return present.schedule(schedule, rule.describe() if rule else None)


def _tell(event: str, schedule_id: str, by: str | None, **fields: Any) -> None:
    logs.event(event, scheduleId=schedule_id, by=by, **fields)
