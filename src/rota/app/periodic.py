"""``schedule_periodic``: called at every start of every process of a program, and the same schedule each time."""

from __future__ import annotations

import math
from collections.abc import Callable

from rota.actions import schedules
from rota.actions.specs import Caller, PauseIn, ScheduleIn
from rota.errors import Invalid
from rota.settings import Settings
from rota.store import schedules as store
from rota.store.database import Tx

SWITCHED_OFF = "schedule_periodic"
"""Who pauses a schedule whose interval is zero or less.  The pause of a person is another, which no start ends."""


def check_interval(seconds: float) -> float:
    """Return an interval; raises Invalid for what is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or math.isnan(seconds):
        raise Invalid("every_seconds", f"{seconds!r} is no number of seconds", hint="0 or less switches it off")
    return seconds


def switch_on(spec: ScheduleIn, settings: Settings) -> Callable[[Tx], None]:
    """Return what writes the schedule, and ends the pause of an interval of zero."""

    def put(tx: Tx) -> None:
        schedule = schedules.put(tx, str(spec.id), spec, Caller("code"), settings)
        if schedule.paused_at is not None and schedule.paused_by == SWITCHED_OFF:
            schedules.resume(tx, schedule.id, Caller("code"))

    return put


def switch_off(schedule_id: str) -> Callable[[Tx], None]:
    """Return what pauses the schedule if there is one, and nobody has paused it."""

    def pause(tx: Tx) -> None:
        old = store.lock(tx, schedule_id)
        if old is not None and old.paused_at is None:
            note = PauseIn(note="switched off: its interval is zero or less")
            schedules.pause(tx, schedule_id, note, Caller(SWITCHED_OFF))

    return pause
