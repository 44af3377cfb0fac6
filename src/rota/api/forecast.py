"""The forecast over REST: what schedules will do, the load it means, and where it clashes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from rota.actions import forecasting, present
from rota.actions.forecast import HOUR_S, SECOND, Clash, Outlook, Share
from rota.actions.forecasting import Ahead
from rota.actions.schedules import known as known_schedule
from rota.api.answers import Answer, Time
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.durations import format_duration
from rota.errors import Invalid
from rota.jsontext import check_queue
from rota.model import Overlap
from rota.store.database import Tx
from rota.timetable import bounded, parse_instant

HOUR_US = HOUR_S * SECOND
LONGEST_HOURS = 168
DEFAULT_HOURS = 24
MOST_BLACKOUTS = 20

operations = Operations("Forecast")


class ForecastQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which time, and of what."""

    from_: Annotated[str, msgspec.Meta(description="Begin at this time; now.")] | None = msgspec.field(
        default=None, name="from"
    )
    to: (
        Annotated[str, msgspec.Meta(description="End at this time, at most 7 days later, instead of after `hours`.")]
        | None
    ) = None
    hours: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_HOURS, description="So many hours.")] = DEFAULT_HOURS
    schedule: Annotated[str, msgspec.Meta(description="Id of one schedule.")] | None = None
    queue: Annotated[str, msgspec.Meta(description="Only schedules whose jobs are of this queue.")] | None = None


class ExpectedOut(Answer):
    """How long a run takes, from the last 20 of the schedule."""

    p50_ms: int
    p90_ms: int
    runs: int


class BlackoutOut(Answer):
    """Instants that a calendar keeps from firing."""

    begin: Time
    end: Time
    calendar: str
    count: int


class OutlookOut(Answer):
    """What one schedule will do."""

    id: str
    job_type: str | None
    queue: str
    overlap: Overlap
    next: list[Time]
    count: int
    expected: ExpectedOut | None
    blackouts: list[BlackoutOut]
    paused: bool
    resume_at: Time | None
    shadow: bool
    """It only observes: `next` and `count` are what it would start, and the counts of load are without it."""


class ShareOut(Answer):
    """What an hour means for a queue: starts, jobs at once on average, and in the fullest second."""

    starts: int
    busy: float
    peak: int


class HourOut(Answer):
    """An hour, the first and the last perhaps a part of one."""

    begin: Time
    starts: int
    queues: dict[str, ShareOut]


class RoomOut(Answer):
    """How many jobs of a queue may run at once: its limit, or the slots of the living workers."""

    name: str
    capacity: int
    concurrency: int | None
    slots: int
    paused: bool
    starts: int


class ClashOut(Answer, omit_defaults=True):
    """Where something gets in the way of something; `text` says it."""

    kind: Literal["together", "overrun", "overload"]
    queue: str
    at: Time
    text: str
    end: Time | None = None
    count: int | None = None
    times: int | None = None
    capacity: int | None = None
    busy: float | None = None
    schedules: list[str] = msgspec.field(default_factory=list)
    gap_ms: int | None = None
    duration_ms: int | None = None
    effect: Literal["skipped", "queued", "ended", "beside"] | None = None


class ForecastOut(Answer):
    """What will happen, as far as the rules know it."""

    begin: Time
    end: Time
    starts: int
    schedules: list[OutlookOut]
    queues: list[RoomOut]
    hours: list[HourOut]
    clashes: list[ClashOut]
    complete: bool
    not_understood: list[str]


@operations.add("GET", "/api/forecast", "getForecast", query=ForecastQuery, answer=ForecastOut, problems=(404,))
async def get_forecast(context: Context) -> Response:
    """See what schedules will do in the next hours, up to 7 days.

    Starts are counted exactly, by schedule, hour and queue. How long runs take is taken from the last 20 of each
    schedule; `busy` and `peak` follow from it. `clashes` are schedules that are due again before they have ended,
    queues with more to do than may run at once, and seconds in which many start together. Schedules in the shadow are
    listed with what they would start, and counted nowhere else. Of more than 5,000 schedules
    those that are due first are looked at, and `complete` is false.
    """
    query = context.query(ForecastQuery)
    if query.queue is not None:
        check_queue(query.queue)

    def read(tx: Tx) -> tuple[forecasting.Known, int, int]:
        if query.schedule is not None:
            known_schedule(tx, query.schedule)
        start, end = _time(query, tx.now())
        return forecasting.gather(tx, end, schedule_id=query.schedule, queue=query.queue), start, end

    known, start, end = await context.read(read)
    return JsonReply(await context.service.think(lambda: shown(forecasting.look(known, start, end))))


