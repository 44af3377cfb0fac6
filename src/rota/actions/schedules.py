"""Actions on schedules: made and edited, one or many, paused, resumed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rota import logs
from rota.actions import calendars, ownership, present, rules, secrets, settling
from rota.actions.decoding import of_many
from rota.actions.definition import Draft, Maker, document, same_definition
from rota.actions.overlap import turn_key
from rota.actions.settling import Debt
from rota.actions.specs import Caller, PauseIn, PreviewIn, ScheduleIn, given
from rota.actions.targets import with_secrets_of
from rota.actions.types import name_the_nearest
from rota.errors import Conflict, Forbidden, Invalid, NotFound
from rota.jsontext import check_name, check_text, same_json
from rota.model import Schedule, ScheduleVersion, VersionAction
from rota.settings import Settings
from rota.store import audit, schedules, turns, types, versions
from rota.store import occurrences as ledger
from rota.store.database import Tx
from rota.store.versions import Repeat
from rota.timetable import format_instant, parse_instant

MAX_PREVIEW = 1000
MOST_TOGETHER = 10_000
_TRIES = 5
"""How often a schedule that others make at the same moment is looked at again."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a schedule that was said."""

    schedule: Schedule
    action: VersionAction | None = None
    """None where nothing changed."""
    left_to: str | None = None
    """Whose it is, where it was left as it is for that."""


def put(tx: Tx, schedule_id: str, spec: ScheduleIn, caller: Caller, settings: Settings) -> Schedule:
    """Create a schedule, or make what is said the next version of it.

    Saying the same again changes nothing: ``schedule_periodic`` is called at every start of an application.  A new
    rule counts from now; an unchanged one keeps its next instant.  Raises Owned for another owner's.
    """
    return save(tx, schedule_id, spec, caller, settings).schedule


def save(tx: Tx, schedule_id: str, spec: ScheduleIn, caller: Caller, settings: Settings) -> Saved:
    """As ``put``; tell what became of it."""
    check_name(schedule_id, "id")
    if spec.id is not None and spec.id != schedule_id:
        raise Invalid("id", f"{spec.id!r} is not the id of the address, {schedule_id!r}")
    return _put(tx, {schedule_id: spec}, caller, settings, leave=False)[0]


def put_many(
    tx: Tx,
    specs: Sequence[ScheduleIn],
    caller: Caller,
    settings: Settings,
    *,
    leave: bool = False,
    numbered: bool = True,
    fitting: bool = False,
) -> list[Saved]:
    """Create or edit many schedules, each with its ``id``, all or none; return what became of each, in order.

    Unchanged ones cost one read and no write.  ``leave`` leaves another owner's as they are instead of raising Owned.
    ``numbered`` names what is wrong as ``schedules.3.cron``.  ``fitting`` says that the functions of the types have
    checked their arguments.
    """
    if len(specs) > MOST_TOGETHER:
        raise Invalid("schedules", f"{len(specs)} are too many at once", hint=f"at most {MOST_TOGETHER}")
    wanted: dict[str, ScheduleIn] = {}
    for place, spec in enumerate(specs):
        with of_many(place if numbered else None):
            if spec.id is None:
                raise Invalid("id", "is missing", hint='for example "id": "nightly"')
            if spec.id in wanted:
                raise Invalid("id", f"{spec.id!r} is given twice")
            wanted[check_name(spec.id, "id")] = spec
    return _put(tx, wanted, caller, settings, leave=leave, many=numbered, fitting=fitting)


def tell_left(saved: Sequence[Saved]) -> None:
    """Warn of the schedules that belong to somebody else now."""
    for one in saved:
        if one.left_to is not None:
            logs.event(
                "schedule/left",
                f"schedule {one.schedule.id} belongs to {one.left_to} now; what the code says of it is not used",
                level="warning",
                scheduleId=one.schedule.id,
                owner=one.schedule.owner,
            )


