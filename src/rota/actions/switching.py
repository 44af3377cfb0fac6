"""Schedules that only observed go live."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.actions import definition, rules, schedules
from rota.actions.definition import Draft
from rota.actions.specs import Caller
from rota.errors import Invalid
from rota.model import Schedule
from rota.settings import Settings
from rota.store import types
from rota.store.database import Tx

NOTE = "went live"


def go_live(tx: Tx, schedule_id: str, caller: Caller, settings: Settings) -> Schedule:
    """End the shadow of a schedule, as its next version; its owner stays who it is.

    Instants up to now stay accounted for as observed, and do not run.  Raises NotFound.
    """
    old = schedules.locked(tx, schedule_id)
    return go_live_all(tx, [old], caller, settings).get(schedule_id, old)


def go_live_all(tx: Tx, old: Sequence[Schedule], caller: Caller, settings: Settings) -> dict[str, Schedule]:
    """As ``go_live``, for locked schedules; return what became of those that were in the shadow, by their ids."""
    now, dark = tx.now(), [one for one in old if one.shadow]
    known = types.named(tx, {one.type for one in dark if one.type}) if dark else {}
    drafts = []
    for one in dark:
        fresh = msgspec.structs.replace(one, shadow=0, updated_at=now)
        if fresh.next_at is not None and fresh.next_at <= now:
            fresh.next_at = rules.rule_of(fresh).next(now)
        try:
            job = definition.job_of(fresh, known.get(one.type or ""), settings)
        except Invalid as error:
            raise Invalid(error.field, f"of schedule {one.id}: {error.reason}", hint=error.hint) from None
        drafts.append(Draft(schedule=fresh, old=one, same_rule=True, job=job, at=now))
    return {name: saved.schedule for name, saved in schedules.store(tx, drafts, caller, note=NOTE).items()}
