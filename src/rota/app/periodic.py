"""Schedules that a program makes while it runs: at every start of every process, and the same ones each time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rota.actions import ownership, schedules
from rota.actions.schedules import Saved
from rota.actions.specs import Caller, PauseIn, ScheduleIn
from rota.errors import Invalid
from rota.jsontext import check_name
from rota.settings import Settings
from rota.store import schedules as store
from rota.store.database import Tx

SWITCHED_OFF = "schedule_periodic"
"""Who pauses a schedule whose interval is zero or less.  The pause of a person is another, which no start ends."""
CODE = Caller("code")


def check_interval(seconds: float) -> float:
    """Return an interval; raises Invalid for what is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or math.isnan(seconds):
        raise Invalid("every_seconds", f"{seconds!r} is no number of seconds", hint="0 or less switches it off")
    return seconds


def item_of(item: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return id and fields of one of many schedules; no fields where it is switched off.  Raises Invalid."""
    if not isinstance(item, Mapping):
        raise Invalid("", f"{item!r} is no schedule", hint='for example {"id": "a", "func": f, "every_seconds": 60}')
    fields = dict(item)
    schedule_id = check_name(str(fields.pop("id", "")), "id")
    if "every_seconds" in fields:
        fields["every"] = check_interval(fields.pop("every_seconds"))
        if fields["every"] <= 0:
            return schedule_id, None
    if fields.get("func") is None:
        raise Invalid("func", "is missing", hint="say what to run")
    return schedule_id, fields


def switch_on(
    specs: Sequence[ScheduleIn], settings: Settings, *, many: bool, fitting: bool
) -> Callable[[Tx], list[Saved]]:
    """Return what writes schedules, and ends the pauses of intervals of zero.

    Those that somebody has taken over stay as they are.
    """

    def put(tx: Tx) -> list[Saved]:
        saved = schedules.put_many(tx, specs, CODE, settings, leave=True, numbered=many, fitting=fitting)
        for place, one in enumerate(saved):
            if one.left_to is None and one.schedule.paused_by == SWITCHED_OFF and one.schedule.paused_at is not None:
                saved[place] = Saved(schedule=schedules.resume(tx, one.schedule.id, CODE), action="resumed")
        tx.after_commit(lambda: schedules.tell_left(saved))
        return saved

    return put


def switch_off(ids: Sequence[str]) -> Callable[[Tx], list[Saved]]:
    """Return what pauses those of some schedules that there are, that are code's, and that nobody has paused."""

    def pause(tx: Tx) -> list[Saved]:
        found = store.get_all(tx, ids)
        running = [one.id for one in found.values() if one.paused_at is None and one.owner == "code"]
        locked = store.lock_all(tx, running) if running else {}
        note = PauseIn(note="switched off: its interval is zero or less")
        paused = [
            Saved(schedule=schedules.pause(tx, one.id, note, Caller(SWITCHED_OFF)), action="paused")
            for one in locked.values()
            if one.paused_at is None
        ]
        others = [one for one in found.values() if one.owner != "code"]
        left = [Saved(schedule=one, left_to=ownership.name(one)) for one in others]
        tx.after_commit(lambda: schedules.tell_left(left))
        return paused

    return pause
