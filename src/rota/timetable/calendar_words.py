"""A calendar in words: "Saturday and Sunday; holidays of FR; 25 December; 3 dates"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rota.timetable.calendar import Calendar
from rota.timetable.days import EPOCH_ORDINAL
from rota.timetable.instant import EPOCH
from rota.timetable.words import MONTHS, WEEKDAYS

_MOST_SAID = 4


def describe_calendar(calendar: Calendar) -> str:
    """Say what a calendar covers; many things of a kind are counted."""
    return "; ".join(_parts(calendar)) or "no time"


def _parts(calendar: Calendar) -> Iterator[str]:
    if calendar.weekdays:
        yield _and([WEEKDAYS[number] for number in sorted(calendar.weekdays, key=lambda number: (number - 1) % 7)])
    if calendar.country is not None:
        part = f"-{calendar.subdivision}" if calendar.subdivision is not None else ""
        yield f"public holidays of {calendar.country}{part}"
    if calendar.yearly:
        yield _few([f"{day} {MONTHS[month - 1]}" for month, day in sorted(calendar.yearly)], "days of each year")
    if calendar.day_ranges:
        yield _few([_days(first, last) for first, last in calendar.day_ranges], "dates and ranges")
    if calendar.instants:
        yield _few([f"from {_instant(begin)} to {_instant(end)}" for begin, end in calendar.instants], "ranges of time")
    if calendar.events:
        count = len(calendar.events)
        yield "1 event of a calendar file" if count == 1 else f"{count} events of a calendar file"


def _few(texts: list[str], noun: str) -> str:
    return _and(texts) if len(texts) <= _MOST_SAID else f"{len(texts)} {noun}"


def _and(texts: list[str]) -> str:
    return " and ".join((", ".join(texts[:-1]), texts[-1])) if len(texts) > 1 else texts[0]


def _days(first: int, last: int) -> str:
    begin = date.fromordinal(first + EPOCH_ORDINAL).isoformat()
    return begin if first == last else f"{begin} to {date.fromordinal(last + EPOCH_ORDINAL).isoformat()}"


def _instant(instant_us: int) -> str:
    moment = EPOCH + timedelta(microseconds=instant_us)
    return f"{moment:%Y-%m-%d %H:%M} UTC"
