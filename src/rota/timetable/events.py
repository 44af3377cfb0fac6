"""Events of a calendar file: when they begin, how long they are, and how they recur.

A start is a number of seconds that a clock on the wall would have counted since 1970-01-01 00:00.  Events of whole days
are those days in the zone of whoever asks; others begin by the clock of their own zone, if they have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from rota.timetable.days import FIRST_DAY, LAST_DAY
from rota.timetable.recurrence import Recurrence
from rota.timetable.wallclock import DAY_SECONDS
from rota.timetable.zones import zone

LONGEST_RECURRING = 400 * DAY_SECONDS
"""Seconds that an event may last if it recurs."""

_FIRST_WALL, _LAST_WALL = FIRST_DAY * DAY_SECONDS, (LAST_DAY + 1) * DAY_SECONDS - 1
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # what a clock on the wall shows has no zone
_SECOND = timedelta(seconds=1)


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event, with all its recurrences."""

    start: int
    length: int
    """In seconds; of whole days it is a multiple of a day's."""
    whole_days: bool = False
    zone: str | None = None
    """None is the zone of whoever asks."""
    rule: Recurrence | None = None
    without: tuple[int, ...] = ()
    also: tuple[int, ...] = ()

    def starts(self, low: int, high: int) -> Iterator[int]:
        """Yield the starts from ``low`` up to and with ``high``, in no order, a start perhaps twice."""
        without = frozenset(self.without)
        yield from (start for start in (self.start, *self.also) if low <= start <= high and start not in without)
        if self.rule is None:
            return
        day, second = divmod(self.start, DAY_SECONDS)
        last = high if self.rule.until is None else min(high, self.rule.until)
        for found in self.rule.days(day, -((second - low) // DAY_SECONDS), (last - second) // DAY_SECONDS):
            start = found * DAY_SECONDS + second
            if start not in without:
                yield start

    def days(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield from which day up to which day, without it, the event lasts, near the days from first to last."""
        count = self.length // DAY_SECONDS
        for start in self.starts((first - count) * DAY_SECONDS, last * DAY_SECONDS):
            yield start // DAY_SECONDS, start // DAY_SECONDS + count

    def spans(self, start: int, end: int, zone_name: str) -> Iterator[tuple[int, int]]:
        """Yield from when up to when the event lasts, in seconds since 1970 in UTC, near the time from start to end."""
        tz = zone(self.zone or zone_name)
        margin = 2 * DAY_SECONDS
        for wall in self.starts(max(start - self.length - margin, _FIRST_WALL), min(end + margin, _LAST_WALL)):
            try:
                # The first of two times that the clock shows; after the gap where it shows none.
                moment = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=tz)
                offset = moment.utcoffset() or timedelta()
            except OverflowError:  # at the very ends of the calendar
                continue
            begin = wall - offset // _SECOND
            yield begin, begin + self.length
