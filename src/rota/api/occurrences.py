"""The past of schedules over REST: what became of their instants, what they were, and back to that."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota.actions import present
from rota.actions import schedules as schedule_actions
from rota.actions import versions as version_actions
from rota.actions.definition import restored
from rota.actions.specs import RollbackIn
from rota.api.context import Context
from rota.api.paging import PageQuery, answered, encode_cursor
from rota.api.reply import JsonReply
from rota.api.schedule_answers import OccurrenceList, ScheduleOut, VersionList, VersionOut
from rota.api.schedule_view import rule_of, schedule_operations, shown, tell_saved, version_shown
from rota.errors import NotFound
from rota.model import Occurrence, Schedule
from rota.store import occurrences as ledger
from rota.store import schedules, versions
from rota.store.counting import count_up_to
from rota.store.database import Tx
from rota.timetable import Rule

operations = schedule_operations()


@operations.add("GET", "/api/schedules/{id}/occurrences", "listOccurrences", query=PageQuery, answer=OccurrenceList)
async def list_occurrences(context: Context) -> Response:
    """List the due instants of a schedule and what became of each, the latest first.

    Neighbours with the same fate that made no job are one item `from`…`to` with their `count`, by the rule that held
    then; null where nobody knows that rule any more. `jobStatus`, `startedAt` and `durationMs` are those of the job,
    as long as it is kept.
    """
    schedule_id, query = context.path("id"), context.query(PageQuery)
    before, limit = query.before_number(), query.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = ledger.listed(tx, schedule_id, before=before, limit=limit + 1, offset=query.offset())
        if not found:  # of one that was deleted the history is left
            schedule_actions.known(tx, schedule_id)
        page = found[:limit]
        rules = _Rules(tx, schedule_id, [one.version for one in page if one.scheduled_for != one.until_at])
        more = encode_cursor(str(page[-1].scheduled_for)) if len(found) > limit else None
        total = count_up_to(tx, "rota_occurrences", "schedule_id = :id", {"id": schedule_id})
        runs = ledger.runs(tx, page)
        items = [present.occurrence(one, rules.count(one), runs.get(one.job_id or "")) for one in page]
        return answered("occurrences", items, query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


class _Rules:
    """The rules that a schedule had in some of its versions."""

    def __init__(self, tx: Tx, schedule_id: str, numbers: list[int]) -> None:
        self._known: dict[int, Rule | None] = {}
        now = schedules.get(tx, schedule_id) if numbers else None
        if now is not None:
            self._known[now.version] = rule_of(now)
        missing = [number for number in numbers if number not in self._known]
        found = versions.numbered(tx, schedule_id, missing) if missing else {}
        for number, version in found.items():
            if version.definition is not None:
                self._known[number] = rule_of(restored(version.definition, schedule_id))

    def count(self, one: Occurrence) -> int | None:
        """Return how many instants a range covers."""
        first, last = one.scheduled_for, one.until_at
        rule = self._known.get(one.version)
        if first == last or rule is None or rule.next(first - 1) != first or rule.next(last - 1) != last:
            return None
        return rule.count(first - 1, last)


@operations.add("GET", "/api/schedules/{id}/versions", "listVersions", query=PageQuery, answer=VersionList)
async def list_versions(context: Context) -> Response:
    """List what a schedule was and since when, and who changed it, the latest version first.

    Also of one that was deleted.
    """
    schedule_id, query = context.path("id"), context.query(PageQuery)
    before, limit = query.before_number(), query.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = version_actions.listed(tx, schedule_id, before=before, limit=limit + 1, offset=query.offset())
        page = found[:limit]
        more = encode_cursor(str(page[-1].version)) if len(found) > limit else None
        total = count_up_to(tx, "rota_schedule_versions", "schedule_id = :id", {"id": schedule_id})
        return answered("versions", [version_shown(one) for one in page], query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/schedules/{id}/versions/{version}", "getVersion", answer=VersionOut)
async def get_version(context: Context) -> Response:
    """Look at what a schedule was in one version."""
    schedule_id, text = context.path("id"), context.path("version")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(f"there is no version {text[:20]} of schedule {schedule_id[:100]}")
    return JsonReply(version_shown(await context.read(lambda tx: version_actions.known(tx, schedule_id, int(text)))))


@operations.add(
    "POST",
    "/api/schedules/{id}/rollback",
    "rollBackSchedule",
    role="operator",
    body=RollbackIn,
    example={"version": 3},
    answer=ScheduleOut,
    problems=(409,),
)
async def roll_back(context: Context) -> Response:
    """Make a schedule again what it was in a version, as its next version.

    One that was deleted comes back. It stays paused or not, as it is, and nothing that ran runs again. A target of its
    own takes an admin where it is another than that of now.
    """
    schedule_id, spec = context.path("id"), await context.body(RollbackIn)
    caller, settings = context.caller, context.settings

    def work(tx: Tx) -> Schedule:
        before = schedules.get(tx, schedule_id)
        saved = version_actions.roll_back(tx, schedule_id, spec, caller, settings)
        if before is None or saved.version != before.version:
            tell_saved(tx, saved, caller.subject)
        return saved

    return JsonReply(shown(await context.write(work)))
