"""The past of schedules over REST: what became of their instants, what they were, and back to that."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from rota.actions import present
from rota.actions import schedules as schedule_actions
from rota.actions import versions as version_actions
from rota.actions.definition import restored
from rota.actions.specs import RollbackIn
from rota.api.context import Context
from rota.api.paging import decode_cursor, encode_cursor
from rota.api.reply import JsonReply
from rota.api.schedule_answers import OccurrenceList, ScheduleOut, VersionList, VersionOut
from rota.api.schedule_view import rule_of, schedule_operations, shown, tell_saved, version_shown
from rota.errors import Invalid, NotFound
from rota.model import Occurrence, Schedule
from rota.store import occurrences as ledger
from rota.store import schedules, versions
from rota.store.database import Tx
from rota.timetable import Rule

operations = schedule_operations()

_Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="Most items to answer with.")]
_Cursor = Annotated[str, msgspec.Meta(description="`nextCursor` of the page before.")]


class PastQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which page."""

    limit: _Limit = 50
    cursor: _Cursor | None = None


@operations.add("GET", "/api/schedules/{id}/occurrences", "listOccurrences", query=PastQuery, answer=OccurrenceList)
async def list_occurrences(context: Context) -> Response:
    """List the due instants of a schedule and what became of each, the latest first.

    Neighbours with the same fate that made no job are one item `from`…`to` with their `count`, by the rule that held
    then; null where nobody knows that rule any more.
    """
    schedule_id, query = context.path("id"), context.query(PastQuery)
    before = _before(query.cursor)

    def look(tx: Tx) -> dict[str, Any]:
        found = ledger.listed(tx, schedule_id, before=before, limit=query.limit + 1)
        if not found:  # of one that was deleted the history is left
            schedule_actions.known(tx, schedule_id)
        page = found[: query.limit]
        rules = _Rules(tx, schedule_id, [one.version for one in page if one.scheduled_for != one.until_at])
        return {
            "occurrences": [present.occurrence(one, rules.count(one)) for one in page],
            "limit": query.limit,
            "nextCursor": encode_cursor(str(page[-1].scheduled_for)) if len(found) > query.limit else None,
        }

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


@operations.add("GET", "/api/schedules/{id}/versions", "listVersions", query=PastQuery, answer=VersionList)
async def list_versions(context: Context) -> Response:
    """List what a schedule was and since when, and who changed it, the latest version first.

    Also of one that was deleted.
    """
    schedule_id, query = context.path("id"), context.query(PastQuery)
    before = _before(query.cursor)

    def look(tx: Tx) -> dict[str, Any]:
        found = version_actions.listed(tx, schedule_id, before=before, limit=query.limit + 1)
        page = found[: query.limit]
        return {
            "versions": [version_shown(one) for one in page],
            "limit": query.limit,
            "nextCursor": encode_cursor(str(page[-1].version)) if len(found) > query.limit else None,
        }

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

    One that was deleted comes back. It stays paused or not, as it is, and nothing that ran runs again.
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


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    text = decode_cursor(cursor)
    if not text.removeprefix("-").isdigit() or len(text) > 19:
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")
    return int(text)
