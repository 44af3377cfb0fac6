"""Actions on calendars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rota.actions import present
from rota.actions.segments import Span
from rota.actions.specs import CalendarIn, Caller, RangeIn
from rota.durations import DAY
from rota.errors import Conflict, Invalid, NotFound, meant
from rota.jsontext import check_name, check_text
from rota.model import Calendar as Record
from rota.model import Schedule
from rota.store import audit, calendars
from rota.store.database import Tx
from rota.timetable import Calendar, bounded, describe_calendar, parse_calendar, parse_ics, parse_instant
from rota.timetable.events import Event

LONGEST_NOTE = 1000
LONGEST_LOOK = 3660 * DAY
MOST_SPANS = 1000
_KEPT = 256
_SHOWN = 10
_TEXTS = ("country", "subdivision", "ics")

_known: dict[str, tuple[tuple[int, int], Calendar]] = {}
"""Calendars by name, with the version that was read and when it was made."""


class Document(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A calendar as it is stored: what the user wrote, and the events of the file in it.

    The events are kept so that whoever asks needs not read the file again, nor have what reads it.
    """

    dates: tuple[str, ...] = ()
    ranges: tuple[RangeIn, ...] = ()
    yearly: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    country: str | None = None
    subdivision: str | None = None
    ics: str | None = None
    events: tuple[Event, ...] = ()


def put(tx: Tx, name: str, spec: CalendarIn, caller: Caller, document: Document | None = None) -> Record:
    """Make a calendar, or the next version of it; saying the same again changes nothing.

    ``document`` is what ``read`` made of it, for who would not have a transaction wait while a file is read.
    """
    check_name(name, "name")
    note = check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None
    text = msgspec.json.encode(read(spec) if document is None else document).decode()
    old = calendars.get(tx, name, lock=True)
    if old is None or (old.document, old.note) != (text, note):
        calendars.put(tx, name, text, note=note, author=caller.subject)
        saved = known(tx, name)
        action = "created" if old is None else "edited"
        before = None if old is None else _told(old)
        audit.record(tx, caller, action, "calendar", name, before=before, after=_told(saved), note=note)
    return known(tx, name)


def _told(record: Record) -> dict[str, Any]:
    """Return what a calendar says; a file that it was made of may be long, and is not told."""
    document = msgspec.json.decode(record.document)
    return {"version": record.version, **{name: value for name, value in document.items() if name != "ics"}}


def read(spec: CalendarIn) -> Document:
    """Return what is stored of a calendar; raises Invalid with the field that is wrong."""
    document = Document(
        dates=tuple(spec.dates or ()),
        ranges=tuple(spec.ranges or ()),
        yearly=tuple(spec.yearly or ()),
        weekdays=tuple(spec.weekdays or ()),
        country=spec.country,
        subdivision=spec.subdivision,
        ics=spec.ics,
        events=parse_ics(check_text(spec.ics, "ics", max_length=1 << 21, lines=True)) if spec.ics is not None else (),
    )
    parsed(document)
    return document


def parsed(document: Document) -> Calendar:
    """Return the calendar of a document; raises Invalid where this process cannot tell its times."""
    return parse_calendar(
        dates=document.dates,
        ranges=[(one.from_, one.to) for one in document.ranges],
        yearly=document.yearly,
        weekdays=document.weekdays,
        country=document.country,
        subdivision=document.subdivision,
        events=document.events,
    )


def named(tx: Tx, names: Iterable[str]) -> dict[str, Calendar]:
    """Return those calendars of these names that there are, ready to be asked.

    One that this process cannot understand (a package is missing, say) has a ``problem``, and covers no time.  Only
    calendars that have changed are read again.
    """
    versions = calendars.versions(tx, names)
    found = {}
    for name, version in versions.items():
        kept = _known.get(name)
        if kept is not None and kept[0] == version:
            found[name] = kept[1]
    for record in calendars.named(tx, versions.keys() - found.keys()) if len(found) < len(versions) else ():
        found[record.name] = calendar_of(record)
        if len(_known) >= _KEPT:
            _known.clear()
        _known[record.name] = ((record.version, record.updated_at), found[record.name])
    return found


def calendar_of(record: Record) -> Calendar:
    """Return the calendar of a record; one that cannot be understood here has a ``problem``."""
    try:
        return parsed(msgspec.json.decode(record.document, type=Document))
    except (Invalid, msgspec.MsgspecError) as error:
        reason = str(error) if isinstance(error, Invalid) else "what is stored of it cannot be read"
        return Calendar(problem=f"calendar {record.name}: {reason}")


