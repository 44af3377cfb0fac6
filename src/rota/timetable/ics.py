"""Calendar files (iCalendar, RFC 5545): from text to events, in less than a second whatever the text.

Only lines that say when an event is are read at all; the library that reads them takes two seconds for a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import msgspec

from rota.errors import Invalid, TooLarge
from rota.timetable.days import EPOCH_ORDINAL
from rota.timetable.events import LONGEST_RECURRING, Event
from rota.timetable.holidays import EXTRA
from rota.timetable.rrule import read_rule
from rota.timetable.wallclock import DAY_SECONDS
from rota.timetable.zones import zone

LARGEST_FILE = 1 << 20
MOST_EVENTS = 2000
MOST_LINES = 12_000
MOST_STARTS = 20_000
"""Of all events of a file: starts in one year, dates added or left out, and days to be counted."""

_READ = {
    "VEVENT": frozenset(
        ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS", "EXRULE")
    ),
    "VTIMEZONE": frozenset(("TZID", "X-LIC-LOCATION")),
}
_ZONE = re.compile(r";TZID=", re.IGNORECASE)
_OWN_ZONE = "X-ROTA-ZONE"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # what a clock on the wall shows has no zone
_YEAR = 366 * DAY_SECONDS
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def parse_ics(text: str, field: str = "ics") -> tuple[Event, ...]:
    """Return the events of a calendar file that were not cancelled, changed recurrences in place of the planned ones.

    Raises Invalid for ``field``: too large, no such file, or an event that cannot be understood (its line is named).
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_FILE:
        raise TooLarge(field, "the file is larger than 1 MiB", hint="keep the events that matter")
    components = _components(text, field)
    zones = _locations(components)
    events = [part for part in components if part[0] == "VEVENT"]
    if len(events) > MOST_EVENTS:
        raise TooLarge(field, f"{len(events)} events are more than {MOST_EVENTS}", hint="keep those that matter")
    return _Reader(field, zones).read([(number, lines) for _, number, lines in events])


_Component = tuple[str, int, list[str]]


def _components(text: str, field: str) -> list[_Component]:
    """Return events and time zones, each with the number of its first line and the lines that are read."""
    found: list[_Component] = []
    stack: list[str] = []
    kept = 0
    seen = False
    for number, line in _unfolded(text):
        name = line[:40].partition(":")[0].partition(";")[0].strip().upper()
        value = line[len(name) + 1 : len(name) + 41].strip().upper()
        if name == "BEGIN":
            seen = seen or (not stack and value == "VCALENDAR")
            stack.append(value)
            if value in _READ and stack == ["VCALENDAR", value]:
                found.append((value, number, []))
        elif name == "END":
            if not stack or stack.pop() != value:
                raise Invalid(field, f"line {number}: END:{value[:20]} ends nothing")
        elif found and stack == ["VCALENDAR", found[-1][0]] and name in _READ[stack[1]]:
            kept += 1 + line.count(",") // 4 + len(line) // 1000
            found[-1][2].append(line)
        if kept > MOST_LINES or len(stack) > 20:
            raise TooLarge(field, f"line {number}: more than a calendar of {MOST_EVENTS} events has", hint="split it")
    if not seen:
        raise Invalid(field, "is no calendar file", hint="it begins with BEGIN:VCALENDAR")
    if stack:
        raise Invalid(field, f"ends within {stack[-1][:20]}")
    return found


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, those that were folded in one piece."""
    begun, parts = 0, [""]
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line[:1] in (" ", "\t"):
            parts.append(line[1:])
            continue
        if begun and any(parts):
            yield begun, "".join(parts)
        begun, parts = number, [line]
    if any(parts):
        yield begun, "".join(parts)


def _locations(components: Iterable[_Component]) -> dict[str, str]:
    """Return which place of the IANA database the file's own zones say they are."""
    places = {}
    for name, _, lines in components:
        if name == "VTIMEZONE":
            values = {line.partition(":")[0].upper(): line.partition(":")[2].strip() for line in lines}
            places[values.get("TZID", "")] = values.get("X-LIC-LOCATION", "")
    return places