def _put(
    tx: Tx,
    wanted: dict[str, ScheduleIn],
    caller: Caller,
    settings: Settings,
    *,
    leave: bool,
    many: bool = False,
    fitting: bool = False,
) -> list[Saved]:
    places = {schedule_id: place if many else None for place, schedule_id in enumerate(wanted)}
    known = types.named(tx, {spec.job_type for spec in wanted.values() if spec.job_type and "\0" not in spec.job_type})
    before = schedules.get_all(tx, list(wanted))
    maker = Maker(known, caller, settings, tx.now(), fitting=fitting)
    saved: dict[str, Saved] = {}
    drafts: list[Draft] = []

    def look(schedule_id: str, old: Schedule | None) -> None:
        spec = wanted[schedule_id]
        with of_many(places[schedule_id]):
            if old is not None:
                spec = msgspec.structs.replace(spec, target=with_secrets_of(old.target, spec.target))
            check_right(given(spec.target), old, caller)
            try:
                draft = maker.draft(schedule_id, spec, old)
            except Invalid as error:
                name_the_nearest(tx, error, spec.job_type)
                raise
            if draft.unchanged and not (spec.take_over and ownership.differs(draft)):
                saved[schedule_id] = Saved(schedule=draft.old or draft.schedule)
            elif leave and not spec.take_over and ownership.differs(draft):
                assert old is not None, "what is new is nobody else's"
                saved[schedule_id] = Saved(schedule=old, left_to=ownership.name(old))
            else:
                ownership.check(draft, take_over=spec.take_over)
                secrets.check_known(tx, [draft.schedule.target])
                drafts.append(draft)

    for schedule_id in wanted:
        look(schedule_id, before.get(schedule_id))
    for _ in range(_TRIES):
        if not drafts:
            break
        locked = schedules.lock_all(tx, [draft.schedule.id for draft in drafts])
        maker.now = tx.now()
        stale = {draft.schedule.id for draft in drafts if not _same_state(draft.old, locked.get(draft.schedule.id))}
        drafts = [draft for draft in drafts if draft.schedule.id not in stale]
        for schedule_id in sorted(stale):
            look(schedule_id, locked.get(schedule_id))
        stored = store(tx, drafts, caller)
        saved |= stored
        drafts = [draft for draft in drafts if draft.schedule.id not in stored]
    if drafts:
        raise Conflict(f"{drafts[0].schedule.id} is made and deleted all the time", hint="try again")
    return [saved[schedule_id] for schedule_id in wanted]


def check_right(target: str | bytes | None, old: Schedule | None, caller: Caller) -> None:
    """Raise Forbidden for a new or changed target (JSON) of somebody who is no admin."""
    if caller.role == "admin" or target is None:
        return
    if old is None or old.target is None or not same_json(target, old.target):
        raise Forbidden(hint=f"a target of its own takes the role admin; the token has {caller.role}")


def _same_state(one: Schedule | None, other: Schedule | None) -> bool:
    """Tell whether a schedule was neither edited nor fired meanwhile."""
    if one is None or other is None:
        return one is other
    return (one.version, one.next_at, one.created_at) == (other.version, other.next_at, other.created_at)


