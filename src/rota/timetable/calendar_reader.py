"""Calendars as people write them: from a document's fields to a `Calendar`, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from rota.errors import Invalid, TooLarge
from rota.timetable.calendar import Calendar, Span, merged
from rota.timetable.days import EPOCH_ORDINAL
from rota.timetable.events import Event
from rota.timetable.holidays import check_country
from rota.timetable.instant import parse_instant

MOST_DATES = 10_000
MOST_RANGES = 2_000
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)
_LEAP_YEAR = 2024


def parse_calendar(
    *,
    dates: Sequence[str] = (),
    ranges: Sequence[tuple[str, str]] = (),
    yearly: Sequence[str] = (),
    weekdays: Sequence[str] = (),
    country: str | None = None,
    subdivision: str | None = None,
    events: Iterable[Event] = (),
) -> Calendar:
    """Return the calendar that covers all that is said: days, ranges of days or of instants, holidays, events.

    ``dates`` are ``2026-12-25``, ``yearly`` ``12-25``, ``weekdays`` ``SAT``.  A range of dates includes its last day;
    one of instants (RFC 3339) ends before its end.  ``country`` and ``subdivision`` are ISO codes.  Raises Invalid with
    the field that is wrong.
    """
    _check_many(dates, "dates", MOST_DATES)
    _check_many(ranges, "ranges", MOST_RANGES)
    _check_many(yearly, "yearly", 366)
    _check_many(weekdays, "weekdays", 7)
    days = [_day(text, f"dates.{place}") for place, text in enumerate(dates)]
    day_ranges, instants = _ranges(ranges)
    if subdivision is not None and country is None:
        raise Invalid("country", "is missing", hint=f"say of which country {subdivision[:20]!r} is a part")
    if country is not None:
        check_country(country, subdivision)
    runs = merged([(day, day + 1) for day in days] + [(first, last + 1) for first, last in day_ranges])
    return Calendar(
        day_ranges=tuple((begin, end - 1) for begin, end in runs),
        instants=tuple(merged(instants)),
        yearly=frozenset(_month_and_day(text, f"yearly.{place}") for place, text in enumerate(yearly)),
        weekdays=frozenset(_weekday(text, f"weekdays.{place}") for place, text in enumerate(weekdays)),
        country=country,
        subdivision=subdivision,
        events=tuple(events),
    )


def _check_many(values: Sequence[object], field: str, most: int) -> None:
    if len(values) > most:
        raise TooLarge(field, f"{len(values)} are too many", hint=f"at most {most}")


def _ranges(ranges: Sequence[tuple[str, str]]) -> tuple[list[Span], list[Span]]:
    days, instants = [], []
    for place, (begin, end) in enumerate(ranges):
        field = f"ranges.{place}"
        if _DATE.fullmatch(begin.strip()) and _DATE.fullmatch(end.strip()):
            first, last = _day(begin, f"{field}.from"), _day(end, f"{field}.to")
            if last < first:
                raise Invalid(f"{field}.to", f"{end} is before {begin}")
            days.append((first, last))
            continue
        if _DATE.fullmatch(begin.strip()) or _DATE.fullmatch(end.strip()):
            raise Invalid(f"{field}.to", "a range has two dates or two times, not one of each")
        since, until = parse_instant(begin, f"{field}.from"), parse_instant(end, f"{field}.to")
        if until <= since:
            raise Invalid(f"{field}.to", f"{end} is not after {begin}")
        instants.append((since, until))
    return days, instants


def _day(text: str, field: str) -> int:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise Invalid(field, f"{text[:40]!r} is not a date", hint="write it as 2026-12-25")
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).toordinal() - EPOCH_ORDINAL
    except ValueError:
        raise Invalid(field, f"{text.strip()} does not exist") from None


def _month_and_day(text: str, field: str) -> tuple[int, int]:
    match = _YEARLY.fullmatch(text.strip())
    if match is None:
        raise Invalid(field, f"{text[:40]!r} is not a day of the year", hint="write it as 12-25, the month first")
    try:
        date(_LEAP_YEAR, int(match[1]), int(match[2]))
    except ValueError:
        raise Invalid(
            field, f"{text.strip()} does not exist in any year", hint="the month is first, as in 12-25"
        ) from None
    return int(match[1]), int(match[2])


def _weekday(text: str, field: str) -> int:
    name = text.strip().upper()
    if name not in WEEKDAYS:
        raise Invalid(field, f"{text[:40]!r} is not a weekday", hint=f"one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(name)
