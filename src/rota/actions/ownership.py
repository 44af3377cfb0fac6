"""Whose a schedule is: code, a file or people.  One owner does not silently overwrite another."""

from __future__ import annotations

from typing import NoReturn

from rota.actions.definition import Draft
from rota.errors import Owned
from rota.model import Schedule

_OWNERS = {"file": "a file", "api": "the people who edit it by hand"}


def differs(draft: Draft) -> bool:
    """Tell whether a draft belongs to somebody else than the schedule as it is."""
    old, fresh = draft.old, draft.schedule
    if old is None:
        return False
    if old.owner != fresh.owner:
        return True
    return fresh.owner == "file" and old.source is not None and old.source != fresh.source


def check(draft: Draft, *, take_over: bool) -> None:
    """Raise Owned for the schedule of another owner, unless it is taken over."""
    if not take_over and draft.old is not None and differs(draft):
        refuse(draft.old)


def refuse(schedule: Schedule) -> NoReturn:
    """Raise Owned."""
    hint = 'change it there, or send "takeOver": true (--take-over) to make it yours'
    raise Owned(f"schedule {schedule.id} belongs to {name(schedule)}", hint=hint)


def name(schedule: Schedule) -> str:
    """Say whose a schedule is."""
    who = _OWNERS.get(schedule.owner, schedule.owner)
    return f"{who} ({schedule.source})" if schedule.source else who
