"""Calendars over REST: named times at which schedules do not fire."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import calendars as calendar_actions
from rota.actions import present
from rota.actions.specs import CalendarIn
from rota.api.calendar_answers import CalendarDates, CalendarList, CalendarOut
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import WholeQuery, part_of
from rota.api.reply import JsonReply
from rota.store import calendars
from rota.store.database import Tx

operations = Operations("Calendars", Parameter(name="name", description="Name of the calendar.", example="days-off"))

EXAMPLE = {"weekdays": ["SAT", "SUN"], "country": "FR", "dates": ["2026-12-24"], "note": "the office is closed"}


class DatesQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """From when to when, and whose days."""

    from_: Annotated[str, msgspec.Meta(description="From this time on; now.")] | None = msgspec.field(
        name="from", default=None
    )
    to: Annotated[str, msgspec.Meta(description="Up to this time, at most ten years later; a year later.")] | None = (
        None
    )
    timezone: Annotated[str, msgspec.Meta(description="IANA zone whose days are meant; `UTC`.")] = "UTC"


@operations.add("GET", "/api/calendars", "listCalendars", query=WholeQuery, answer=CalendarList)
async def list_calendars(context: Context) -> Response:
    """List all calendars by name, each in words."""
    query = context.query(WholeQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        return [calendar_actions.shown(record, whole=False) for record in calendars.listed(tx)]

    return JsonReply(part_of("calendars", await context.read(look), query))


@operations.add("GET", "/api/calendars/{name}", "getCalendar", answer=CalendarOut)
async def get_calendar(context: Context) -> Response:
    """Look at one calendar, with all that was said of it."""
    name = context.path("name")
    return JsonReply(
        await context.read(lambda tx: calendar_actions.shown(calendar_actions.known(tx, name), whole=True))
    )


@operations.add(
    "PUT",
    "/api/calendars/{name}",
    "putCalendar",
    role="operator",
    body=CalendarIn,
    example=EXAMPLE,
    answer=CalendarOut,
)
async def put_calendar(context: Context) -> Response:
    """Make a calendar, or say anew what it covers: everything that is named, together.

    Saying the same again changes nothing. Schedules that name it go by it from their next due instant on.
    """
    name, spec, caller = context.path("name"), await context.body(CalendarIn), context.caller
    document = await context.service.think(lambda: calendar_actions.read(spec))

    def work(tx: Tx) -> dict[str, Any]:
        saved = calendar_actions.put(tx, name, spec, caller, document)
        tx.after_commit(
            lambda: logs.event("calendar/saved", calendar=saved.name, version=saved.version, by=caller.subject)
        )
        return calendar_actions.shown(saved, whole=True)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/calendars/{name}", "deleteCalendar", role="operator", status=204)
async def delete_calendar(context: Context) -> Response:
    """Delete a calendar; refused while a schedule names it."""
    name, caller = context.path("name"), context.caller

    def work(tx: Tx) -> None:
        calendar_actions.delete(tx, name, caller)
        tx.after_commit(lambda: logs.event("calendar/removed", calendar=name, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)


@operations.add("GET", "/api/calendars/{name}/dates", "listCalendarDates", query=DatesQuery, answer=CalendarDates)
async def list_dates(context: Context) -> Response:
    """List what a calendar covers, by the days of a time zone; the first 1,000 stretches.

    Each begins at `from` and ends before `to`; neighbouring days are one.
    """
    name, query = context.path("name"), context.query(DatesQuery)
    found = await context.read(
        lambda tx: calendar_actions.dates(tx, name, first=query.from_, until=query.to, timezone=query.timezone)
    )
    spans = [{"from": present.instant(begin), "to": present.instant(end)} for begin, end in found.spans]
    return JsonReply(
        {
            "timezone": query.timezone,
            "from": present.instant(found.first),
            "to": present.instant(found.until),
            "spans": spans,
        }
    )
