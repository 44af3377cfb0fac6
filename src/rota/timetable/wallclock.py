"""The wall-clock times that a cron expression names, searched by arithmetic.

A wall-clock time is a number of seconds that a clock on the wall would have counted since 1970-01-01 00:00, had it
never been changed.  What changes of the clock make of these times is the matter of `daylight`.
"""

from __future__ import annotations

from rota.timetable.days import FIRST_DAY, LAST_DAY, DayPattern, Month, highest, lowest, members

DAY_SECONDS = 86_400
_FIRST_WALL = FIRST_DAY * DAY_SECONDS
_LAST_WALL = LAST_DAY * DAY_SECONDS + DAY_SECONDS - 1


class WallClock:
    """Days of a `DayPattern` at the times of day given by sets of hours, minutes and seconds."""

    __slots__ = (
        "_all_times",
        "_days",
        "_first_time",
        "_hours",
        "_last_time",
        "_minutes",
        "_month",
        "_per_day",
        "_seconds",
    )

    def __init__(self, days: DayPattern, hours: int, minutes: int, seconds: int) -> None:
        self._days = days
        self._hours = hours
        self._minutes = minutes
        self._seconds = seconds
        self._first_time = lowest(hours) * 3600 + lowest(minutes) * 60 + lowest(seconds)
        self._last_time = highest(hours) * 3600 + highest(minutes) * 60 + highest(seconds)
        self._per_day = hours.bit_count() * minutes.bit_count() * seconds.bit_count()
        self._all_times = 0
        # Replaced as a whole, never changed: threads that share a rule may each find the month of the other.
        self._month: Month = days.month_of(0)

    def at_or_after(self, wall: int) -> int | None:
        """Return the first named time that is not before ``wall``; none after the year 9999."""
        day, second = divmod(max(wall, _FIRST_WALL), DAY_SECONDS)
        if day > LAST_DAY:
            return None
        month = self._month_of(day)
        if month.days >> (day - month.first) & 1:
            time = self._time_at_or_after(second)
            if time >= 0:
                return day * DAY_SECONDS + time
        found = self.day_at_or_after(day + 1)
        return None if found is None else found * DAY_SECONDS + self._first_time

    def at_or_before(self, wall: int) -> int | None:
        """Return the last named time that is not after ``wall``; none before the year 1."""
        day, second = divmod(min(wall, _LAST_WALL), DAY_SECONDS)
        if day < FIRST_DAY:
            return None
        month = self._month_of(day)
        if month.days >> (day - month.first) & 1:
            time = self._time_at_or_before(second)
            if time >= 0:
                return day * DAY_SECONDS + time
        found = self.day_at_or_before(day - 1)
        return None if found is None else found * DAY_SECONDS + self._last_time

    def day_at_or_after(self, day: int) -> int | None:
        """Return the first named day that is not before ``day``."""
        day = max(day, FIRST_DAY)
        if day > LAST_DAY:
            return None
        month: Month | None = self._month_of(day)
        while month is not None:
            rest = month.days >> max(day - month.first, 0)
            if rest:
                return max(day, month.first) + lowest(rest)
            month = self._days.month_after(month.number)
            if month is not None:
                self._month = month
        return None

    def day_at_or_before(self, day: int) -> int | None:
        """Return the last named day that is not after ``day``."""
        day = min(day, LAST_DAY)
        if day < FIRST_DAY:
            return None
        month: Month | None = self._month_of(day)
        while month is not None:
            rest = month.days & ((2 << min(day - month.first, month.length)) - 1)
            if rest:
                return month.first + highest(rest)
            month = self._days.month_before(month.number)
            if month is not None:
                self._month = month
        return None

    def count(self, first: int, end: int) -> int:
        """Return how many named times there are from ``first`` up to, not including, ``end``."""
        first, end = max(first, _FIRST_WALL), min(end, _LAST_WALL + 1)
        if first >= end:
            return 0
        first_day, first_second = divmod(first, DAY_SECONDS)
        last_day, last_second = divmod(end - 1, DAY_SECONDS)
        total = self._count_days(first_day, last_day) * self._per_day
        if self._names(first_day):
            total -= self._count_times(first_second)
        if self._names(last_day):
            total -= self._per_day - self._count_times(last_second + 1)
        return total

    def mask(self, first: int, end: int) -> int:
        """Return the named times from ``first`` up to, not including, ``end``, bit 0 for ``first``."""
        if first >= end:
            return 0
        mask = 0
        for day in range(max(first // DAY_SECONDS, FIRST_DAY), min((end - 1) // DAY_SECONDS, LAST_DAY) + 1):
            if self._names(day):
                later = day * DAY_SECONDS - first
                mask |= self._day_mask() << later if later >= 0 else self._day_mask() >> -later
        return mask & ((1 << (end - first)) - 1)

    def _day_mask(self) -> int:
        if not self._all_times:
            hour = sum(self._seconds << minute * 60 for minute in members(self._minutes))
            self._all_times = sum(hour << number * 3600 for number in members(self._hours))
        return self._all_times

    def _month_of(self, day: int) -> Month:
        month = self._month
        if not 0 <= day - month.first < month.length:
            month = self._month = self._days.month_of(day)
        return month

    def _names(self, day: int) -> bool:
        month = self._month_of(day)
        return bool(month.days >> (day - month.first) & 1)

    def _time_at_or_after(self, second: int) -> int:
        """Return the first time of day not before ``second``, or -1."""
        minute_of_day, second = divmod(second, 60)
        hour, minute = divmod(minute_of_day, 60)
        if self._hours >> hour & 1:
            if self._minutes >> minute & 1:
                rest = self._seconds >> second
                if rest:
                    return minute_of_day * 60 + second + lowest(rest)
            rest = self._minutes >> (minute + 1)
            if rest:
                return hour * 3600 + (minute + 1 + lowest(rest)) * 60 + self._first_time % 60
        rest = self._hours >> (hour + 1)
        return (hour + 1 + lowest(rest)) * 3600 + self._first_time % 3600 if rest else -1

    def _time_at_or_before(self, second: int) -> int:
        """Return the last time of day not after ``second``, or -1."""
        minute_of_day, second = divmod(second, 60)
        hour, minute = divmod(minute_of_day, 60)
        if self._hours >> hour & 1:
            if self._minutes >> minute & 1:
                rest = self._seconds & ((2 << second) - 1)
                if rest:
                    return minute_of_day * 60 + highest(rest)
            rest = self._minutes & ((1 << minute) - 1)
            if rest:
                return hour * 3600 + highest(rest) * 60 + self._last_time % 60
        rest = self._hours & ((1 << hour) - 1)
        return highest(rest) * 3600 + self._last_time % 3600 if rest else -1

    def _count_times(self, end: int) -> int:
        """Return how many times of day lie before the second ``end``."""
        minute_of_day, second = divmod(end, 60)
        hour, minute = divmod(minute_of_day, 60)
        per_minute = self._seconds.bit_count()
        total = (self._hours & ((1 << hour) - 1)).bit_count() * self._minutes.bit_count() * per_minute
        if self._hours >> hour & 1:
            total += (self._minutes & ((1 << minute) - 1)).bit_count() * per_minute
            if self._minutes >> minute & 1:
                total += (self._seconds & ((1 << second) - 1)).bit_count()
        return total

    def _count_days(self, first: int, last: int) -> int:
        total = 0
        month: Month | None = self._days.month_of(first)
        while month is not None and month.first <= last:
            named = month.days >> max(first - month.first, 0)
            named &= (2 << (last - max(first, month.first))) - 1
            total += named.bit_count()
            month = self._days.month_after(month.number)
        return total
