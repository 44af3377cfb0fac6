"""What an edit of a schedule would change, before it is saved: fields, and the instants of the next days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rota.actions import calendars, ownership, present, rules, secrets
from rota.actions import schedules as schedule_actions
from rota.actions.definition import Draft, Maker
from rota.actions.specs import Caller, ScheduleIn, given
from rota.actions.targets import with_secrets_of
from rota.errors import Invalid
from rota.jsontext import check_name, is_said
from rota.model import Schedule
from rota.settings import Settings
from rota.store import schedules, types
from rota.store.database import Tx
from rota.timetable import Calendar, Rule

HORIZON_US = 7 * 24 * 3600 * 1_000_000
MOST_COMPARED = 20_000
"""Instants of either rule: a schedule of each second is compared over less than a day."""
MOST_SHOWN = 100
_NOT_SAID = frozenset(
    (
        "description", "runs", "nextAt", "lastAt", "lastJobId", "pausedAt", "pausedBy", "pausedNote", "resumeAt",
        "version", "createdAt", "updatedAt",
    )
)  # fmt: skip
"""What nobody says of a schedule, but what it has come to."""


class Change(msgspec.Struct, frozen=True):
    """A field that gets another value."""

    field: str
    before: Any
    after: Any


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit would do."""

    old: Schedule | None
    fresh: Schedule
    changes: list[Change]
    goes: list[int]
    """Instants that would be due no more (µs UTC)."""
    comes: list[int]
    """Instants that would be due now, and were not."""
    until: int
    """Up to when they were compared."""
    warnings: list[str]


def look(tx: Tx, schedule_id: str, spec: ScheduleIn, caller: Caller, settings: Settings) -> Edit:
    """Return what saving ``spec`` would change; nothing is stored.  Raises as saving it would."""
    check_name(schedule_id, "id")
    old = schedules.get(tx, schedule_id)
    known = types.named(tx, [spec.job_type] if spec.job_type and "\0" not in spec.job_type else [])
    if old is not None:
        spec = msgspec.structs.replace(spec, target=with_secrets_of(old.target, spec.target))
    schedule_actions.check_right(given(spec.target), old, caller)
    draft = Maker(known, caller, settings, tx.now()).draft(schedule_id, spec, old)
    if not draft.unchanged:
        ownership.check(draft, take_over=spec.take_over)
    calendars.check(tx, [draft.schedule])
    secrets.check_known(tx, [draft.schedule.target])
    both = [draft.schedule, *([old] if old is not None else [])]
    return compare(draft, calendars.named(tx, {name for one in both for name in calendars.names_of(one)}))


def compare(draft: Draft, closing: Mapping[str, Calendar]) -> Edit:
    """Return what a draft would change; ``closing`` are the calendars that are named."""
    old, fresh = draft.old, draft.schedule
    new_rule = rules.rule_of(fresh)
    old_rule = _understood(old) if old is not None else None
    until = draft.at + HORIZON_US
    for rule in (old_rule, new_rule):
        if rule is not None and rule.count(draft.at, until) > MOST_COMPARED:
            until = min(until, rule.between(draft.at, until, MOST_COMPARED)[-1])
    before = _open(old, _instants(old, old_rule, draft.at, until), closing)
    after = _open(fresh, _instants(fresh, new_rule, draft.at, until), closing)
    return Edit(
        old=old,
        fresh=fresh,
        changes=changes(old, fresh),
        goes=sorted(before - after),
        comes=sorted(after - before),
        until=until,
        warnings=new_rule.warnings(draft.at),
    )


def _understood(schedule: Schedule) -> Rule | None:
    try:
        return rules.rule_of(schedule)
    except (Invalid, msgspec.ValidationError):
        return None


def _instants(schedule: Schedule | None, rule: Rule | None, after: int, until: int) -> set[int]:
    """Return when a schedule would make jobs."""
    if schedule is None or rule is None or schedule.next_at is None:
        return set()
    left = None if schedule.max_runs is None else max(0, schedule.max_runs - schedule.runs)
    limit = MOST_COMPARED if left is None else min(left, MOST_COMPARED)
    if schedule.paused_at is not None:
        if schedule.resume_at is None:
            return set()
        after = max(after, schedule.resume_at - 1)
    found = set(rule.between(after, until, limit))
    if schedule.next_at <= after and (left is None or left > 0):  # one instant that has passed, and is due still
        found.add(schedule.next_at)
    return found


def _open(schedule: Schedule | None, instants: set[int], closing: Mapping[str, Calendar]) -> set[int]:
    """Return the instants that do not fall into a calendar of the schedule."""
    if schedule is None or not instants:
        return instants
    try:
        spans = calendars.closed(schedule, closing, min(instants), max(instants) + 1)
    except Invalid:  # such a schedule waits until its calendar can be read
        return set()
    return {instant for instant in instants if not any(first <= instant < end for first, end, _ in spans)}


def changes(old: Schedule | None, fresh: Schedule) -> list[Change]:
    """Return the fields that differ, as they are shown."""
    before = _shown(old) if old is not None else {}
    after = _shown(fresh)
    # As JSON, as they are shown: a secret that is masked in both is not told.
    changed = [name for name in after if _plain(before.get(name)) != _plain(after[name])]
    found = [Change(name, before.get(name), after[name]) for name in changed]
    if old is not None and old.target != fresh.target and "target" not in changed:
        found.append(Change("target", "(a secret in it)", "(another secret)"))
    return found


def _shown(schedule: Schedule) -> dict[str, Any]:
    return {name: value for name, value in present.schedule(schedule).items() if name not in _NOT_SAID}


def _plain(value: Any) -> Any:
    """What says nothing is all the same."""
    decoded = msgspec.json.decode(msgspec.json.encode(value))
    return decoded if is_said(decoded) else None
