"""Instants that no calendar decides: the fixed grid of an interval, and a single instant.  All in microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass

from rota.timetable.instant import LAST_US


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
