"""Recurring days, as RRULE of RFC 5545 says them for periods of a day and longer, found period by period.

Days are counted from 1970-01-01, weekdays from Sunday = 0.  A stretch of time is asked for, and only the periods that
lie in it are looked at, wherever the recurrence began: so one that never comes costs no more than any other.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal

import msgspec

from rota.timetable.days import EPOCH_ORDINAL, FIRST_DAY, LAST_DAY, month_length, weekday

Frequency = Literal["daily", "weekly", "monthly", "yearly"]
_LAST_YEAR = 9999


class Recurrence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which days come again.  Empty tuples restrict nothing."""

    frequency: Frequency
    interval: int = 1
    until: int | None = None
    """The last day and second of day that may belong to it, as seconds on the wall."""
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    """From 1, or from −1 backwards; ``year_days`` likewise."""
    year_days: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    """Weekday and which of them in the month or year; 0 is each."""
    positions: tuple[int, ...] = ()
    """Which days of each period's, from 1 or from −1 backwards."""
    week_start: int = 1

    def days(self, start: int, low: int, high: int) -> Iterator[int]:
        """Yield the days from ``low`` up to and with ``high`` of what began on the day ``start``, ascending."""
        low, high = max(low, start), min(high, LAST_DAY)
        if low > high:
            return
        for period in self._periods(start, low, high):
            found = sorted(set(period))
            if self.positions:
                found = sorted({found[at - (at > 0)] for at in self.positions if 1 <= abs(at) <= len(found)})
            yield from (day for day in found if low <= day <= high)

    def _periods(self, start: int, low: int, high: int) -> Iterator[Iterable[int]]:
        if self.frequency == "daily":
            for day in range(low + (start - low) % self.interval, high + 1, self.interval):
                yield (day,) if self._fits(day) else ()
        elif self.frequency == "weekly":
            first = start - (weekday(start) - self.week_start) % 7
            step = 7 * self.interval
            for week in range(low - (low - first) % step, high + 1, step):
                yield self._of_week(week, start)
        else:
            began = date.fromordinal(start + EPOCH_ORDINAL)
            since, until = date.fromordinal(low + EPOCH_ORDINAL), date.fromordinal(high + EPOCH_ORDINAL)
            if self.frequency == "monthly":
                zero = began.year * 12 + began.month - 1
                least = since.year * 12 + since.month - 1
                for month in range(
                    least + (zero - least) % self.interval, until.year * 12 + until.month, self.interval
                ):
                    yield self._of_month(month, began.day) if not self.months or month % 12 + 1 in self.months else ()
            else:
                skipped = (began.year - since.year) % self.interval
                for year in range(since.year + skipped, until.year + 1, self.interval):
                    yield self._of_year(year, began)

    def _fits(self, day: int) -> bool:
        if self.weekdays and all(weekday(day) != named for named, _ in self.weekdays):
            return False
        if not (self.months or self.month_days):
            return True
        moment = date.fromordinal(day + EPOCH_ORDINAL)
        if self.months and moment.month not in self.months:
            return False
        backwards = moment.day - month_length(moment.year * 12 + moment.month - 1) - 1
        return not self.month_days or moment.day in self.month_days or backwards in self.month_days

    def _of_week(self, week: int, start: int) -> Iterator[int]:
        named = {number for number, _ in self.weekdays} or {weekday(start)}
        for day in range(max(week, FIRST_DAY), min(week + 6, LAST_DAY) + 1):
            if weekday(day) in named and (
                not self.months or date.fromordinal(day + EPOCH_ORDINAL).month in self.months
            ):
                yield day

    def _of_month(self, month: int, day_of_month: int) -> set[int]:
        first, length = _first_day(month), month_length(month)
        if not self.month_days and self.weekdays:
            return self._weekdays_in(first, length)
        dates = self.month_days or (day_of_month,)
        found = {first + (at - 1 if at > 0 else length + at) for at in dates if 1 <= abs(at) <= length}
        return found & self._weekdays_in(first, length) if self.weekdays else found

    def _of_year(self, year: int, began: date) -> set[int]:
        first, length = _first_day(year * 12), 366 if isleap(year) else 365
        if self.year_days:
            found = {first + (at - 1 if at > 0 else length + at) for at in self.year_days if 1 <= abs(at) <= length}
            return {day for day in found if self._fits(day)}
        if not (self.months or self.month_days):
            if self.weekdays:
                return self._weekdays_in(first, length)
            return self._of_month(year * 12 + began.month - 1, began.day)
        months = self.months or range(1, 13)
        return set().union(*(self._of_month(year * 12 + month - 1, began.day) for month in months))

    def _weekdays_in(self, first: int, length: int) -> set[int]:
        found: set[int] = set()
        for named, place in self.weekdays:
            days = range(first + (named - weekday(first)) % 7, first + length, 7)
            if place == 0:
                found.update(days)
            elif 1 <= abs(place) <= len(days):
                found.add(days[place - (place > 0)])
        return found


def _first_day(month: int) -> int:
    year, rest = divmod(month, 12)
    return date(min(year, _LAST_YEAR), rest + 1, 1).toordinal() - EPOCH_ORDINAL
