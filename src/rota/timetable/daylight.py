"""What changes of the clock make of wall-clock times: from the times that an expression names to instants.

A change of less than three hours: a fixed job has its skipped times at the first minute after the gap, and its
repeated times in the first pass only; a wildcard job follows the clock on the wall.  A larger change is a correction
of the calendar, and every job follows the clock on the wall.

Instants are whole seconds; outside they are in microseconds since 1970 in UTC.
"""

from __future__ import annotations

from rota.timetable.stretches import CORRECTION, FIRST_SECOND, LAST_SECOND, Stretch, stretch_at
from rota.timetable.wallclock import DAY_SECONDS, WallClock

# No two offsets of one zone are further apart than this many days.
_MARGIN = 2
_SECOND = 1_000_000
TWICE = "the clock shows this time twice"


class Daylight:
    """The instants of a `WallClock` in a zone, by the rule for fixed or for wildcard jobs."""

    __slots__ = ("_fixed", "_stretch", "_wall", "_zone")

    def __init__(self, wall: WallClock, zone_name: str, *, fixed: bool) -> None:
        self._wall = wall
        self._zone = zone_name
        self._fixed = fixed
        # Replaced as a whole, never changed: threads that share a rule may each find the stretch of the other.
        self._stretch = stretch_at(zone_name, 0)

    def first(self, instant_us: int) -> int | None:
        """Return the first instant that is not before ``instant_us``."""
        instant: int | None = max(-(-instant_us // _SECOND), FIRST_SECOND)
        while instant is not None and instant <= LAST_SECOND:
            stretch = self._stretch_at(instant)
            found = self._first_in(stretch, instant + stretch.offset)
            if found is not None:
                return (found - stretch.offset) * _SECOND
            instant = self._after(stretch)
        return None

    def last(self, instant_us: int) -> int | None:
        """Return the last instant that is not after ``instant_us``."""
        instant: int | None = min(instant_us // _SECOND, LAST_SECOND)
        while instant is not None and instant >= FIRST_SECOND:
            stretch = self._stretch_at(instant)
            found = self._last_in(stretch, instant + stretch.offset)
            if found is not None:
                found -= stretch.offset
                return found * _SECOND if found >= FIRST_SECOND else None
            instant = self._before(stretch)
        return None

    def count(self, first_us: int, end_us: int) -> int:
        """Return how many instants there are from ``first_us`` up to, not including, ``end_us``."""
        instant = max(-(-first_us // _SECOND), FIRST_SECOND)
        end = min(-(-end_us // _SECOND), LAST_SECOND + 1)
        total = 0
        while instant < end:
            stretch = self._stretch_at(instant)
            stop = min(stretch.end, end)
            low, high = instant + stretch.offset, stop + stretch.offset
            total += self._wall.count(max(low, self._opening(stretch)), high)
            resumption = self._resumption(stretch)
            if resumption is not None and low <= resumption < high and not self._wall.count(resumption, resumption + 1):
                total += 1
            instant = stop
        return total

    def mask(self, first: int, end: int) -> int:
        """Return the instants from ``first`` up to ``end`` (in seconds), bit 0 for ``first``."""
        mask = 0
        instant = max(first, FIRST_SECOND)
        end = min(end, LAST_SECOND + 1)
        while instant < end:
            stretch = self._stretch_at(instant)
            stop = min(stretch.end, end)
            low, high = instant + stretch.offset, stop + stretch.offset
            resumption = self._resumption(stretch)
            if resumption is not None and low <= resumption < high:
                mask |= 1 << (resumption - stretch.offset - first)
            low = max(low, self._opening(stretch))
            mask |= self._wall.mask(low, high) << (low - stretch.offset - first)
            instant = stop
        return mask

    def note(self, instant_us: int) -> str | None:
        """Say what a change of the clock did to an instant of this series; None where it did nothing."""
        instant = instant_us // _SECOND
        stretch = self._stretch_at(instant)
        wall = instant + stretch.offset
        gap, again = stretch.gap, stretch.repeated
        if gap is not None and wall == self._resumption(stretch):
            return f"the clock skipped {_hhmm(gap[0])} to {_hhmm(gap[1])}; this is the first minute after"
        if again is not None and again[0] <= wall < again[1]:
            return f"{TWICE}; this is the second"
        if stretch.end - instant > CORRECTION or stretch.end > LAST_SECOND:
            return None
        again = stretch_at(self._zone, stretch.end).repeated
        if again is None or not again[0] <= wall < again[1]:
            return None
        return "the clock shows this time twice; this is the first" + (
            ", and the only one to run" if self._fixed else ""
        )

    def _stretch_at(self, instant: int) -> Stretch:
        stretch = self._stretch
        if not stretch.start <= instant < stretch.end:
            stretch = self._stretch = stretch_at(self._zone, instant)
        return stretch

    def _opening(self, stretch: Stretch) -> int:
        """Return the first wall-clock time of a stretch that counts: for a fixed job not the second pass."""
        if self._fixed and stretch.repeated is not None:
            return stretch.repeated[1]
        return stretch.start + stretch.offset

    def _resumption(self, stretch: Stretch) -> int | None:
        """Return the first full minute of a stretch on the wall, if the times skipped before it fall there."""
        gap = stretch.gap if self._fixed else None
        if gap is None or not self._wall.count(*gap):
            return None
        return gap[1] + -gap[1] % 60

    def _first_in(self, stretch: Stretch, wall: int) -> int | None:
        end = stretch.end + stretch.offset
        resumption = None
        if stretch.offset != stretch.before:
            wall = max(wall, self._opening(stretch))
            resumption = self._resumption(stretch)
        found = self._wall.at_or_after(wall)
        if resumption is not None and wall <= resumption and (found is None or found > resumption):
            found = resumption
        return found if found is not None and found < end else None

    def _last_in(self, stretch: Stretch, wall: int) -> int | None:
        opening = stretch.start + stretch.offset
        resumption = None
        if stretch.offset != stretch.before:
            opening = self._opening(stretch)
            resumption = self._resumption(stretch)
        found = self._wall.at_or_before(wall)
        if resumption is not None and resumption <= wall and (found is None or found < resumption):
            found = resumption
        return found if found is not None and found >= opening else None

    def _after(self, stretch: Stretch) -> int | None:
        """Return where to search on when a stretch has no more: at its end, or two days before the next named day."""
        day = self._wall.day_at_or_after((stretch.end + stretch.offset) // DAY_SECONDS - _MARGIN)
        return None if day is None else max(stretch.end, (day - _MARGIN) * DAY_SECONDS)

    def _before(self, stretch: Stretch) -> int | None:
        """Return where to search back from when a stretch has no earlier one."""
        day = self._wall.day_at_or_before((stretch.start + stretch.before) // DAY_SECONDS + _MARGIN)
        return None if day is None else min(stretch.start - 1, (day + _MARGIN + 1) * DAY_SECONDS)


def _hhmm(wall: int) -> str:
    minutes = wall // 60 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
