"""One action on many schedules that somebody named."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rota.actions import schedules, switching
from rota.actions.specs import Caller, PauseIn, Spec
from rota.errors import Invalid
from rota.model import Schedule
from rota.settings import Settings
from rota.store import schedules as store
from rota.store.database import Tx

MOST = 1000

ScheduleAction = Literal["pause", "resume", "goLive"]


class ScheduleActionIn(Spec):
    """One action on the schedules with these ids; ``note`` and ``until`` are of ``pause``."""

    action: ScheduleAction
    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST)]
    note: str | None = None
    until: str | None = None


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each, by ids in their order."""

    changed: list[Schedule]
    same: list[str]
    """Those that were so already."""
    unknown: list[str]
    """Those that are not there (any more)."""


def act(tx: Tx, spec: ScheduleActionIn, caller: Caller, settings: Settings) -> Acted:
    """Do it to all that are there, in one transaction."""
    if spec.action != "pause" and (spec.note is not None or spec.until is not None):
        raise Invalid("note" if spec.note is not None else "until", f"is not for {spec.action}", hint="only for pause")
    ids = sorted(set(spec.ids))
    locked = store.lock_all(tx, [one for one in ids if "\0" not in one])
    those = list(locked.values())
    if spec.action == "pause":
        done = [one.id for one in those if one.paused_at is None]
        schedules.pause_all(tx, done, PauseIn(note=spec.note, until=spec.until), caller)
    elif spec.action == "resume":
        done = schedules.resume_all(tx, those, caller)
    else:
        done = sorted(switching.go_live_all(tx, those, caller, settings))
    after = store.get_all(tx, done) if done else {}
    return Acted(
        changed=[after[one] for one in sorted(after)],
        same=[one for one in ids if one in locked and one not in after],
        unknown=[one for one in ids if one not in locked],
    )
