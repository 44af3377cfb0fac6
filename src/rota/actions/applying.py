"""Apply a file: schedules, calendars and queues become what it says, all or nothing, after a plan of what changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from rota.actions import calendars, edits, present, schedules
from rota.actions import queues as queue_actions
from rota.actions.calendars import Document
from rota.actions.schedules import Saved
from rota.actions.specs import CalendarIn, Caller, QueueIn, ScheduleIn, Spec
from rota.errors import Invalid, NotFound, Owned
from rota.executors.http_mask import MASK
from rota.jsontext import check_name, check_queue, check_text
from rota.model import Queue, Schedule
from rota.settings import Settings
from rota.store import calendars as calendar_store
from rota.store import owned, queues
from rota.store import schedules as schedule_store
from rota.store.database import Tx

MOST_CALENDARS = 1000
MOST_QUEUES = 1000
LONGEST_SOURCE = 200
NAMED = 5

Kind = Literal["calendar", "queue", "schedule"]
Action = Literal["create", "update", "unchanged", "delete", "refused"]


class ApplyIn(Spec):
    """What a file says, and how it is meant."""

    source: str
    schedules: dict[str, ScheduleIn] = msgspec.field(default_factory=dict)
    calendars: dict[str, CalendarIn] = msgspec.field(default_factory=dict)
    queues: dict[str, QueueIn] = msgspec.field(default_factory=dict)
    prune: bool = False
    take_over: bool = False
    dry_run: bool = False


class Field(msgspec.Struct, frozen=True):
    """A field that gets another value."""

    field: str
    before: Any
    after: Any


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one thing."""

    kind: Kind
    id: str
    action: Action
    fields: tuple[Field, ...] = ()
    reason: str | None = None
    """Why it is refused, or left."""
    version: int | None = None


class Undone(Exception):
    """The changes of a dry run."""

    def __init__(self, changes: list[Change]) -> None:
        super().__init__(changes)
        self.changes = changes


def read(spec: ApplyIn) -> dict[str, Document]:
    """Check what can be checked without the database, and return the calendars as they are stored."""
    check_text(spec.source, "source", max_length=LONGEST_SOURCE)
    if not spec.source.strip():
        raise Invalid("source", "is empty", hint="name the file, or who writes it")
    for field, given, most in (
        ("schedules", spec.schedules, schedules.MOST_TOGETHER),
        ("calendars", spec.calendars, MOST_CALENDARS),
        ("queues", spec.queues, MOST_QUEUES),
    ):
        if len(given) > most:
            raise Invalid(field, f"{len(given)} are too many in one file", hint=f"at most {most}")
    documents = {}
    for name, calendar in spec.calendars.items():
        with _within(f"calendars.{name}"):
            check_name(name, "name")
            documents[name] = calendars.read(calendar)
    return documents


def apply(tx: Tx, spec: ApplyIn, documents: Mapping[str, Document], caller: Caller, settings: Settings) -> list[Change]:
    """Make everything what the file says; return what became of each thing.

    Raises Owned where schedules belong to others, and Undone for a dry run: then nothing is changed.
    """
    owned.wait_for_others(tx)
    changes = [
        *_calendars(tx, spec, documents, caller),
        *_queues(tx, spec, caller, settings),
        *_schedules(tx, spec, caller, settings),
        *(_prune(tx, spec, caller) if spec.prune else ()),
    ]
    if spec.dry_run:
        raise Undone(changes)
    refused = [change for change in changes if change.action == "refused"]
    if refused:
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        names = ", ".join(change.id for change in refused[:NAMED])
        raise Owned(
            f"nothing was changed: {names}{more} cannot be changed by {spec.source}; {refused[0].reason}",
            hint='send "takeOver": true (--take-over), or "dryRun": true to see all',
        )
    return changes


@contextmanager
def _within(path: str) -> Iterator[None]:
    """Name the part of the file that is wrong."""
    try:
        yield
    except Invalid as error:
        raise type(error)(f"{path}.{error.field}", error.reason, hint=error.hint) from None


