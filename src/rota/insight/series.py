"""Series: how much ended, how long it waited and ran, over a window of time, from rollups alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from rota.store import rollups
from rota.store.database import Tx
from rota.store.rollups import BOUNDS, SECOND_US, Rollup
from rota.store.totals import Histogram

WindowName = Literal["1h", "6h", "24h", "7d", "30d"]
By = Literal["queue", "type"]
MOST_GROUPS = 50
"""Groups with points of their own, those with most ends; the rest is one more."""
OTHERS = "(others)"
TIMED = ("completed", "failed")
COUNTED = ("completed", "failed", "cancelled", "retried", "lost", "interrupted", "snoozed")
LONGEST_US = 4 * BOUNDS[-1]
"""What the last bucket is taken to end with."""


class Window(msgspec.Struct, frozen=True):
    """A window of time: how long, and how far apart its points are (s): one of the lengths of stretches."""

    length: int
    step: int


WINDOWS: Mapping[WindowName, Window] = {
    "1h": Window(3600, 60),
    "6h": Window(6 * 3600, 300),
    "24h": Window(24 * 3600, 900),
    "7d": Window(7 * 86_400, 7200),
    "30d": Window(30 * 86_400, 21_600),
}


class Spread(msgspec.Struct, rename="camel", frozen=True):
    """How long something took, in milliseconds; percentiles lie within a fifth of the truth."""

    avg: float
    p50: float
    p90: float
    p99: float


class Point(msgspec.Struct, rename="camel"):
    """What ended in a stretch of time."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    """Attempts that failed and after which the job waits for the next."""
    lost: int = 0
    interrupted: int = 0
    snoozed: int = 0
    waiting_ms: Spread | None = None
    """How long jobs that completed or failed had waited for their last start, since they were due."""
    running_ms: Spread | None = None


class Group(msgspec.Struct, frozen=True):
    """The points of a queue or a type, or of all; the first is at ``since``."""

    name: str | None
    totals: Point
    points: list[Point]


class Series(msgspec.Struct, frozen=True):
    """Groups over a window of time; times are µs UTC."""

    since: int
    until: int
    step_us: int
    groups: list[Group]


class _Sums:
    """What ended in a stretch, by outcome."""

    __slots__ = ("counts", "timed")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.timed = Rollup()

    def add(self, outcome: str, one: Rollup) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + one.ends
        if outcome in TIMED and one.timed:
            self.timed.add(one)

    def point(self) -> Point:
        counts = {outcome: self.counts.get(outcome, 0) for outcome in COUNTED}
        timed = self.timed
        return Point(
            **counts,
            waiting_ms=spread(timed.waiting, timed.waiting_us),
            running_ms=spread(timed.running, timed.running_us),
        )


def series(
    tx: Tx, name: WindowName, *, by: By | None = None, queue: str | None = None, type_name: str | None = None
) -> Series:
    """Return what ended in the window of time that ends now, narrowed, and by group where ``by`` says so."""
    window = WINDOWS[name]
    step = window.step * SECOND_US
    until = (tx.now() // step + 1) * step
    since = until - window.length * SECOND_US
    rows = rollups.between(tx, window.step, since, until, queue=queue, type_name=type_name)
    places = (until - since) // step
    totals: dict[str | None, _Sums] = {} if by else {None: _Sums()}
    points: dict[str | None, dict[int, _Sums]] = {}
    names = _names(rows, by)
    for at, of_queue, of_type, outcome, one in rows:
        group = None if by is None else names.get(of_queue if by == "queue" else of_type, OTHERS)
        totals.setdefault(group, _Sums()).add(outcome, one)
        points.setdefault(group, {}).setdefault((at - since) // step, _Sums()).add(outcome, one)
    groups = [
        Group(group, total.point(), [_point(points.get(group, {}).get(place)) for place in range(places)])
        for group, total in totals.items()
    ]
    groups.sort(key=lambda group: (group.name == OTHERS, group.name or ""))
    return Series(since, until, step, groups)


def _point(sums: _Sums | None) -> Point:
    return Point() if sums is None else sums.point()


def _names(rows: Iterable[tuple[int, str, str, str, Rollup]], by: By | None) -> dict[str, str]:
    """Return the groups that have points of their own."""
    ends: dict[str, int] = {}
    for _, queue, kind, _, one in rows:
        key = queue if by == "queue" else kind
        ends[key] = ends.get(key, 0) + one.ends
    most = sorted(ends, key=lambda key: (-ends[key], key))[:MOST_GROUPS]
    return {key: key for key in most}


def spread(histogram: Histogram, sum_us: int) -> Spread | None:
    """Return mean and percentiles; None of nothing."""
    count = sum(histogram.values())
    if not count:
        return None
    p50, p90, p99 = (_milliseconds(percentile(histogram, share)) for share in (0.5, 0.9, 0.99))
    return Spread(_milliseconds(sum_us / count), p50, p90, p99)


def percentile(histogram: Histogram, share: float) -> float:
    """Return the duration (µs) that ``share`` of all do not exceed, as far as the bounds tell."""
    wanted = share * sum(histogram.values())
    passed = 0
    for place in sorted(histogram):
        count = histogram[place]
        if passed + count >= wanted:
            low = BOUNDS[place - 1] if place else 0
            high = BOUNDS[place] if place < len(BOUNDS) else LONGEST_US
            return low + (high - low) * (wanted - passed) / count
        passed += count
    return 0.0


def _milliseconds(us: float) -> float:
    return round(us / 1000, 1 if us < 10_000_000 else 0)
