"""Apply a file over REST: a plan first, then all of it or nothing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import applying
from rota.actions.applying import ApplyIn, Change, Undone
from rota.api.answers import Answer
from rota.api.context import Context
from rota.api.operations import Operations
from rota.api.reply import JsonReply
from rota.store.database import Tx

operations = Operations("Apply")

EXAMPLE = {
    "source": "billing.toml",
    "schedules": {"digest": {"jobType": "weekly_digest", "cron": "0 9 * * MON", "timezone": "Europe/Paris"}},
    "calendars": {"days-off": {"weekdays": ["SAT", "SUN"], "country": "FR"}},
    "queues": {"mail": {"concurrency": 5}},
    "prune": True,
    "dryRun": True,
}
_EVENTS = {"create": "saved", "update": "saved", "delete": "removed"}


class FieldOut(Answer):
    """A field that gets another value."""

    field: str
    from_: Any = msgspec.field(name="from")
    to: Any


class ChangeOut(Answer):
    """What becomes of one thing."""

    kind: Literal["calendar", "queue", "schedule"]
    id: str
    action: Literal["create", "update", "unchanged", "delete", "refused"]
    fields: list[FieldOut]
    reason: str | None


class Applied(Answer):
    """What the file changes; `applied` is false for a dry run."""

    source: str
    applied: bool
    changes: list[ChangeOut]


@operations.add(
    "POST",
    "/api/apply",
    "applyFile",
    role="operator",
    body=ApplyIn,
    example=EXAMPLE,
    answer=Applied,
    problems=(409,),
)
async def apply(context: Context) -> Response:
    """Make schedules, calendars and queues what a file says, all or nothing.

    With `dryRun` nothing is changed: the answer is the plan. The schedules then belong to the file (`source`); those of
    another owner or another file are refused, and nothing is applied, unless `takeOver` is said. `prune` deletes the
    schedules that the same source declared before and declares no more. A target of its own takes an admin.
    """
    spec, settings = await context.body(ApplyIn), context.settings
    caller = msgspec.structs.replace(context.caller, origin="file")
    documents = await context.service.think(lambda: applying.read(spec))

    def work(tx: Tx) -> list[Change]:
        changes = applying.apply(tx, spec, documents, caller, settings)
        tx.after_commit(lambda: _tell(changes, caller.subject))
        return changes

    try:
        changes = await context.write_alone(work)
    except Undone as tried:
        changes = tried.changes
    return JsonReply({"source": spec.source, "applied": not spec.dry_run, "changes": [_shown(one) for one in changes]})


def _shown(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "id": change.id,
        "action": change.action,
        "fields": [{"field": one.field, "from": one.before, "to": one.after} for one in change.fields],
        "reason": change.reason,
    }


def _tell(changes: list[Change], by: str | None) -> None:
    for change in changes:
        done = _EVENTS.get(change.action)
        if done is None:
            continue
        if change.kind == "queue":
            logs.event("queue/changed", queue=change.id, by=by)
        elif change.kind == "calendar":
            logs.event("calendar/saved", calendar=change.id, version=change.version, by=by)
        elif done == "saved":
            logs.event("schedule/saved", scheduleId=change.id, version=change.version, by=by)
        else:
            logs.event("schedule/removed", scheduleId=change.id, by=by)