def _action(*, is_new: bool, changed: bool) -> Action:
    return "create" if is_new else "update" if changed else "unchanged"


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Field, ...]:
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Field(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def _calendars(tx: Tx, spec: ApplyIn, documents: Mapping[str, Document], caller: Caller) -> Iterator[Change]:
    for name, calendar in spec.calendars.items():
        old = calendar_store.get(tx, name)
        before = _said(old.document, old.note) if old is not None else {}
        with _within(f"calendars.{name}"):
            saved = calendars.put(tx, name, calendar, caller, documents[name])
        changed = old is None or old.version != saved.version
        fields = _fields(before, _said(saved.document, saved.note)) if changed else ()
        action = _action(is_new=old is None, changed=changed)
        yield Change(kind="calendar", id=name, action=action, fields=fields, version=saved.version)


def _said(document: str, note: str | None) -> dict[str, Any]:
    """Return what was said of a calendar; the events of a file are in the file."""
    said: dict[str, Any] = msgspec.json.decode(document)
    said.pop("events", None)
    return {**said, "note": note} if note is not None else said


def _queues(tx: Tx, spec: ApplyIn, caller: Caller, settings: Settings) -> Iterator[Change]:
    for name, wanted in spec.queues.items():
        with _within(f"queues.{name}"):
            check_queue(name, "name")
            old = queues.get(tx, name)
            before = _settings(old)
            # What is stored is told, not what is written: 60s and 1m are the same.
            stored = queue_actions.stored(wanted, settings)
            stored = {field: value for field, value in stored.items() if field in Queue.__struct_fields__}
            after = _settings(msgspec.structs.replace(old or Queue(name=name), **stored))
            fields = _fields(before, {name: after[name] for name in after if old is not None or after[name]})
            if old is None or fields:
                queue_actions.change(tx, name, wanted, settings, caller)
        yield Change(kind="queue", id=name, action=_action(is_new=old is None, changed=bool(fields)), fields=fields)


def _settings(queue: Queue | None) -> dict[str, Any]:
    """Return what was set of a queue, in plain values."""
    shown = present.queue_settings(queue)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
    return found


def _schedules(tx: Tx, spec: ApplyIn, caller: Caller, settings: Settings) -> Iterator[Change]:
    before = schedule_store.get_all(tx, list(spec.schedules))
    wanted = [_owned(schedule_id, one, spec, before) for schedule_id, one in spec.schedules.items()]
    try:
        saved = schedules.put_many(tx, wanted, caller, settings, leave=True)
    except Invalid as error:
        raise _named(error, list(spec.schedules)) from None
    for one in saved:
        yield _change(one, before.get(one.schedule.id))


def _owned(schedule_id: str, one: ScheduleIn, spec: ApplyIn, before: Mapping[str, Schedule]) -> ScheduleIn:
    """Return what the file says of a schedule, as the file's."""
    with _within(f"schedules.{schedule_id}"):
        for field, given, instead in (
            ("id", one.id not in (None, schedule_id), f"it is called {schedule_id}"),
            ("owner", one.owner not in (None, "file"), "what a file declares is the file's"),
            ("source", one.source not in (None, spec.source), f"the file's is {spec.source}"),
            ("takeOver", one.take_over, "say it of the whole file"),
        ):
            if given:
                raise Invalid(field, "cannot be said here", hint=instead)
        if schedule_id not in before and MASK.encode() in bytes(one.target):
            raise Invalid("target", f"holds {MASK} in place of a secret", hint="write the secret itself")
    return msgspec.structs.replace(one, id=schedule_id, owner="file", source=spec.source, take_over=spec.take_over)


def _named(error: Invalid, ids: list[str]) -> Invalid:
    """Name a schedule by its id, not by its place."""
    parts = error.field.split(".", 2)
    if len(parts) == 3 and parts[1].isdigit():
        parts[1] = ids[int(parts[1])]
    return type(error)(".".join(parts), error.reason, hint=error.hint)


def _change(one: Saved, old: Schedule | None) -> Change:
    schedule_id = one.schedule.id
    if one.left_to is not None:
        reason = f"it belongs to {one.left_to}"
        return Change(kind="schedule", id=schedule_id, action="refused", reason=reason)
    if one.action is None:
        return Change(kind="schedule", id=schedule_id, action="unchanged")
    found = tuple(Field(each.field, each.before, each.after) for each in edits.changes(old, one.schedule))
    action = _action(is_new=old is None, changed=True)
    return Change(kind="schedule", id=schedule_id, action=action, fields=found, version=one.schedule.version)


def _prune(tx: Tx, spec: ApplyIn, caller: Caller) -> Iterator[Change]:
    """Delete the schedules that the same source declared before and declares no more."""
    for schedule_id in owned.by_file(tx, spec.source):
        if schedule_id not in spec.schedules:
            try:
                schedules.delete(tx, schedule_id, caller)
            except NotFound:  # somebody else has just deleted it
                continue
            yield Change(kind="schedule", id=schedule_id, action="delete")
