"""What schedules in the shadow would have run, compared with what another system ran, over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.actions.specs import Spec
from rota.api.answers import Answer, Time
from rota.api.context import Context
from rota.api.reply import JsonReply
from rota.api.schedule_view import rule_of, schedule_operations, shown
from rota.durations import parse_duration
from rota.errors import Conflict, Invalid
from rota.model import Occurrence, Schedule
from rota.store import occurrences, schedules
from rota.store.database import Tx
from rota.store.schedules import ScheduleFilter

if TYPE_CHECKING:
    from rota.importers.parity import Log

operations = schedule_operations()

MOST_SCHEDULES = 500
MOST_ROWS = 20_000
"""Rows of the ledger of one schedule."""
MOST_INSTANTS = 200_000
"""Of all schedules together: they are listed to be matched."""
TOLD = 1000
"""Times of each schedule that are answered; all are counted."""
AT_ONCE = 1000

EXAMPLE = {"log": "name,time\ndigest,2027-01-04T08:00:01Z\n", "timezone": "Europe/Paris"}


class ParityIn(Spec):
    """The log of the system that still runs them, and how it is read."""

    log: str
    timezone: str = "UTC"
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    tolerance: str | float = "60s"
    ids: Annotated[list[str], msgspec.Meta(max_length=MOST_SCHEDULES)] = msgspec.field(default_factory=list)
    source: str | None = None


class ComparedOut(Answer):
    """One schedule: how many runs both systems have, and what only one of them has."""

    id: str
    matched: int
    missing: list[Time]
    """The other system ran it then, and Rota would not: the first 1,000."""
    missing_count: int
    extra: list[Time]
    """Rota would have run it then, and the other system did not: the first 1,000."""
    extra_count: int
    alike: bool


class RefusedLine(Answer):
    """A line of the log that was not understood."""

    line: int
    reason: str


class ParityOut(Answer):
    """Whether both systems run the same."""

    from_: Time = msgspec.field(name="from")
    to: Time
    alike: bool
    schedules: list[ComparedOut]
    unknown: dict[str, int]
    """Names in the log that are those of no schedule which is compared, with how often they ran."""
    refused: list[RefusedLine]


@operations.add(
    "POST", "/api/schedules/parity", "compareSchedules", body=ParityIn, example=EXAMPLE, answer=ParityOut,
    problems=(404, 409),
)  # fmt: skip
async def compare_schedules(context: Context) -> Response:
    """Compare what schedules in the shadow would have run with the log of the system that still runs them.

    All in the shadow are compared, or those with these `ids`, or of this `source`; from the log's first run to its
    last, unless `from` and `to` say otherwise. Nothing is stored. It is what `rota schedules parity` answers.
    """
    from rota.importers import parity as comparing  # like all importers, loaded where somebody moves in

    spec, service = await context.body(ParityIn), context.service
    slack = parse_duration(spec.tolerance, "tolerance")
    log = await service.think(lambda: comparing.read_log(spec.log.encode(), spec.timezone))
    if not log.runs:
        raise Invalid("log", "tells of no run", hint="a line of cron's log, or CSV or JSON lines with name and time")
    first, last = comparing.reach([one.at for one in log.runs], slack)
    first = comparing.instant(spec.from_, "from") if spec.from_ else first
    last = comparing.instant(spec.to, "to") if spec.to else last
    if first > last:
        raise Invalid("to", "is before from")
    found = await context.read(lambda tx: _found(tx, spec, first - slack, last + slack))
    return JsonReply(await service.think(lambda: _compared(found, log, first, last, slack)))


Found = Sequence[tuple[Schedule, Sequence[Occurrence]]]


def _found(tx: Tx, spec: ParityIn, first: int, last: int) -> Found:
    """Read the schedules, each with what became of its instants in that time."""
    if spec.ids:
        known = schedules.get_all(tx, [one for one in spec.ids if "\0" not in one])
        missing = [one for one in spec.ids if one not in known]
        if missing:
            raise Invalid("ids", f"{missing[0]!r} is no schedule")
        dark = [one for one in known.values() if one.shadow]
    else:
        dark = schedules.listed(tx, ScheduleFilter(shadow=True), limit=MOST_SCHEDULES + 1)
        if len(dark) > MOST_SCHEDULES:
            raise Invalid("ids", f"are missing: more than {MOST_SCHEDULES} are in the shadow", hint="name some of them")
    if spec.source is not None:
        dark = [one for one in dark if one.source == spec.source]
    if not dark:
        raise Conflict("no such schedule is in the shadow", hint="rota import … --shadow")
    return [(one, _rows(tx, one.id, first, last)) for one in dark]


def _rows(tx: Tx, schedule_id: str, first: int, last: int) -> list[Occurrence]:
    found: list[Occurrence] = []
    before: int | None = last + 1
    while True:
        some = occurrences.listed(tx, schedule_id, before=before, limit=AT_ONCE)
        found += [one for one in some if one.until_at >= first and _counts(one)]
        if len(some) < AT_ONCE or some[-1].scheduled_for < first:
            return found
        if len(found) > MOST_ROWS:
            raise Invalid("from", f"is too early for {schedule_id}, which was due very often", hint="compare less time")
        before = some[-1].scheduled_for


def _counts(one: Occurrence) -> bool:
    """Tell whether Rota would have run it, or did: what a gap or a pause covered counts for nothing."""
    return one.disposition in ("fired", "caughtUp") or (one.reason or "").startswith("shadow")


def _compared(found: Found, log: Log, first: int, last: int, slack: int) -> dict[str, Any]:
    from rota.importers import parity as comparing

    begin, end = first - slack, last + slack
    _check_size(found, begin, end)
    kept = [
        comparing.Kept(shown(one), [present.occurrence(_within(each, begin, end)) for each in rows])
        for one, rows in found
    ]
    answer = comparing.document(comparing.compare(kept, log, first, last, slack))
    for one in answer["schedules"]:
        for name in ("missing", "extra"):
            one[f"{name}Count"], one[name] = len(one[name]), one[name][:TOLD]
    return answer


def _within(one: Occurrence, first: int, last: int) -> Occurrence:
    """Return a range without what lies outside of the time."""
    if one.scheduled_for == one.until_at:
        return one
    begin, end = max(one.scheduled_for, first), min(one.until_at, last)
    return msgspec.structs.replace(one, scheduled_for=begin, until_at=max(begin + 1000, end))


def _check_size(found: Found, first: int, last: int) -> None:
    """Refuse what would take long: every instant is listed to be matched."""
    count = 0
    for schedule, rows in found:
        rule = rule_of(schedule)
        for one in rows:
            begin, end = max(one.scheduled_for, first), min(one.until_at, last)
            count += rule.count(begin - 1, end) if rule is not None and begin <= end else 1
            if count > MOST_INSTANTS:
                raise Invalid("from", f"more than {MOST_INSTANTS:,} instants were due", hint="compare less time")
