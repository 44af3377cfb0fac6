"""Schedules over REST: listed, looked at, previewed, saved, deleted."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import edits, present
from rota.actions import schedules as schedule_actions
from rota.actions.edits import MOST_SHOWN, Edit
from rota.actions.schedules import Saved
from rota.actions.specs import PreviewIn, ScheduleIn, SchedulesIn
from rota.api.context import Context
from rota.api.paging import PageQuery, answered, decode_cursor, encode_cursor
from rota.api.reply import JsonReply
from rota.api.schedule_answers import EditOut, PreviewOut, ScheduleList, ScheduleOut, SchedulesSaved
from rota.api.schedule_view import schedule_operations, shown, tell_saved
from rota.errors import Invalid
from rota.jsontext import check_text
from rota.model import Schedule
from rota.store import occurrences, schedules
from rota.store.database import Tx
from rota.store.schedules import ScheduleFilter

operations = schedule_operations()

EXAMPLE = {"jobType": "weekly_digest", "cron": "0 9 * * MON", "timezone": "Europe/Paris", "args": {"limit": 100}}


class ScheduleQuery(PageQuery):
    """Which schedules."""

    q: Annotated[str, msgspec.Meta(description="Part of the id or of the job type.", max_length=200)] | None = None
    owner: Annotated[Literal["code", "file", "api"], msgspec.Meta(description="Who declared it.")] | None = None
    tag: Annotated[str, msgspec.Meta(description="Tag.", max_length=200)] | None = None
    paused: Annotated[bool, msgspec.Meta(description="Whether it is paused.")] | None = None
    shadow: Annotated[bool, msgspec.Meta(description="Whether it is in the shadow: it only observes.")] | None = None
    type: Annotated[str, msgspec.Meta(description="Job type.", max_length=200)] | None = None
    queue: Annotated[str, msgspec.Meta(description="Queue that it names.", max_length=200)] | None = None
    recent: Annotated[int, msgspec.Meta(ge=0, le=50, description="So many of the last occurrences of each, too.")] = 0


class SaveQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """How to save."""

    dry_run: Annotated[bool, msgspec.Meta(description="Only say what would change; nothing is stored.")] = False


@operations.add("GET", "/api/schedules", "listSchedules", query=ScheduleQuery, answer=ScheduleList)
async def list_schedules(context: Context) -> Response:
    """List schedules in the order of their ids; with `recent=20` also what became of the last 20 instants of each."""
    query = context.query(ScheduleQuery)
    after = decode_cursor(query.cursor) if query.cursor is not None else ""
    texts = {
        name: check_text(value, name, max_length=200)
        for name in ("q", "tag", "type", "queue")
        if (value := getattr(query, name)) is not None
    }
    wanted = ScheduleFilter(owner=query.owner, paused=query.paused, shadow=query.shadow, **texts)

    def look(tx: Tx) -> dict[str, Any]:
        found = schedules.listed(tx, wanted, after=after, limit=query.limit + 1, offset=query.offset())
        page, total = found[: query.limit], schedules.count_up_to_cap(tx, wanted)
        more = encode_cursor(page[-1].id) if len(found) > query.limit else None
        return answered("schedules", _listed(tx, page, query.recent), query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


def _listed(tx: Tx, page: list[Schedule], recent: int) -> list[dict[str, Any]]:
    if not recent:
        return [shown(one) for one in page]
    found = occurrences.recent(tx, [one.id for one in page], recent)
    runs = occurrences.runs(tx, [each for some in found.values() for each in some])
    last = {
        name: [present.occurrence(each, None, runs.get(each.job_id or "")) for each in some]
        for name, some in found.items()
    }
    return [{**shown(one), "recent": last.get(one.id, [])} for one in page]


@operations.add(
    "PUT",
    "/api/schedules",
    "putSchedules",
    role="operator",
    body=SchedulesIn,
    example={"schedules": [{"id": "digest", **EXAMPLE}]},
    answer=SchedulesSaved,
    problems=(409,),
)
async def put_schedules(context: Context) -> Response:
    """Create or edit many schedules, all or none.

    Those that say the same as before stay as they are, and cost next to nothing; the others of the service too. Each
    has its `id`; what is wrong is named as `schedules.3.cron`.
    """
    spec, caller, settings = await context.body(SchedulesIn), context.caller, context.settings

    def work(tx: Tx) -> list[Saved]:
        saved = schedule_actions.put_many(tx, spec.schedules, caller, settings)
        for one in saved:
            if one.action is not None:
                tell_saved(tx, one.schedule, caller.subject)
        return saved

    return JsonReply({"schedules": [_saved(one) for one in await context.write(work)]})


def _saved(one: Saved) -> dict[str, Any]:
    schedule = one.schedule
    return {
        "id": schedule.id,
        "action": one.action,
        "version": schedule.version,
        "nextAt": present.instant(schedule.next_at),
    }


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
    return JsonReply(shown(await context.read(lambda tx: schedule_actions.known(tx, schedule_id))))


@operations.add(
    "PUT",
    "/api/schedules/{id}",
    "putSchedule",
    role="operator",
    body=ScheduleIn,
    query=SaveQuery,
    example=EXAMPLE,
    answer=ScheduleOut | EditOut,
    problems=(409,),
)
async def put_schedule(context: Context) -> Response:
    """Create a schedule, or make this its next version.

    Saying the same again changes nothing. A target of its own takes an admin where it is new or another; naming a
    known job type does not. The schedule of another owner is refused (409, `owned`) without `takeOver`.

    A new rule counts from now. What the old one still owed is settled at once: instants of the last 15 seconds run as
    the schedule is now, older ones are `missed`. With `dryRun=true` nothing is stored, and the answer says which
    fields would change, and which instants of the next 7 days would go and come.
    """
    schedule_id, spec, query = context.path("id"), await context.body(ScheduleIn), context.query(SaveQuery)
    caller, settings = context.caller, context.settings
    if spec.id is not None and spec.id != schedule_id:
        raise Invalid("id", f"{spec.id!r} is not the id of the address, {schedule_id!r}")
    if query.dry_run:
        return JsonReply(_edit(await context.read(lambda tx: edits.look(tx, schedule_id, spec, caller, settings))))

    def work(tx: Tx) -> Schedule:
        saved = schedule_actions.save(tx, schedule_id, spec, caller, settings)
        if saved.action is not None:
            tell_saved(tx, saved.schedule, caller.subject)
        return saved.schedule

    return JsonReply(shown(await context.write(work)))


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "id": edit.fresh.id,
        "exists": edit.old is not None,
        "changes": [{"field": one.field, "from": one.before, "to": one.after} for one in edit.changes],
        "goes": [present.instant(instant) for instant in edit.goes[:MOST_SHOWN]],
        "goesCount": len(edit.goes),
        "comes": [present.instant(instant) for instant in edit.comes[:MOST_SHOWN]],
        "comesCount": len(edit.comes),
        "until": present.instant(edit.until),
        "warnings": edit.warnings,
        "schedule": shown(edit.fresh),
    }


@operations.add("DELETE", "/api/schedules/{id}", "deleteSchedule", role="operator", status=204)
async def delete_schedule(context: Context) -> Response:
    """Delete a schedule; its history and its versions stay."""
    schedule_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        schedule_actions.delete(tx, schedule_id, caller)
        tx.after_commit(lambda: logs.event("schedule/removed", scheduleId=schedule_id, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)
