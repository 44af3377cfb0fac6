"""Versions of a schedule: looked at, and gone back to."""

from __future__ import annotations

import msgspec

from rota.actions import ownership, schedules, secrets
from rota.actions.definition import Maker
from rota.actions.schedules import Saved
from rota.actions.specs import Caller, RollbackIn
from rota.errors import Conflict, NotFound
from rota.model import Schedule, ScheduleVersion
from rota.settings import Settings
from rota.store import schedules as store
from rota.store import types, versions
from rota.store.database import Tx


def listed(tx: Tx, schedule_id: str, *, before: int | None, limit: int, offset: int = 0) -> list[ScheduleVersion]:
    """Return versions, the latest first, of one that was deleted too; raises NotFound where there never was any."""
    found = versions.listed(tx, schedule_id, before=before, limit=limit, offset=offset)
    if not found and before is None and not offset:
        schedules.known(tx, schedule_id)
    return found


def known(tx: Tx, schedule_id: str, version: int) -> ScheduleVersion:
    """Return a version; raises NotFound."""
    found = versions.get(tx, schedule_id, version) if 0 < version < 1 << 62 else None
    if found is None:
        raise NotFound(f"there is no version {version} of schedule {schedule_id[:100]}")
    return found


def roll_back(tx: Tx, schedule_id: str, spec: RollbackIn, caller: Caller, settings: Settings) -> Schedule:
    """Make a schedule again what it was in a version, as its next version; one that was deleted comes back.

    It stays paused or not, as it is.  What it owes is settled as by any edit, and nothing that ran runs again.
    """
    wanted = known(tx, schedule_id, spec.version)
    if wanted.definition is None:
        raise Conflict(f"version {spec.version} is where it was deleted", hint="choose another version")
    old = store.lock(tx, schedule_id)
    type_name = msgspec.json.decode(wanted.definition).get("type")
    maker = Maker(types.named(tx, [type_name] if type_name else []), caller, settings, tx.now())
    draft = maker.back(schedule_id, wanted.definition, old)
    if old is not None and draft.unchanged:
        return old
    schedules.check_right(draft.schedule.target, old, caller)
    if old is not None and old.owner != "api":
        if not spec.take_over:
            ownership.refuse(old)
        draft.schedule.owner, draft.schedule.source = "api", None
    secrets.check_known(tx, [draft.schedule.target])
    saved = schedules.store(tx, [draft], caller, "rolledBack", f"to version {spec.version}")
    found: Saved | None = saved.get(schedule_id)
    if found is None:
        raise Conflict(f"schedule {schedule_id} was made anew meanwhile", hint="try again")
    return found.schedule
