"""Schedules as the API shows them, and tells of them in the log."""

from __future__ import annotations

from typing import Any

import msgspec

from rota import logs
from rota.actions import present, rules
from rota.actions.definition import restored
from rota.api.operations import Operations, Parameter
from rota.errors import Invalid
from rota.model import Schedule, ScheduleVersion
from rota.store.database import Tx
from rota.timetable import Rule

ID = Parameter(name="id", description="Id of the schedule.", example="digest")
VERSION = Parameter(name="version", description="Number of the version.", example="3")


def schedule_operations() -> Operations:
    """Return a collection for operations on schedules."""
    return Operations("Schedules", ID, VERSION)


def rule_of(schedule: Schedule) -> Rule | None:
    """Return the rule, None where what is stored cannot be understood (any more): it must be seen to be mended."""
    try:
        return rules.rule_of(schedule)
    except (Invalid, msgspec.ValidationError):
        return None


def shown(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule, its rule also in words."""
    rule = rule_of(schedule)
    return present.schedule(schedule, rule.describe() if rule else None)


STATE = (
    "runs", "nextAt", "lastAt", "lastJobId", "paused", "pausedAt", "pausedBy", "pausedNote", "resumeAt",
    "version", "createdAt", "updatedAt",
)  # fmt: skip


def version_shown(version: ScheduleVersion) -> dict[str, Any]:
    """Return a version with what the schedule was, its secrets masked."""
    found: dict[str, Any] = {
        "version": version.version,
        "action": version.action,
        "author": version.author,
        "note": version.note,
        "at": present.instant(version.at),
        "schedule": None,
    }
    if version.definition is not None:
        whole = shown(restored(version.definition, version.schedule_id))
        found["schedule"] = {name: value for name, value in whole.items() if name not in STATE}
    return found


def tell_saved(tx: Tx, schedule: Schedule, by: str | None) -> None:
    """Write the line of a change, once it is durable."""
    schedule_id, version = schedule.id, schedule.version
    tx.after_commit(lambda: logs.event("schedule/saved", scheduleId=schedule_id, by=by, version=version))