def store(
    tx: Tx, drafts: Sequence[Draft], caller: Caller, action: VersionAction | None = None, note: str | None = None
) -> dict[str, Saved]:
    """Write drafts of locked schedules, each as a version; return those that were written, by their ids.

    One that somebody else makes at the same moment is left out.
    """
    calendars.check(tx, [draft.schedule for draft in drafts])
    by = f" by {caller.subject}" if caller.subject else ""
    debts = [
        Debt(old=draft.old, fresh=draft.schedule, job=draft.job, why=f"edited{by}", at=draft.at)
        for draft in drafts
        if draft.old is not None
        and (not draft.same_rule or _resumed(draft) or draft.old.shadow != draft.schedule.shadow)
    ]
    for draft in drafts:
        key = turn_key(draft.schedule)
        if key is not None and draft.old is not None and turn_key(draft.old) is None:
            turns.adopt(tx, key, draft.schedule.id)
    fired = settling.settle(tx, debts)
    _go_on(tx, drafts, fired)
    numbers = schedules.insert(tx, [draft.schedule for draft in drafts if draft.old is None])
    numbers |= schedules.update(tx, [draft.schedule for draft in drafts if draft.old is not None])
    written = [draft for draft in drafts if draft.schedule.id in numbers]
    saved: dict[str, Saved] = {}
    rows: list[ScheduleVersion] = []
    told: list[audit.Done] = []
    for draft in written:
        fresh = msgspec.structs.replace(draft.schedule, version=numbers[draft.schedule.id])
        done = action or _action(draft)
        saved[fresh.id] = Saved(schedule=fresh, action=done)
        rows.append(
            ScheduleVersion(
                schedule_id=fresh.id,
                version=fresh.version,
                action=done,
                author=caller.subject,
                note=note,
                definition=document(fresh),
                at=draft.at,
            )
        )
        told.append(_done(rows[-1], draft.old, fresh))
    versions.write(tx, rows)
    audit.record_all(tx, caller, told)
    for schedule_id in fired.keys() & saved.keys():
        saved[schedule_id] = Saved(schedule=known(tx, schedule_id), action=saved[schedule_id].action)
    return saved


def _done(row: ScheduleVersion, old: Schedule | None = None, fresh: Schedule | None = None) -> audit.Done:
    """Of an edit the audit has what differs; all that a schedule ever was stands in its versions."""
    before, after = None, {"version": row.version}
    if old is not None and fresh is not None:
        before, after = _told(old), _told(fresh)
    return audit.Done(
        action=row.action, noun="schedule", name=row.schedule_id, before=before, after=after, note=row.note
    )


def _told(schedule: Schedule) -> dict[str, Any]:
    return {name: value for name, value in present.schedule(schedule).items() if name not in NOT_SAID}


NOT_SAID = frozenset(("runs", "nextAt", "lastAt", "lastJobId", "createdAt", "updatedAt"))
"""What a schedule has come to, and nobody has said."""


def _go_on(tx: Tx, drafts: Sequence[Draft], fired: dict[str, int]) -> None:
    """Make schedules go on after what their ledgers cover, and not beyond the most runs that they may make."""
    back = [draft for draft in drafts if not draft.same_rule and settling.owes(draft.schedule, draft.at)]
    ends = ledger.ends(tx, [draft.schedule.id for draft in back])
    for draft in back:
        fresh = draft.schedule
        if fresh.next_at is not None and fresh.next_at <= ends.get(fresh.id, fresh.next_at - 1):
            fresh.next_at = rules.rule_of(fresh).next(ends[fresh.id])
    for draft in drafts:
        fresh = draft.schedule
        if fresh.max_runs is not None and fresh.runs + fired.get(fresh.id, 0) >= fresh.max_runs:
            fresh.next_at = None


def _resumed(draft: Draft) -> bool:
    return draft.old is not None and draft.old.paused_at is not None and draft.schedule.paused_at is None


def _action(draft: Draft) -> VersionAction:
    if draft.old is None:
        return "created"
    if ownership.differs(draft):
        return "takenOver"
    if same_definition(draft.old, draft.schedule):
        return "resumed" if _resumed(draft) else "paused"
    return "edited"


def known(tx: Tx, schedule_id: str) -> Schedule:
    """Return a schedule; raises NotFound."""
    found = schedules.get(tx, schedule_id) if "\0" not in schedule_id else None
    return _there(found, schedule_id)


def locked(tx: Tx, schedule_id: str) -> Schedule:
    """Return a schedule, kept from firing and changing until the transaction ends; raises NotFound."""
    found = schedules.lock(tx, schedule_id) if "\0" not in schedule_id else None
    return _there(found, schedule_id)


def _there(found: Schedule | None, schedule_id: str) -> Schedule:
    if found is None:
        raise NotFound(f"there is no schedule {schedule_id[:100]}")
    return found


