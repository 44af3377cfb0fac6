"""Statistics over REST: what ended, what failed, and what does not go as it should."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.paging import WholeQuery, narrowed, part_of
from rota.api.reply import JsonReply
from rota.api.stat_answers import ErrorList, ProblemList, SeriesOut
from rota.durations import DAY, parse_duration
from rota.errors import Invalid
from rota.insight import fingerprint, problems, series
from rota.insight.problems import Problem, SubjectKind
from rota.insight.series import By, Point, Series, WindowName
from rota.model import Severity
from rota.store import failures

LONGEST_US = 400 * DAY

operations = Operations("System")


class SeriesQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which ends."""

    window: Annotated[WindowName, msgspec.Meta(description="How long, up to now.")] = "24h"
    queue: Annotated[str, msgspec.Meta(description="Only of this queue.", max_length=500)] | None = None
    type: Annotated[str, msgspec.Meta(description="Only of this job type.", max_length=500)] | None = None
    by: Annotated[By, msgspec.Meta(description="What to group by.")] | None = None


@operations.add("GET", "/api/stats/series", "getStatsSeries", query=SeriesQuery, answer=SeriesOut, has_payloads=False)
async def stats_series(context: Context) -> Response:
    """See how much ended in a window of time, how long it waited and ran.

    In points a minute (`1h`) to 6 hours (`30d`) apart, also those without an end. The figures are 5 to 10 seconds old.
    With `by`, the 50 groups with most ends have points of their own; the rest is called `(others)`.
    """
    query = context.query(SeriesQuery)
    found = await context.read(
        lambda tx: series.series(tx, query.window, by=query.by, queue=query.queue, type_name=query.type)
    )
    return JsonReply(_shown(found))


def _shown(found: Series) -> dict[str, Any]:
    def at(place: int, point: Point) -> dict[str, Any]:
        return {"at": present.instant(found.since + place * found.step_us), **msgspec.to_builtins(point)}

    return {
        "since": present.instant(found.since),
        "until": present.instant(found.until),
        "stepMs": found.step_us // 1000,
        "groups": [
            {
                "name": group.name,
                "totals": group.totals,
                "points": [at(place, point) for place, point in enumerate(group.points)],
            }
            for group in found.groups
        ],
    }


class ErrorQuery(WholeQuery):
    """Which failures."""

    window: Annotated[str, msgspec.Meta(description="How long ago at most: `24h`, `7d`.")] = "24h"
    queue: Annotated[str, msgspec.Meta(description="Only of this queue.")] | None = None
    job_type: Annotated[str, msgspec.Meta(description="Only of this job type.")] | None = None
    q: (
        Annotated[str, msgspec.Meta(description="Part of the error or of its job type, in any case.", max_length=200)]
        | None
    ) = None


@operations.add("GET", "/api/errors", "listErrors", query=ErrorQuery, answer=ErrorList)
async def errors(context: Context) -> Response:
    """List why jobs failed of late, errors alike together, the latest first.

    Of the last 2,000 jobs that failed and were not retried or deleted since. Errors are alike when they differ in
    numbers, ids and quoted parts only, and are of one job type and queue.
    """
    query = context.query(ErrorQuery)
    window = parse_duration(query.window, "window")
    if not 0 < window <= LONGEST_US:
        raise Invalid("window", "is not between 1ms and 400d", hint="such as 24h")
    found = await context.read(lambda tx: fingerprint.group(failures.failures(tx, tx.now() - window)))
    shown = [
        {
            "fingerprint": one.fingerprint,
            "message": one.message,
            "jobType": one.type,
            "queue": one.queue,
            "count": one.count,
            "firstAt": present.instant(one.first_at),
            "lastAt": present.instant(one.last_at),
            "lastJobId": one.last_id,
        }
        for one in found
    ]
    wanted = narrowed(shown, query, ("queue",))
    if query.job_type is not None:
        wanted = [one for one in wanted if one["jobType"] == query.job_type]
    searched = ("message", "jobType")
    return JsonReply(part_of("errors", wanted, query, key="fingerprint", ordered=False, searched=searched))


class ProblemQuery(WholeQuery):
    """Which problems."""

    severity: Annotated[Severity, msgspec.Meta(description="Only such.")] | None = None
    subject: Annotated[SubjectKind, msgspec.Meta(description="Only problems of such things.")] | None = None


@operations.add("GET", "/api/problems", "listProblems", query=ProblemQuery, answer=ProblemList, has_payloads=False)
async def list_problems(context: Context) -> Response:
    """List what somebody should look at now, the worst first.

    All that monitors find, also what they tell nobody of since it is muted, held back, or too new. `kind` is that of
    the monitor: see `GET /api/monitors`.
    """
    query, stall_us = context.query(ProblemQuery), context.settings.stall_us
    found = [_problem(one) for one in await context.read(lambda tx: problems.problems(tx, stall_us))]
    wanted = narrowed(found, query, ("severity",))
    if query.subject is not None:
        wanted = [one for one in wanted if one["subject"]["kind"] == query.subject]
    return JsonReply(part_of("problems", wanted, query, key=_monitored, ordered=False, searched=("text",)))


def _monitored(one: dict[str, Any]) -> str:
    """Return what stays the same of a problem; its text says how long ago it began."""
    return f"{one['kind']} {one['subject']['kind']} {one['subject']['id']}"


def _problem(one: Problem) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "severity": one.severity,
        "text": one.text,
        "since": present.instant(one.since),
        "subject": {"kind": one.subject.kind, "id": one.subject.id},
    }
