"""Several series of instants as one, in which instants that coincide are one instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rota.timetable.instant import FIRST_US, LAST_US
from rota.timetable.interval import Interval, Once
from rota.timetable.progression import Progression, count_union

_SECOND = 1_000_000
_DAY = 86_400


class Instants(Protocol):
    """An ascending series of instants, in microseconds since 1970 in UTC."""

    def first(self, instant_us: int, /) -> int | None:
        """Return the first instant that is not before ``instant_us``."""

    def last(self, instant_us: int, /) -> int | None:
        """Return the last instant that is not after ``instant_us``."""

    def count(self, first_us: int, end_us: int, /) -> int:
        """Return how many instants there are from ``first_us`` up to, not including, ``end_us``."""

    def mask(self, first: int, end: int, /) -> int:
        """Return the instants on whole seconds from ``first`` up to ``end`` (in seconds), bit 0 for ``first``."""


class Union:
    """The instants of any of some series."""

    __slots__ = ("_ahead", "_series")

    def __init__(self, series: Sequence[Instants]) -> None:
        self._series = tuple(series)
        # From which instant on each one's first instant was sought, and what it was; replaced as a whole, never
        # changed, since threads share a rule.
        self._ahead: tuple[int, tuple[int | None, ...]] = (LAST_US + 1, (None,) * len(self._series))

    def first(self, instant_us: int) -> int | None:
        """Return the first instant that is not before ``instant_us``."""
        since, ahead = self._ahead
        if instant_us < since:
            ahead = tuple(series.first(instant_us) for series in self._series)
        else:
            ahead = tuple(
                found if found is None or found >= instant_us else series.first(instant_us)
                for found, series in zip(ahead, self._series, strict=True)
            )
        self._ahead = (instant_us, ahead)
        return min((found for found in ahead if found is not None), default=None)

    def last(self, instant_us: int) -> int | None:
        """Return the last instant that is not after ``instant_us``."""
        return max((found for series in self._series if (found := series.last(instant_us)) is not None), default=None)

    def count(self, first_us: int, end_us: int) -> int:
        """Return how many instants there are from ``first_us`` up to, not including, ``end_us``."""
        first_us, end_us = max(first_us, FIRST_US), min(end_us, LAST_US + 1)
        counts = {series: count for series in self._series if (count := series.count(first_us, end_us))}
        if len(counts) <= 1:
            return sum(counts.values())
        if sum(counts.values()) <= (end_us - first_us) // (_DAY * _SECOND):
            return self._walk(first_us, end_us)
        first, end = -(-first_us // _SECOND), -(-end_us // _SECOND)
        whole = 0
        for start in range(first, end, _DAY):
            stop, mask = min(start + _DAY, end), 0
            for series in counts:
                mask |= series.mask(start, stop)
            whole += mask.bit_count()
        return whole + _count_fractions(list(counts), first_us, end_us)

    def mask(self, first: int, end: int) -> int:
        """Return the instants on whole seconds from ``first`` up to ``end`` (in seconds), bit 0 for ``first``."""
        mask = 0
        for series in self._series:
            mask |= series.mask(first, end)
        return mask

    def _walk(self, first_us: int, end_us: int) -> int:
        total = 0
        instant = self.first(first_us)
        while instant is not None and instant < end_us:
            total += 1
            instant = self.first(instant + 1)
        return total


def _count_fractions(series: Sequence[Instants], first_us: int, end_us: int) -> int:
    """Count the instants between whole seconds; only intervals and single instants have such."""
    grids = {Progression.of(one.anchor_us, one.every_us) for one in series if isinstance(one, Interval)}
    broken = [grid for grid in grids if not grid.within(_SECOND)]
    single = {one.at_us for one in series if isinstance(one, Once) and one.at_us % _SECOND}
    alone = sum(first_us <= at < end_us and not any(at in grid for grid in broken) for at in single)
    return alone + count_union(broken, first_us, end_us, without=_SECOND)