def _time(query: ForecastQuery, now: int) -> tuple[int, int]:
    """Return what is looked at, µs UTC."""
    start = now if query.from_ is None else parse_instant(query.from_, "from")
    if start < now - HOUR_US:
        raise Invalid("from", "has passed", hint="what was is in /api/schedules/{id}/occurrences")
    end = bounded(start + query.hours * HOUR_US) if query.to is None else parse_instant(query.to, "to")
    if not start < end <= start + LONGEST_HOURS * HOUR_US:
        raise Invalid("to", "is not within 7 days after from", hint="at most 168 hours")
    return start, end


def shown(ahead: Ahead) -> dict[str, Any]:
    """Return a forecast as it is answered."""
    found = ahead.forecast
    starts: dict[str, int] = {}
    for outlook in found.schedules:
        if outlook.item.schedule.shadow:
            continue
        starts[outlook.item.queue] = starts.get(outlook.item.queue, 0) + outlook.count
    return {
        "begin": present.instant(found.start),
        "end": present.instant(found.end),
        "starts": sum(starts.values()),
        "schedules": [_outlook(one) for one in found.schedules],
        "queues": [
            {
                "name": name, "capacity": room.capacity, "concurrency": room.concurrency, "slots": room.slots,
                "paused": room.paused, "starts": starts.get(name, 0),
            }
            for name, room in sorted(ahead.rooms.items())
        ],
        "hours": [
            _hour(max(found.start, found.first_hour + place * HOUR_US), queues)
            for place, queues in enumerate(found.hours)
        ],
        "clashes": [_clash(one) for one in found.clashes],
        "complete": ahead.complete,
        "notUnderstood": ahead.not_understood,
    }  # fmt: skip


def _outlook(one: Outlook) -> dict[str, Any]:
    schedule, expected = one.item.schedule, one.item.expected
    return {
        "id": schedule.id,
        "jobType": schedule.type,
        "queue": one.item.queue,
        "overlap": schedule.overlap,
        "next": [present.instant(at) for at in one.next],
        "count": one.count,
        "expected": expected and {"p50Ms": expected.p50 // 1000, "p90Ms": expected.p90 // 1000, "runs": expected.runs},
        "blackouts": [
            {"begin": present.instant(each.first), "end": present.instant(each.end), "calendar": each.calendar,
             "count": each.count}
            for each in one.blackouts[:MOST_BLACKOUTS]
        ],
        "paused": schedule.paused_at is not None,
        "resumeAt": present.instant(schedule.resume_at),
        "shadow": bool(schedule.shadow),
    }  # fmt: skip


def _hour(begin: int, queues: dict[str, Share]) -> dict[str, Any]:
    return {
        "begin": present.instant(begin),
        "starts": sum(share.starts for share in queues.values()),
        "queues": {
            name: {"starts": share.starts, "busy": round(share.busy, 2), "peak": share.peak}
            for name, share in queues.items()
        },
    }


def _clash(one: Clash) -> dict[str, Any]:
    fields = {
        "kind": one.kind,
        "queue": one.queue,
        "at": present.instant(one.at),
        "text": _text(one),
        "end": present.instant(one.end),
        "count": one.count or None,
        "times": one.times or None,
        "capacity": one.capacity,
        "busy": None if one.busy is None else round(one.busy, 2),
        "schedules": list(one.schedules),
        "gapMs": None if one.gap is None else one.gap // 1000,
        "durationMs": None if one.duration is None else one.duration // 1000,
        "effect": one.effect,
    }
    return {name: value for name, value in fields.items() if value is not None}


_MEANS = {
    "skipped": "instants that come meanwhile are skipped",
    "queued": "runs wait for each other",
    "ended": "each run is ended by the next one",
    "beside": "runs go on beside each other",
}


def _text(one: Clash) -> str:
    """Say a clash in a sentence."""
    if one.kind == "overload" and not one.capacity:
        return f"{one.count} jobs of queue {one.queue} start, but it is paused, or no living worker takes them"
    if one.kind == "overload":
        return f"queue {one.queue} has work for {one.busy or 0:.1f} jobs at once, and {one.capacity} may run at once"
    if one.kind == "overrun":
        takes = _spell(one.duration or 0)
        often = "usually takes" if one.likely else "sometimes takes"
        means = _MEANS[one.effect or "skipped"]
        return f"{one.schedules[0]} {often} {takes} and is due again after {_spell(one.gap or 0)}: {means}"
    again = f", and {one.times - 1} times more" if one.times > 1 else ""
    room = f"; {one.capacity} may run at once" if one.capacity else ""
    return f"{one.count} jobs of queue {one.queue} start in the same second{again}{room}"


def _spell(duration_us: int) -> str:
    """Return a duration as exactly as one needs it."""
    unit = SECOND if duration_us >= 10 * SECOND else 1000
    return format_duration(round(duration_us / unit) * unit)
