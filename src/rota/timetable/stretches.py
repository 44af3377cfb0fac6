"""A zone's time as stretches between two changes of its clock.  Instants and offsets are in seconds."""

from __future__ import annotations

from bisect import bisect_right
from calendar import isleap
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from rota.timetable.days import EPOCH_ORDINAL
from rota.timetable.instant import EPOCH, FIRST_US, LAST_US
from rota.timetable.zones import zone

FIRST_SECOND = FIRST_US // 1_000_000
LAST_SECOND = LAST_US // 1_000_000
CORRECTION = 3 * 3600
"""From this many seconds on, a change of the clock is a correction of the calendar."""

_SECOND = timedelta(seconds=1)
_DAY_SECONDS = 86_400
# Two changes in one zone were never less than three days apart, so that a step of two days meets each of them.
_PROBE_DAYS = 2
# At the very ends of the calendar the local time would leave it; no zone changes its clock there.
_EARLIEST_PROBE = FIRST_SECOND + _DAY_SECONDS
_LATEST_PROBE = LAST_SECOND - _DAY_SECONDS
# From these years on a zone has nothing but its yearly rule, and the first 400 are of every shape there is.
_YEARLY_RULE = range(2201, 10_000)
_ALL_SHAPES = 400


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time with one offset from UTC."""

    start: int
    end: int
    """The first instant that is no longer in it."""
    offset: int
    before: int
    """The offset before ``start``; equal to ``offset`` where ``start`` is no change of the clock."""

    @property
    def change(self) -> int:
        """By how much the clock is put forwards at the start."""
        return self.offset - self.before

    @property
    def gap(self) -> tuple[int, int] | None:
        """The wall-clock times skipped at the start, unless that is a correction of the calendar."""
        if 0 < self.change < CORRECTION:
            return self.start + self.before, self.start + self.offset
        return None

    @property
    def repeated(self) -> tuple[int, int] | None:
        """The wall-clock times shown a second time at the start, unless that is a correction of the calendar."""
        if -CORRECTION < self.change < 0:
            return self.start + self.offset, self.start + self.before
        return None


def stretch_at(name: str, instant: int) -> Stretch:
    """Return the stretch of a zone that an instant between `FIRST_SECOND` and `LAST_SECOND` lies in."""
    year = (EPOCH + timedelta(seconds=instant)).year
    starts, stretches = _stretches(name, year)
    return stretches[bisect_right(starts, instant) - 1]


@lru_cache(maxsize=8192)
def _stretches(name: str, year: int) -> tuple[list[int], list[Stretch]]:
    """Return the stretches of a year.

    The first one reaches back into the year before, so that the first hours of January still know of a change
    in the last hours of December.
    """
    model = _model_years()[_shape(year)] if year in _YEARLY_RULE else year
    if model == year:
        found = _find_stretches(zone(name), year)
    else:
        later = _new_year(year) - _new_year(model)
        found = [replace(like, start=like.start + later, end=like.end + later) for like in _stretches(name, model)[1]]
    return [stretch.start for stretch in found], found


def _find_stretches(tz: ZoneInfo, year: int) -> list[Stretch]:
    start, end = _new_year(year) - _PROBE_DAYS * _DAY_SECONDS, _new_year(year + 1)
    moment = EPOCH + timedelta(seconds=max(start - 1, _EARLIEST_PROBE))
    last = EPOCH + timedelta(seconds=min(end - 1, _LATEST_PROBE))
    step = timedelta(days=_PROBE_DAYS)
    before = offset = _offset(moment, tz)
    found = []
    while moment < last:
        following = min(moment + step, last)
        changed = _offset(following, tz)
        if changed != offset:
            change = (_find_change(moment, following, tz) - EPOCH) // _SECOND
            if change > start:
                found.append(Stretch(start, change, offset // _SECOND, before // _SECOND))
            start, before, offset = change, offset, changed
        moment = following
    found.append(Stretch(start, end, offset // _SECOND, before // _SECOND))
    return found


def _find_change(first: datetime, last: datetime, tz: ZoneInfo) -> datetime:
    """Return the first moment whose offset is not that of ``first``, given that ``last`` has another."""
    offset = _offset(first, tz)
    seconds = (last - first) // _SECOND
    low = 0
    while seconds - low > 1:
        middle = (low + seconds) // 2
        if _offset(first + timedelta(seconds=middle), tz) == offset:
            low = middle
        else:
            seconds = middle
    return first + timedelta(seconds=seconds)


def _offset(moment: datetime, tz: ZoneInfo) -> timedelta:
    return moment.astimezone(tz).utcoffset() or timedelta(0)


@lru_cache(maxsize=1)
def _model_years() -> dict[tuple[int, bool, bool], int]:
    """Return for each shape of a year the first one that has it, among those of a yearly rule."""
    return {_shape(year): year for year in reversed(_YEARLY_RULE[:_ALL_SHAPES])}


def _shape(year: int) -> tuple[int, bool, bool]:
    return date(year, 1, 1).weekday(), isleap(year), isleap(year - 1)


def _new_year(year: int) -> int:
    past = year - 1
    return (past * 365 + past // 4 - past // 100 + past // 400 + 1 - EPOCH_ORDINAL) * _DAY_SECONDS
