"""Calendars: times at which nothing fires, as days, ranges, weekdays, public holidays and events of a file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from rota.timetable.days import EPOCH_ORDINAL, FIRST_DAY, LAST_DAY, weekday
from rota.timetable.events import Event
from rota.timetable.holidays import holiday_days
from rota.timetable.instant import EPOCH, FIRST_US, LAST_US, bounded
from rota.timetable.stretches import FIRST_SECOND, LAST_SECOND, stretch_at
from rota.timetable.wallclock import DAY_SECONDS

Span = tuple[int, int]
"""From an instant up to, but without, another one."""

_SECOND = 1_000_000
_KEPT_YEARS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Times at which nothing fires.  A day is one of the asker's zone, also where it has 23 or 25 hours.

    Made by `parse_calendar`; safe to share between threads.
    """

    day_ranges: tuple[tuple[int, int], ...] = ()
    """From a day up to and with another one, counted from 1970-01-01."""
    instants: tuple[Span, ...] = ()
    """In microseconds since 1970 in UTC."""
    yearly: frozenset[tuple[int, int]] = frozenset()
    """Month and day of month."""
    weekdays: frozenset[int] = frozenset()
    """Sunday is 0."""
    country: str | None = None
    subdivision: str | None = None
    events: tuple[Event, ...] = ()
    problem: str | None = None
    """Why this process cannot tell its times; then it covers none."""
    # Each value is replaced as a whole, never changed: threads may each find the same one.
    _years: dict[tuple[str, int], tuple[list[int], list[Span]]] = field(default_factory=dict, repr=False)

    def covers(self, instant_us: int, zone: str) -> bool:
        """Tell whether an instant lies in the calendar, for somebody in a zone."""
        starts, spans = self._year(zone, _year_of(instant_us))
        place = bisect_right(starts, instant_us) - 1
        return place >= 0 and instant_us < spans[place][1]

    def spans(self, first_us: int, until_us: int, zone: str) -> list[Span]:
        """Return what it covers from ``first_us`` up to, not including, ``until_us``: ascending, apart, cut there."""
        first_us, until_us = max(first_us, FIRST_US), min(until_us, LAST_US + 1)
        if first_us >= until_us:
            return []
        found: list[Span] = []
        for year in range(_year_of(first_us), _year_of(until_us - 1) + 1):
            starts, spans = self._year(zone, year)
            found += spans[max(bisect_right(starts, first_us) - 1, 0) : bisect_left(starts, until_us)]
        return merged(_cut(found, first_us, until_us))

    def _year(self, zone: str, year: int) -> tuple[list[int], list[Span]]:
        known = self._years.get((zone, year))
        if known is None:
            spans = merged(self._spans_in(zone, year))
            known = ([begin for begin, _ in spans], spans)
            if len(self._years) >= _KEPT_YEARS:
                self._years.clear()
            self._years[zone, year] = known
        return known

    def _spans_in(self, zone: str, year: int) -> Iterator[Span]:
        """Yield what it covers in a year by UTC, in microseconds."""
        start, end = max(_new_year(year), FIRST_SECOND), min(_new_year(year + 1), LAST_SECOND + 1)
        days = _in_zone(self._days(start, end), zone, start, end)
        spans = [(begin * _SECOND, until * _SECOND) for begin, until in (*days, *self._timed(start, end, zone))]
        yield from _cut((*spans, *self.instants), start * _SECOND, end * _SECOND)

    def _timed(self, start: int, end: int, zone: str) -> Iterator[Span]:
        for event in self.events:
            if not event.whole_days:
                yield from event.spans(start, end, zone)

    def _days(self, start: int, end: int) -> list[Span]:
        """Return from which day up to which, without it, all day is covered, near a time in seconds."""
        first = max(start // DAY_SECONDS - 2, FIRST_DAY)
        last = min(end // DAY_SECONDS + 2, LAST_DAY)
        recurs = self.weekdays or self.yearly or self.country is not None
        runs = [(day, day + 1) for day in range(first, last + 1) if self._covers_day(day)] if recurs else []
        runs += [(begin, until + 1) for begin, until in self.day_ranges if begin <= last and until >= first]
        for event in self.events:
            if event.whole_days:
                runs += event.days(first, last)
        return merged(runs)

    def _covers_day(self, day: int) -> bool:
        if weekday(day) in self.weekdays:
            return True
        if not self.yearly and self.country is None:
            return False
        moment = date.fromordinal(day + EPOCH_ORDINAL)
        if (moment.month, moment.day) in self.yearly:
            return True
        return self.country is not None and day in holiday_days(self.country, self.subdivision, moment.year)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _cut(spans: Iterable[Span], first: int, until: int) -> Iterator[Span]:
    """Yield what of these spans lies in a stretch."""
    for begin, end in spans:
        if begin < until and first < end:
            yield max(begin, first), min(end, until)


def _in_zone(runs: Sequence[Span], zone: str, start: int, end: int) -> Iterator[Span]:
    """Yield when, in seconds from ``start`` to ``end``, the clock of a zone shows one of these days."""
    instant = start
    while instant < end:
        stretch = stretch_at(zone, instant)
        stop = min(stretch.end, end)
        low, high = instant + stretch.offset, stop + stretch.offset
        for first, until in runs:
            begin, finish = max(first * DAY_SECONDS, low), min(until * DAY_SECONDS, high)
            if begin < finish:
                yield begin - stretch.offset, finish - stretch.offset
        instant = stop


def _new_year(year: int) -> int:
    if year > date.max.year:
        return LAST_SECOND + 1
    return (date(year, 1, 1).toordinal() - EPOCH_ORDINAL) * DAY_SECONDS


def _year_of(instant_us: int) -> int:
    return (EPOCH + timedelta(microseconds=bounded(instant_us))).year
