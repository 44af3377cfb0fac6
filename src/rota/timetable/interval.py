"""Instants that no calendar decides: the fixed grid of an interval, and a single instant.  All in microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass

from rota.durations import SECOND
from rota.timetable.instant import FIRST_US, LAST_US
from rota.timetable.progression import Progression

_WHOLE_SECONDS = Progression(SECOND, 0, FIRST_US)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many microseconds from an anchor, the first one interval after it."""

    every_us: int
    anchor_us: int

    def first(self, instant_us: int) -> int | None:
        """Return the first instant that is not before ``instant_us``."""
        steps = max(1, -((self.anchor_us - instant_us) // self.every_us))
        found = self.anchor_us + steps * self.every_us
        return found if found <= LAST_US else None

    def last(self, instant_us: int) -> int | None:
        """Return the last instant that is not after ``instant_us``."""
        steps = (min(instant_us, LAST_US) - self.anchor_us) // self.every_us
        return self.anchor_us + steps * self.every_us if steps >= 1 else None

    def count(self, first_us: int, end_us: int) -> int:
        """Return how many instants there are from ``first_us`` up to, not including, ``end_us``."""
        return max(0, self._steps_before(min(end_us, LAST_US + 1)) - self._steps_before(first_us))

    def mask(self, first: int, end: int) -> int:
        """Return the instants on whole seconds from ``first`` up to ``end`` (in seconds), bit 0 for ``first``."""
        whole = Progression.of(self.anchor_us, self.every_us).meet(_WHOLE_SECONDS)
        if whole is None:
            return 0
        step = whole.step // SECOND
        lowest = max(first, -(-whole.least // SECOND))
        lowest += (whole.rest // SECOND - lowest) % step
        mask, size = int(lowest < end), step
        while size < end - lowest:
            mask |= mask << size
            size *= 2
        return (mask << max(0, lowest - first)) & ((1 << max(0, end - first)) - 1)

    def _steps_before(self, instant_us: int) -> int:
        return max(0, (instant_us - 1 - self.anchor_us) // self.every_us)


@dataclass(frozen=True, slots=True)
class Once:
    """One instant."""

    at_us: int

    def first(self, instant_us: int) -> int | None:
        """Return the instant unless it lies before ``instant_us``."""
        return self.at_us if self.at_us >= instant_us else None

    def last(self, instant_us: int) -> int | None:
        """Return the instant unless it lies after ``instant_us``."""
        return self.at_us if self.at_us <= instant_us else None

    def count(self, first_us: int, end_us: int) -> int:
        """Return 1 if the instant lies from ``first_us`` up to, not including, ``end_us``, else 0."""
        return int(first_us <= self.at_us < end_us)

    def mask(self, first: int, end: int) -> int:
        """Return the instant, if on a whole second from ``first`` up to ``end`` (in seconds), bit 0 for ``first``."""
        second, fraction = divmod(self.at_us, SECOND)
        return 1 << (second - first) if not fraction and first <= second < end else 0