def delete(tx: Tx, schedule_id: str, caller: Caller) -> None:
    """Delete a schedule; what it still owed is missed.  Its history stays until its retention ends."""
    old, now = locked(tx, schedule_id), tx.now()
    by = f" by {caller.subject}" if caller.subject else ""
    settling.settle(tx, [Debt(old=old, fresh=None, job=None, why=f"deleted{by}", at=now)])
    schedules.delete(tx, schedule_id)
    gone = ScheduleVersion(
        schedule_id=schedule_id, version=old.version + 1, action="deleted", author=caller.subject, at=now
    )
    versions.write(tx, [gone])
    audit.record_all(tx, caller, [_done(gone)])


def pause(tx: Tx, schedule_id: str, spec: PauseIn, caller: Caller) -> Schedule:
    """Pause a schedule: its instants are accounted for as paused, until it is resumed or ``until`` has come."""
    known(tx, schedule_id)
    pause_all(tx, [schedule_id], spec, caller)
    return known(tx, schedule_id)


def pause_all(tx: Tx, ids: Sequence[str], spec: PauseIn, caller: Caller) -> None:
    """As ``pause``, for schedules that are there; one that is paused already gets the new note and end."""
    note = check_text(spec.note, "note", max_length=1000) if spec.note else None
    until = parse_instant(spec.until, "until") if spec.until else None
    if until is not None and until <= tx.now():
        raise Invalid("until", "has passed already")
    if not ids:
        return
    schedules.pause_all(tx, ids, by=caller.subject, note=note, until=until)
    told = " ".join(part for part in (f"until {format_instant(until)}" if until is not None else None, note) if part)
    _repeat(tx, ids, "paused", caller, told or None)


def resume(tx: Tx, schedule_id: str, caller: Caller) -> Schedule:
    """End a pause; what was due meanwhile is accounted for as paused and does not run."""
    old = locked(tx, schedule_id)
    resume_all(tx, [old], caller)
    return known(tx, schedule_id)


def resume_all(tx: Tx, old: Sequence[Schedule], caller: Caller) -> list[str]:
    """As ``resume``, for locked schedules; return the ids of those that were paused."""
    paused = [one for one in old if one.paused_at is not None]
    ids = [one.id for one in paused]
    if ids:
        by = f" by {caller.subject}" if caller.subject else ""
        settling.settle(tx, [Debt(old=one, fresh=None, job=None, why=f"resumed{by}", at=tx.now()) for one in paused])
        schedules.resume_all(tx, ids)
        _repeat(tx, ids, "resumed", caller)
    return ids


def _repeat(tx: Tx, ids: Sequence[str], action: VersionAction, caller: Caller, note: str | None = None) -> None:
    """Note that schedules were paused or resumed: as their next versions, and in the audit."""
    repeats = [Repeat(schedule_id=one, action=action, author=caller.subject, note=note) for one in ids]
    versions.repeat(tx, repeats)
    audit.record_all(tx, caller, [audit.Done(action=action, noun="schedule", name=one, note=note) for one in ids])


class Preview(msgspec.Struct, rename="camel"):
    """What a rule means."""

    description: str
    instants: list[int]
    """µs UTC."""
    warnings: list[str]


def preview(spec: PreviewIn, now_us: int) -> Preview:
    """Return the next instants of a rule, strictly after ``after`` (now by default); the database is not asked."""
    if not 1 <= spec.count <= MAX_PREVIEW:
        raise Invalid("count", f"{spec.count} is out of range", hint=f"from 1 to {MAX_PREVIEW}")
    after = parse_instant(spec.after, "after") if spec.after is not None else now_us
    start, end = rules.bounds(spec)
    anchor = start if start is not None else after
    rule = rules.parse(
        rules.stored(spec), key=spec.id or "", timezone=rules.timezone(spec), anchor_us=anchor, start=start, end=end
    )
    return Preview(rule.describe(), rule.instants(after, spec.count), rule.warnings(after))