def check(tx: Tx, schedules: Iterable[Schedule]) -> None:
    """Raise Invalid where a schedule names a calendar that is not there; those that are there are kept till the end."""
    users = {name: schedule.id for schedule in schedules for name in names_of(schedule)}
    if not users:
        return
    unknown = sorted(users.keys() - calendars.hold(tx, users))
    if unknown:
        name = unknown[0]
        hint = meant(name, [record.name for record in calendars.listed(tx)], "make it first: rota calendars set")
        raise Invalid("calendars", f"there is no calendar {name[:100]}, which {users[name]} names", hint=hint)


def known(tx: Tx, name: str) -> Record:
    """Return a calendar's record; raises NotFound."""
    found = calendars.get(tx, name) if "\0" not in name else None
    if found is None:
        raise NotFound(f"there is no calendar {name[:100]}")
    return found


def delete(tx: Tx, name: str, caller: Caller) -> None:
    """Delete a calendar; raises Conflict while a schedule names it."""
    old = calendars.get(tx, name, lock=True) if "\0" not in name else None
    if old is None:
        raise NotFound(f"there is no calendar {name[:100]}")
    users = calendars.naming(tx, name, _SHOWN + 1)
    if users:
        more = " and others" if len(users) > _SHOWN else ""
        some = "1 schedule names" if len(users) == 1 else "schedules name"
        raise Conflict(f"{some} it: {', '.join(users[:_SHOWN])}{more}", hint="take it out of them first")
    calendars.delete(tx, name)
    audit.record(tx, caller, "deleted", "calendar", name, before=_told(old))


def shown(record: Record, *, whole: bool) -> dict[str, Any]:
    """Return a calendar as it is answered; ``whole`` with all that was said of it."""
    calendar = calendar_of(record)
    found: dict[str, Any] = {
        "name": record.name,
        "description": describe_calendar(calendar) if calendar.problem is None else None,
        "problem": calendar.problem,
        "note": record.note,
        "version": record.version,
        "author": record.author,
        "createdAt": present.instant(record.created_at),
        "updatedAt": present.instant(record.updated_at),
    }
    if whole:
        said = msgspec.json.decode(record.document)
        lists = ("dates", "ranges", "yearly", "weekdays")
        found |= {name: said.get(name, [] if name in lists else None) for name in (*lists, *_TEXTS)}
        found["events"] = len(said.get("events", ()))
    return found


class Covered(msgspec.Struct):
    """What a calendar covers in a stretch of time, in µs UTC."""

    first: int
    until: int
    spans: list[tuple[int, int]]


def dates(
    tx: Tx, name: str, *, first: str | None, until: str | None, timezone: str, limit: int = MOST_SPANS
) -> Covered:
    """Return what a calendar covers from one instant (now) up to another (a year later), the first ``limit`` spans."""
    begin = parse_instant(first, "from") if first is not None else tx.now()
    end = parse_instant(until, "to") if until is not None else bounded(begin + 366 * DAY)
    if end <= begin:
        raise Invalid("to", "is not after from")
    if end - begin > LONGEST_LOOK:
        raise Invalid("to", "is more than ten years after from", hint="ask for less at a time")
    calendar = calendar_of(known(tx, name))
    if calendar.problem is not None:
        raise Conflict(calendar.problem)
    return Covered(begin, end, calendar.spans(begin, end, timezone)[:limit])


def names_of(schedule: Schedule) -> list[str]:
    """Return the names of the calendars on whose times a schedule does not fire."""
    return _NAMES.decode(schedule.calendars) if schedule.calendars else []


def closed(schedule: Schedule, known: Mapping[str, Calendar], first: int, until: int) -> list[Span]:
    """Return when the calendars of a schedule let nothing fire, from ``first`` up to ``until`` (µs UTC).

    ``known`` is what ``named`` found.  Raises Invalid where that cannot be told: rather wait than fire on a holiday.
    """
    found: list[Span] = []
    for name in names_of(schedule):
        calendar = known.get(name)
        if calendar is None or calendar.problem is not None:
            reason = f"there is no calendar {name}" if calendar is None else calendar.problem
            raise Invalid("calendars", reason or "")
        found += [(begin, end, name) for begin, end in calendar.spans(first, until, schedule.timezone)]
    return found


_NAMES = msgspec.json.Decoder(list[str])
