"""Which days a cron expression names: sets of days per month, found month by month and never day by day.

Days are counted from 1970-01-01, weekdays from Sunday = 0; a set of numbers is an integer with one bit for each.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
FIRST_DAY = date.min.toordinal() - EPOCH_ORDINAL
LAST_DAY = date.max.toordinal() - EPOCH_ORDINAL
FIRST_MONTH = 12
LAST_MONTH = 9999 * 12 + 11
ALL_DAYS_OF_MONTH = (1 << 31) - 1
ALL_WEEKDAYS = (1 << 7) - 1
LAST_OF_MONTH = -1
"""In place of the n of "the n-th Monday": the last one."""

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SATURDAY = 6
_SUNDAY = 0


class Month(NamedTuple):
    """One month of one year: its number (year × 12 + month − 1), its first day, and the days named in it."""

    number: int
    first: int
    length: int
    days: int


def bits(numbers: Iterable[int]) -> int:
    """Return the set of some numbers."""
    return sum(1 << number for number in set(numbers))


def lowest(numbers: int) -> int:
    """Return the least number of a set that has one."""
    return (numbers & -numbers).bit_length() - 1


def highest(numbers: int) -> int:
    """Return the greatest number of a set that has one."""
    return numbers.bit_length() - 1


def members(numbers: int) -> list[int]:
    """Return the numbers of a set, ascending."""
    return [number for number in range(numbers.bit_length()) if numbers >> number & 1]


def weekday(day: int) -> int:
    """Return the weekday of a day, Sunday = 0."""
    return (day + 4) % 7


def month_length(number: int) -> int:
    """Return the number of days of a month."""
    year, month = divmod(number, 12)
    return 29 if month == 1 and isleap(year) else _LENGTHS[month]


@dataclass(frozen=True, slots=True)
class DayPattern:
    """The day-of-month, month and day-of-week fields of a cron expression."""

    months: int
    """Bits 1 to 12."""
    days_of_month: int
    """Bits 0 to 30, for the days 1 to 31."""
    weekdays: int
    """Bits 0 (Sunday) to 6."""
    last_day: bool = False
    last_working_day: bool = False
    nth_weekdays: frozenset[tuple[int, int]] = frozenset()
    """Pairs of a weekday and its place in the month, 1 to 5 or `LAST_OF_MONTH`."""
    both: bool = True
    """Whether a day must match day of month and day of week; else either is enough."""
    _known: dict[tuple[int, int], int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def any_day_of_month(self) -> bool:
        return self.days_of_month == ALL_DAYS_OF_MONTH

    @property
    def any_weekday(self) -> bool:
        return self.weekdays == ALL_WEEKDAYS

    @property
    def any_day(self) -> bool:
        """Whether no day of its months is left out."""
        if self.both:
            return self.any_day_of_month and self.any_weekday
        return self.any_day_of_month or self.any_weekday

    def days_of(self, length: int, first_weekday: int) -> int:
        """Return the days named in a month of this length that begins on this weekday, bit 0 for the first."""
        shape = (length, first_weekday)
        days = self._known.get(shape)
        if days is None:
            by_date = self._by_date(length, first_weekday)
            by_weekday = self._by_weekday(length, first_weekday)
            days = self._known[shape] = by_date & by_weekday if self.both else by_date | by_weekday
        return days

    def ever(self) -> bool:
        """Tell whether there is such a day in any year: every shape of a month comes in the 400-year cycle."""
        for month in members(self.months):
            lengths = (28, 29) if month == 2 else (_LENGTHS[month - 1],)
            for length in lengths:
                if any(self.days_of(length, first_weekday) for first_weekday in range(7)):
                    return True
        return False

    def month_of(self, day: int) -> Month:
        """Return the month of a day between `FIRST_DAY` and `LAST_DAY`."""
        moment = date.fromordinal(day + EPOCH_ORDINAL)
        return self._month(moment.year * 12 + moment.month - 1, day - moment.day + 1)

    def month_after(self, number: int) -> Month | None:
        """Return the first month after this one in which a day is named."""
        while True:
            year, month = divmod(number + 1, 12)
            later = self.months >> (month + 1) << (month + 1)
            if not later:
                year, later = year + 1, self.months
            number = year * 12 + lowest(later) - 1
            if number > LAST_MONTH:
                return None
            found = self._month(number, _first_day(number))
            if found.days:
                return found

    def month_before(self, number: int) -> Month | None:
        """Return the last month before this one in which a day is named."""
        while True:
            year, month = divmod(number, 12)
            earlier = self.months & ((1 << (month + 1)) - 1)
            if not earlier:
                year, earlier = year - 1, self.months
            number = year * 12 + highest(earlier) - 1
            if number < FIRST_MONTH:
                return None
            found = self._month(number, _first_day(number))
            if found.days:
                return found

    def _month(self, number: int, first: int) -> Month:
        length = month_length(number)
        named = self.months >> (number % 12 + 1) & 1
        return Month(number, first, length, self.days_of(length, weekday(first)) if named else 0)

    def _by_date(self, length: int, first_weekday: int) -> int:
        days = self.days_of_month & ((1 << length) - 1)
        if self.last_day:
            days |= 1 << (length - 1)
        if self.last_working_day:
            last = (first_weekday + length - 1) % 7
            days |= 1 << (length - 1 - {_SATURDAY: 1, _SUNDAY: 2}.get(last, 0))
        return days

    def _by_weekday(self, length: int, first_weekday: int) -> int:
        days = 0
        for day in range(length):
            days |= (self.weekdays >> (first_weekday + day) % 7 & 1) << day
        for named, nth in self.nth_weekdays:
            day = (named - first_weekday) % 7
            day += 7 * ((length - 1 - day) // 7 if nth == LAST_OF_MONTH else nth - 1)
            if day < length:
                days |= 1 << day
        return days


def _first_day(number: int) -> int:
    year, month = divmod(number, 12)
    return date(year, month + 1, 1).toordinal() - EPOCH_ORDINAL
