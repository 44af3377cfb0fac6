"""Quiet hours: when nobody is to be told, by the clock on somebody's wall."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from rota.errors import Invalid
from rota.timetable import zone

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class QuietHours(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """From one time of the day to another, which may be on the next day; the same twice is a whole day.

    ``days`` are those on which they begin; empty for all.  The wall clock counts: where it is put forward or back, they
    are shorter or longer.
    """

    timezone: str
    from_: str
    to: str
    days: tuple[str, ...] = ()

    def holds(self, now_us: int) -> bool:
        """Tell whether it is quiet now (µs UTC); not where this machine does not know the zone: better told."""
        try:
            here = (EPOCH + timedelta(microseconds=now_us)).astimezone(zone(self.timezone))
        except Invalid:
            return False
        minute, begin, end = here.hour * 60 + here.minute, minutes(self.from_, "from"), minutes(self.to, "to")
        if begin < end:
            return begin <= minute < end and self._begins(here.weekday())
        if minute >= begin:
            return self._begins(here.weekday())
        return minute < end and self._begins((here.weekday() - 1) % 7)

    def _begins(self, weekday: int) -> bool:
        return not self.days or DAYS[weekday] in self.days


def quiet_hours(timezone: str, begin: str, end: str, days: Sequence[str] = ()) -> QuietHours:
    """Return quiet hours; raises Invalid for ``timezone``, ``from``, ``to`` and ``days``."""
    zone(timezone)
    minutes(begin, "from")
    minutes(end, "to")
    named = tuple(day.upper() for day in days)
    for day in named:
        if day not in DAYS:
            raise Invalid("days", f"{day[:20]!r} is no day", hint=f"some of {', '.join(DAYS)}")
    return QuietHours(timezone, begin, end, tuple(day for day in DAYS if day in named))


def minutes(text: str, field: str) -> int:
    """Return a time of the day, ``22:00``, in minutes; raises Invalid for ``field``."""
    hour, colon, minute = text.partition(":")
    digits = len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()
    if not (colon and digits and int(hour) < 24 and int(minute) < 60):
        raise Invalid(field, f"{text[:20]!r} is no time of the day", hint="write HH:MM, as in 22:00")
    return int(hour) * 60 + int(minute)