class _Reader:
    """Reads the events of one file, and knows how much they may be together."""

    def __init__(self, field: str, places: dict[str, str]) -> None:
        self._field = field
        self._places = places
        self._library = _package(field)
        self._zones: dict[str, str] = {}
        self._left = MOST_STARTS

    def read(self, sources: Sequence[tuple[int, list[str]]]) -> tuple[Event, ...]:
        planned: list[tuple[str, Event]] = []
        changed: dict[str, list[Any]] = {}
        single: list[Event] = []
        for number, lines in sources:
            try:
                uid, replaces, event = self._event(lines)
            except TooLarge:
                raise
            except Invalid as error:
                raise Invalid(self._field, f"event at line {number}: {error.reason}", hint=error.hint) from None
            except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
                reason = " ".join(str(error).split())[:200]
                raise Invalid(self._field, f"event at line {number} cannot be read: {reason}") from None
            if replaces is not None:
                changed.setdefault(uid, []).append(replaces)
            if event is not None and replaces is None:
                planned.append((uid, event))
            elif event is not None:
                single.append(event)
        events = [self._without(event, changed.get(uid, [])) for uid, event in planned] + single
        self._check_density(events)
        return tuple(events)

    def _event(self, lines: list[str]) -> tuple[str, Any, Event | None]:
        # Zones are looked up here: the library would guess at those that it does not know.
        own = (_ZONE.sub(f";{_OWN_ZONE}=", line) for line in lines)
        source = self._library.Event.from_ical("\r\n".join(("BEGIN:VEVENT", *own, "END:VEVENT", "")))
        if "EXRULE" in source:
            raise Invalid("", "EXRULE is not known", hint="calendars write EXDATE in its place")
        if "DTSTART" not in source:
            raise Invalid("", "DTSTART is missing")
        begin = source["DTSTART"]
        first = begin.dt
        whole_days = not isinstance(first, datetime)
        tz = None if whole_days else self._zone_of(begin)
        replaces = None
        if "RECURRENCE-ID" in source:
            if source["RECURRENCE-ID"].params.get("RANGE"):
                raise Invalid("", "RANGE of RECURRENCE-ID is not known", hint="give each changed event of its own")
            replaces = (source["RECURRENCE-ID"].dt, self._zone_of(source["RECURRENCE-ID"]))
        uid = str(source.get("UID", ""))
        if str(source.get("STATUS", "")).upper() == "CANCELLED":
            return uid, replaces, None
        start = self._wall(first, tz, tz)
        rule = None
        if replaces is None and "RRULE" in source:
            rule = read_rule(source["RRULE"], start, lambda until: self._until(until, tz), self._spend)
        length = self._length(source, whole_days, tz)
        if length <= 0:
            return uid, replaces, None
        if length > LONGEST_RECURRING and ("RRULE" in source or "RDATE" in source):
            raise Invalid("", "it recurs and lasts longer than 400 days")
        without = tuple(self._many(source.get("EXDATE"), start, tz))
        also = tuple(self._many(source.get("RDATE"), start, tz)) if replaces is None else ()
        return uid, replaces, Event(start, length, whole_days, tz, rule, without, also)

    def _without(self, event: Event, changed: list[Any]) -> Event:
        """Leave out the recurrences that were changed, which are events of their own."""
        self._spend(len(changed))
        try:
            starts = [self._wall(moment, own, event.zone) for moment, own in changed]
        except OverflowError:
            raise Invalid(self._field, "a RECURRENCE-ID lies outside the years 1 to 9999") from None
        return msgspec.structs.replace(event, without=(*event.without, *starts)) if changed else event

    def _zone_of(self, value: Any, beside: Any = None) -> str | None:
        """Return the zone that a time is in, or the list ``beside`` it; None where it says none."""
        if isinstance(value.dt, datetime) and value.dt.tzinfo is not None:
            return "UTC"
        parameters = (value if beside is None else beside).params
        return self._known_zone(str(parameters[_OWN_ZONE])) if _OWN_ZONE in parameters else None

    def _known_zone(self, name: str) -> str:
        if name not in self._zones:
            self._zones[name] = self._find_zone(name)
        return self._zones[name]

    def _find_zone(self, name: str) -> str:
        windows = self._library.timezone.windows_to_olson.WINDOWS_TO_OLSON
        parts = name.strip("/").split("/")
        guesses = [name, self._places.get(name, ""), windows.get(name, ""), *("/".join(parts[-n:]) for n in (3, 2))]
        for guess in guesses:
            try:
                return zone(guess).key
            except Invalid:
                continue
        raise Invalid("", f"the time zone {name[:60]!r} is not known", hint="use a name of the IANA database")

    def _wall(self, moment: date, own: str | None, tz: str | None) -> int:
        """Return a time by the clock of its own zone, or the beginning of a day, as the clock of another shows it."""
        if not isinstance(moment, datetime):
            return (moment.toordinal() - EPOCH_ORDINAL) * DAY_SECONDS
        if own is not None and tz is not None and own != tz:
            moment = moment.replace(tzinfo=zone(own)).astimezone(zone(tz))
        return (moment.replace(tzinfo=None) - _EPOCH) // _SECOND

    def _until(self, moment: date, tz: str | None) -> int:
        in_utc = isinstance(moment, datetime) and moment.tzinfo is not None
        return self._wall(moment, "UTC" if in_utc else tz, tz)

    def _length(self, source: Any, whole_days: bool, tz: str | None) -> int:
        if "DTEND" in source:
            end = source["DTEND"]
            if isinstance(end.dt, datetime) == whole_days:
                raise Invalid("", "DTSTART and DTEND are not both days or both times")
            if whole_days:
                return int((end.dt - source["DTSTART"].dt) // _DAY) * DAY_SECONDS
            return int((self._instant(end) - self._instant(source["DTSTART"])) // _SECOND)
        if "DURATION" in source:
            duration = source["DURATION"].dt
            return int(duration // _DAY * DAY_SECONDS if whole_days else duration // _SECOND)
        return DAY_SECONDS if whole_days else 0

    def _instant(self, value: Any) -> datetime:
        tz = self._zone_of(value)
        return value.dt.replace(tzinfo=UTC if tz is None else zone(tz)).astimezone(UTC)  # type: ignore[no-any-return]

    def _many(self, lists: Any, start: int, tz: str | None) -> Iterator[int]:
        """Yield the times of EXDATE or RDATE."""
        for one in lists if isinstance(lists, list) else [lists] if lists is not None else []:
            for value in one.dts:
                self._spend(1)
                moment = value.dt
                if isinstance(moment, tuple):
                    raise Invalid("", "periods in RDATE are not known", hint="give each an event of its own")
                # A day, of an event with times, is its time on that day.
                more = 0 if isinstance(moment, datetime) else start % DAY_SECONDS
                yield self._wall(moment, self._zone_of(value, one), tz) + more

    def _check_density(self, events: Sequence[Event]) -> None:
        """Refuse what would keep a scheduler busy when it looks at a year."""
        for event in events:
            if event.rule is not None:
                self._spend(sum(1 for _ in event.starts(event.start, event.start + _YEAR)))
                if event.rule.frequency == "daily":  # each day is looked at, whether it is one of them or not
                    until = event.start + _YEAR if event.rule.until is None else event.rule.until
                    self._spend(max(0, min(until - event.start, _YEAR) // (4 * DAY_SECONDS)))

    def _spend(self, starts: int) -> None:
        self._left -= starts
        if self._left < 0:
            raise TooLarge(self._field, f"its events recur more than {MOST_STARTS} times a year", hint="split it")


def _package(field: str) -> ModuleType:
    # Who has no calendar files need not have it, nor wait for it.
    try:
        import icalendar
        import icalendar.timezone.windows_to_olson
    except ImportError:
        raise Invalid(field, "calendar files need a package that is not installed", hint=EXTRA) from None
    return icalendar
