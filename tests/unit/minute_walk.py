"""Cron by walking: what Debian's daemon does, minute after minute, with a clock on the wall and no arithmetic.

It shares nothing with the timetable but the rule, and it is far too slow for anything but tests.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
CORRECTION = timedelta(hours=3)
MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def walk(
    expression: str,
    zone: str,
    start: datetime,
    end: datetime,
    *,
    both: bool = False,
    second_field: str | None = None,
) -> Iterator[datetime]:
    """Yield the instants from ``start`` up to, not including, ``end`` at which a five-field expression is due.

    The walk takes steps of a minute, or of a second where there is a ``second_field``.
    """
    tz = ZoneInfo(zone)
    step = SECOND if second_field else MINUTE
    fields = expression.lower().split()
    fixed = fields[0][0] != "*" and fields[1][0] != "*"
    now = start - timedelta(hours=4)  # what the clock did before matters for less than three hours
    before = _on_the_wall(now - step, tz)
    caught_up_at = before
    owed = False
    while now < end:
        wall = _on_the_wall(now, tz)
        jump = wall - before - step
        if abs(jump) >= CORRECTION:
            caught_up_at = wall
        elif jump < timedelta(0):
            caught_up_at = max(caught_up_at, before + step)
        elif jump and fixed:
            missed = (before + step * n for n in range(1, jump // step + 1))
            owed = any(_due(fields, second_field, both, moment) for moment in missed)
        due = _due(fields, second_field, both, wall) and not (fixed and wall < caught_up_at)
        if owed and wall.second == 0:
            due, owed = True, False
        if due and now >= start:
            yield now
        before = wall
        now += step


class Window:
    """A stretch of time in a zone, walked once, in which many expressions are asked about."""

    def __init__(self, zone: str, start: datetime, end: datetime) -> None:
        tz = ZoneInfo(zone)
        begin = start - timedelta(hours=4)
        steps = range(-1, (end - begin) // MINUTE)
        self._start = start
        self._steps = [(begin + n * MINUTE, _on_the_wall(begin + n * MINUTE, tz)) for n in steps]
        assert all(wall.second == 0 for _, wall in self._steps), "offsets of odd seconds are not walked by minutes"
        self.middle = self._steps[len(self._steps) // 2][1]

    def due(self, expression: str) -> list[datetime]:
        """Return when a five-field expression is due, decided minute by minute as `walk` does."""
        fields = expression.lower().split()
        fixed = fields[0][0] != "*" and fields[1][0] != "*"
        minutes = {n for n in range(60) if _named(fields[0], n, 0, 59, ())}
        hours = {n for n in range(24) if _named(fields[1], n, 0, 23, ())}

        def named(wall: datetime) -> bool:
            if wall.minute not in minutes or wall.hour not in hours:
                return False
            return _day_due(fields[2], fields[3], fields[4], False, wall.year, wall.month, wall.day)

        found = []
        before = caught_up_at = self._steps[0][1]
        owed = False
        for now, wall in self._steps[1:]:
            jump = wall - before - MINUTE
            if abs(jump) >= CORRECTION:
                caught_up_at = wall
            elif jump < timedelta(0):
                caught_up_at = max(caught_up_at, before + MINUTE)
            elif jump and fixed:
                owed = owed or any(named(before + MINUTE * n) for n in range(1, jump // MINUTE + 1))
            if (owed or (named(wall) and not (fixed and wall < caught_up_at))) and now >= self._start:
                found.append(now)
            owed = False
            before = wall
        return found


def _on_the_wall(now: datetime, tz: ZoneInfo) -> datetime:
    return now.astimezone(tz).replace(tzinfo=None, fold=0)


def _due(fields: list[str], second_field: str | None, both: bool, wall: datetime) -> bool:
    if second_field and not _named(second_field, wall.second, 0, 59, ()):
        return False
    minute, hour, date, month, weekday = fields
    if not _named(minute, wall.minute, 0, 59, ()) or not _named(hour, wall.hour, 0, 23, ()):
        return False
    return _day_due(date, month, weekday, both, wall.year, wall.month, wall.day)


@lru_cache(maxsize=100_000)
def _day_due(
    date_field: str, month_field: str, weekday_field: str, both: bool, year: int, month: int, day: int
) -> bool:
    if not _named(month_field, month, 1, 12, ("", *MONTH_NAMES)):
        return False
    by_date = any(_date_term(term, year, month, day) for term in date_field.split(","))
    by_weekday = any(_weekday_term(term, year, month, day) for term in weekday_field.split(","))
    if both or date_field[0] == "*" or weekday_field[0] == "*":
        return by_date and by_weekday
    return by_date or by_weekday


def _date_term(term: str, year: int, month: int, day: int) -> bool:
    last = calendar.monthrange(year, month)[1]
    if term == "l":
        return day == last
    if term == "lw":
        working_days = [d for d in range(1, last + 1) if calendar.weekday(year, month, d) < calendar.SATURDAY]
        return day == working_days[-1]
    return _named(term, day, 1, 31, ())


def _weekday_term(term: str, year: int, month: int, day: int) -> bool:
    weekday = calendar.weekday(year, month, day)
    numbers = {(weekday + 1) % 7} | ({7} if weekday == calendar.SUNDAY else set())
    nth = re.fullmatch(r"(\w+)(l|#([1-5]))", term)
    if not nth:
        return any(_named(term, number, 0, 7, DAY_NAMES) for number in numbers)
    if not any(_named(nth[1], number, 0, 7, DAY_NAMES) for number in numbers):
        return False
    same = [week[weekday] for week in calendar.monthcalendar(year, month) if week[weekday]]
    return day == (same[-1] if nth[2] == "l" else (same + [0] * 5)[int(nth[3]) - 1])


@lru_cache(maxsize=100_000)
def _named(field: str, value: int, low: int, high: int, names: tuple[str, ...]) -> bool:
    return any(_term_names(term, value, low, high, names) for term in field.split(","))


def _term_names(term: str, value: int, low: int, high: int, names: tuple[str, ...]) -> bool:
    def number(text: str) -> int:
        return names.index(text) if text in names else int(text)

    match = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", term)
    assert match, term
    first = low if match[1] == "*" else number(match[2])
    endless = match[1] == "*" or (match[4] and not match[3])
    last = high if endless else number(match[3] or match[2])
    return first <= value <= last and (value - first) % int(match[4] or 1) == 0


def changes(zone: str, year: int) -> list[datetime]:
    """Return the changes of a zone's clock in a year, to the minute, found by looking at every quarter of a day."""
    return list(_changes(zone, year))


@lru_cache(maxsize=1000)
def _changes(zone: str, year: int) -> tuple[datetime, ...]:
    tz = ZoneInfo(zone)
    found = []
    now, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while now < end:
        following = now + timedelta(hours=6)
        while now < following:
            if following.astimezone(tz).utcoffset() == now.astimezone(tz).utcoffset():
                now = following
            elif (now + MINUTE).astimezone(tz).utcoffset() != now.astimezone(tz).utcoffset():
                now += MINUTE
                found.append(now)
            else:
                now += MINUTE
    return tuple(found)
