"""Time zones: their names, the release of their data, and the stretches of time between two changes of the clock."""

from __future__ import annotations

import os
import re
import zoneinfo
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from zoneinfo import ZoneInfo

from rota.errors import Invalid
from rota.timetable.instant import EPOCH, FIRST_US, LAST_US

FIRST_SECOND = FIRST_US // 1_000_000
LAST_SECOND = LAST_US // 1_000_000
CORRECTION = 3 * 3600
"""From this many seconds on, a change of the clock is a correction of the calendar."""

# Every part of an IANA name begins with a capital, and nothing else in a zone folder does: not posix/, right/,
# localtime or a table of leap seconds.
_NAME = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*", re.ASCII)
_LONGEST_NAME = 64
_HINT = "use a name of the IANA database such as Europe/Paris, America/New_York or UTC"
_DAY = 86_400
# Two changes in one zone were never less than three days apart, so that a step of two days meets each of them.
_PROBE = 2 * _DAY
_EARLIEST_PROBE = FIRST_SECOND + _DAY
_LATEST_PROBE = LAST_SECOND - _DAY


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time with one offset from UTC; instants and offsets are in seconds."""

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


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """Return a time zone by its IANA name; raises `Invalid` for ``field`` when there is none of that name."""
    if not isinstance(name, str):
        raise Invalid(field, f"a time zone is a name, not {type(name).__name__}", hint=_HINT)
    if not name:
        raise Invalid(field, "a time zone is empty", hint=_HINT)
    if len(name) > _LONGEST_NAME:
        raise Invalid(field, f"a time zone's name is longer than {_LONGEST_NAME} characters", hint=_HINT)
    if _NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise Invalid(field, f"there is no time zone {name!r}", hint=_resembling(name))


def tzdata_release() -> str:
    """Name the release of the zone data in use and where it comes from, as in ``2025b (/usr/share/zoneinfo)``."""
    for folder in zoneinfo.TZPATH:
        if os.path.isfile(os.path.join(folder, "UTC")):
            return f"{_release_in(folder)} ({folder})"
    # By name, since the package carries no types.
    return f"{import_module('tzdata').IANA_VERSION} (the tzdata package)"


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
    tz = zone(name)
    first = _seconds(year, 1, 1) - _PROBE
    end = _seconds(year + 1, 1, 1) if year < 9999 else LAST_SECOND + 1
    before = _offset_at(tz, first - 1)
    starts, offsets = [first], [_offset_at(tz, first)]
    probe = first
    while probe < end - 1:
        following = min(probe + _PROBE, end - 1)
        offset = _offset_at(tz, following)
        if offset != offsets[-1]:
            starts.append(_find_change(tz, probe, following))
            offsets.append(offset)
        probe = following
    stretches = []
    for index, start in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else end
        stretches.append(Stretch(start, stop, offsets[index], offsets[index - 1] if index else before))
    return starts, stretches


def _find_change(tz: ZoneInfo, first: int, last: int) -> int:
    """Return the first instant whose offset is not that of ``first``, given that ``last`` has another."""
    offset = _offset_at(tz, first)
    while last - first > 1:
        middle = (first + last) // 2
        if _offset_at(tz, middle) == offset:
            first = middle
        else:
            last = middle
    return last


def _offset_at(tz: ZoneInfo, instant: int) -> int:
    # At the very ends of the calendar the local time would leave it; no zone changes its clock there.
    instant = min(max(instant, _EARLIEST_PROBE), _LATEST_PROBE)
    offset = (EPOCH + timedelta(seconds=instant)).astimezone(tz).utcoffset()
    return 0 if offset is None else offset.days * _DAY + offset.seconds


def _seconds(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=EPOCH.tzinfo) - EPOCH) // timedelta(seconds=1)


def _release_in(folder: str) -> str:
    for name in ("tzdata.zi", "+VERSION"):
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
                first_line = file.readline(80)
        except OSError:
            continue
        release = re.search(r"[0-9]{4}[a-z]*", first_line)
        if release:
            return release[0]
    return "unknown release"


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {name.lower(): name for name in sorted(zoneinfo.available_timezones()) if _NAME.fullmatch(name)}


def _resembling(name: str) -> str:
    close = get_close_matches(name.lower(), _names(), n=1, cutoff=0.7)
    return f"did you mean {_names()[close[0]]}?" if close else _HINT
