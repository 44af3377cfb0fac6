"""What schedules will do: their starts, the load that this means for queues, and where they get in each other's way.

A pure function of rules, durations and room.  Starts are counted by the second in sets, not listed: a thousand
schedules of each minute have ten million of them in a week.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from rota.actions import tally
from rota.actions.segments import Span
from rota.actions.tally import Tally
from rota.model import Schedule
from rota.timetable import Rule

SECOND = 1_000_000
HOUR_S = 3600
NEXT = 5
"""Instants that are listed of each schedule; all are counted."""
MANY = 10
"""So many starts in one second are told, whatever room there is."""
LEVELS = 3
"""Of the crowded seconds of a queue, those with the most starts, the next fewer and so on."""
NAMED = 10
"""Schedules that a clash names; all are counted."""
MOST_WIDTH_S = 7 * 24 * HOUR_S

Effect = Literal["skipped", "queued", "ended", "beside"]
EFFECTS: dict[str, Effect] = {
    "skip": "skipped", "queueOne": "queued", "queueAll": "queued", "cancel": "ended", "kill": "ended",
    "allow": "beside",
}  # fmt: skip


class Expected(msgspec.Struct, frozen=True):
    """How long runs take, from the last of them, µs."""

    p50: int
    p90: int
    runs: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, and what is known of it."""

    schedule: Schedule
    queue: str
    rule: Rule
    coarse: Rule
    """The same with whole seconds: its interval counts from the second of its anchor.  Two instants of one schedule
    that fall into the same second are counted once."""
    expected: Expected | None = None
    closed: Sequence[Span] = ()
    """When its calendars let nothing fire."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of a queue may run at once."""

    slots: int
    """Of the living workers that take the jobs that are expected there."""
    concurrency: int | None = None
    paused: bool = False

    @property
    def capacity(self) -> int:
        if self.paused:
            return 0
        return self.slots if self.concurrency is None else min(self.slots, self.concurrency)


class Blackout(msgspec.Struct, frozen=True):
    """Instants that a calendar keeps from firing; times µs UTC."""

    first: int
    end: int
    calendar: str
    count: int


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What one schedule will do."""

    item: Item
    next: list[int]
    """The first of its starts, µs UTC."""
    count: int
    blackouts: list[Blackout]


class Share(msgspec.Struct):
    """What one hour means for one queue."""

    starts: int = 0
    busy: float = 0.0
    """Jobs that run at once, on average."""
    peak: int = 0
    """Jobs that run in the same second, at most."""


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """Where something gets in the way of something.  Times are µs UTC."""

    kind: Literal["together", "overrun", "overload"]
    queue: str
    at: int
    end: int | None = None
    count: int = 0
    """Starts in one second, or starts that meet an earlier run."""
    times: int = 0
    """How many such seconds there are."""
    capacity: int | None = None
    busy: float | None = None
    schedules: tuple[str, ...] = ()
    gap: int | None = None
    duration: int | None = None
    effect: Effect | None = None
    likely: bool = True
    """Whether also a run of the usual length does."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What will happen in a time, as far as the rules know."""

    start: int
    end: int
    first_hour: int
    schedules: list[Outlook]
    hours: list[dict[str, Share]]
    """For each hour from ``first_hour`` on what it means for each queue."""
    clashes: list[Clash]


def forecast(items: Sequence[Item], rooms: Mapping[str, Room], start_us: int, end_us: int) -> Forecast:
    """Return what schedules do from ``start_us`` up to, but without, ``end_us`` (µs UTC)."""
    time = _Time(start_us, end_us)
    hours: list[dict[str, Share]] = [{} for _ in range(time.hours)]
    clashes: list[Clash] = []
    outlooks: dict[str, Outlook] = {}
    masks: dict[object, int] = {}
    by_queue: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_queue[item.queue].append(item)
    for queue in sorted(by_queue):
        load = _Load(queue, rooms.get(queue, Room(slots=0)), time)
        for item in by_queue[queue]:
            starts = _Starts(item, time, masks)
            outlooks[item.schedule.id] = starts.outlook()
            if not item.schedule.shadow:  # it only observes, and makes no load
                load.add(starts)
        load.spread(hours)
        clashes += load.clashes(hours)
    order = {"overload": 0, "overrun": 1, "together": 2}
    clashes.sort(key=lambda one: (order[one.kind], -one.count if one.kind == "together" else 0, one.at, one.queue))
    return Forecast(
        start=start_us, end=end_us, first_hour=time.base * SECOND,
        schedules=[outlooks[item.schedule.id] for item in items], hours=hours, clashes=clashes,
    )  # fmt: skip


class _Time:
    """Seconds from a full hour on."""

    def __init__(self, start_us: int, end_us: int) -> None:
        self.start_us, self.end_us = start_us, end_us
        self.first = -(-start_us // SECOND)
        self.end = -(-end_us // SECOND)
        self.base = self.first // HOUR_S * HOUR_S
        self.hours = max(1, -(-(self.end - self.base) // HOUR_S))

    def stretch(self, first_us: int, end_us: int) -> int:
        """Return the seconds from a moment up to, but without, another one."""
        return tally.stretch(-(-first_us // SECOND) - self.base, min(-(-end_us // SECOND), self.end) - self.base)

    def at(self, second: int) -> int:
        """Return a second as µs UTC."""
        return (self.base + second) * SECOND


class _Starts:
    """The seconds at which one schedule starts a job."""

    def __init__(self, item: Item, time: _Time, masks: dict[object, int]) -> None:
        self.item = item
        self.time = time
        schedule, rule = item.schedule, item.rule
        self.key = (schedule.rule, schedule.timezone, item.coarse.start_us, item.coarse.end_us, _own(schedule))
        mask = masks.get(self.key)
        if mask is None:
            mask = masks[self.key] = self._all()
        if schedule.next_at is None:
            mask = 0
        if schedule.paused_at is not None:
            resumes = schedule.resume_at if schedule.resume_at is not None else time.end_us + SECOND
            mask &= ~time.stretch(time.base * SECOND, resumes)
        self.blackouts: list[Blackout] = []
        for first, end, calendar in item.closed:
            closed = mask & time.stretch(first, end)
            if closed:
                self.blackouts.append(Blackout(first, end, calendar, closed.bit_count()))
                mask &= ~closed
        if schedule.max_runs is not None:
            mask = tally.earliest(mask, max(0, schedule.max_runs - schedule.runs))
        self.mask = mask
        self.count = mask.bit_count()
        self.rule = rule
        self.next = self._first(2 * NEXT)
        """The first of them, µs UTC."""

    def _all(self) -> int:
        rule, time = self.item.coarse, self.time
        first = time.first if rule.start_us is None else max(time.first, rule.start_us // SECOND)
        end = time.end if rule.end_us is None else min(time.end, rule.end_us // SECOND + 1)
        return rule.series.mask(first, end) << (first - time.base) if first < end else 0

    def _first(self, most: int) -> list[int]:
        """Return the first starts to the microsecond."""
        at = [self.time.at(second) for second in tally.seconds(self.mask, most)]
        return [self.rule.next(one - 1) or one for one in at]

    def outlook(self) -> Outlook:
        return Outlook(item=self.item, next=self.next[:NEXT], count=self.count, blackouts=self.blackouts)


def _own(schedule: Schedule) -> object:
    """Return what of a schedule decides its instants beside its rule: two without share their seconds."""
    own_anchor = '"every"' in schedule.rule or "@every" in schedule.rule or '"onStart"' in schedule.rule
    return (schedule.anchor_at // SECOND if own_anchor else None, schedule.id if "H" in schedule.rule else None)


class _Load:
    """What the schedules of one queue do to it."""

    def __init__(self, queue: str, room: Room, time: _Time) -> None:
        self.queue = queue
        self.room = room
        self.time = time
        self.together = Tally()
        self.spread_out = Tally()
        """Starts that jitter spreads: they do not meet."""
        self.running = Tally()
        self.work = [0.0] * time.hours
        """Seconds of work in each hour."""
        self.all: list[_Starts] = []
        self.found: list[Clash] = []

    def add(self, starts: _Starts) -> None:
        """Count the starts of a schedule."""
        if not starts.count:
            return
        self.all.append(starts)
        schedule, expected = starts.item.schedule, starts.item.expected
        (self.spread_out if schedule.jitter_us >= SECOND else self.together).add(starts.mask)
        if expected is None:
            return
        gap = self._gap(starts)
        if gap is not None and expected.p90 > gap:
            self.found.append(self._overrun(starts, expected, gap))
        self._occupy(starts, expected.p50, overlaps=schedule.overlap == "allow" and gap is not None)

    def _gap(self, starts: _Starts) -> int | None:
        """Return the shortest time between two starts of the first few."""
        return min((later - one for one, later in pairwise(starts.next)), default=None)

    def _overrun(self, starts: _Starts, expected: Expected, gap: int) -> Clash:
        schedule = starts.item.schedule
        return Clash(
            kind="overrun", queue=self.queue, at=starts.next[0], schedules=(schedule.id,), gap=gap,
            duration=expected.p50 if expected.p50 > gap else expected.p90, effect=EFFECTS[schedule.overlap],
            count=starts.count, likely=expected.p50 > gap,
        )  # fmt: skip

    def _occupy(self, starts: _Starts, duration_us: int, *, overlaps: bool) -> None:
        """Count the slots that its runs take, second by second; those of less than a second by their sum."""
        hours, seconds = self.time.hours, min(max(1, round(duration_us / SECOND)), MOST_WIDTH_S)
        everything = tally.stretch(0, self.time.end - self.time.base)
        if overlaps:
            busy = Tally([digit & everything for digit in tally.window(starts.mask, seconds).digits])
            counts = [piece.total() for piece in busy.pieces(HOUR_S, hours)]
            self.running.merge(busy)
        else:
            mask = tally.widened(starts.mask, seconds) & everything
            counts = [piece.bit_count() for piece in tally.pieces(mask, HOUR_S, hours)]
            self.running.add(mask)
        part = min(1.0, duration_us / SECOND)
        for place, count in enumerate(counts):
            self.work[place] += count * part

    def spread(self, hours: Sequence[dict[str, Share]]) -> None:
        """Note what each hour means for the queue."""
        counts = (tally_.pieces(HOUR_S, len(hours)) for tally_ in (self.together, self.spread_out, self.running))
        for place, (together, spread_out, running) in enumerate(zip(*counts, strict=True)):
            starts = together.total() + spread_out.total()
            peak = running.most()[0]
            if starts or peak:
                busy = self.work[place] / self._seconds_of(place)
                hours[place][self.queue] = Share(starts, busy, peak)

    def _seconds_of(self, place: int) -> int:
        """Return how much of an hour belongs to the time."""
        first = self.time.base + place * HOUR_S
        return max(1, min(first + HOUR_S, self.time.end) - max(first, self.time.first))

    def clashes(self, hours: Sequence[dict[str, Share]]) -> Iterator[Clash]:
        """Yield what gets in the way of what."""
        yield from self.found
        yield from self._overloads(hours)
        yield from self._crowds()

    def _overloads(self, hours: Sequence[dict[str, Share]]) -> Iterator[Clash]:
        """Yield the hours in which there is more to do than can be done."""
        capacity = self.room.capacity
        if not capacity:
            if self.all:
                starts, end = sum(one.count for one in self.all), self.time.end_us
                yield Clash(kind="overload", queue=self.queue, at=self.time.start_us, end=end, capacity=0, count=starts)
            return
        begin, worst = None, 0.0
        for place in range(len(hours) + 1):
            share = hours[place].get(self.queue) if place < len(hours) else None
            over = share is not None and share.busy > capacity
            if over and share is not None:
                begin, worst = place if begin is None else begin, max(worst, share.busy)
            elif begin is not None:
                yield Clash(
                    kind="overload", queue=self.queue, at=max(self.time.start_us, self.time.at(begin * HOUR_S)),
                    end=min(self.time.end_us, self.time.at(place * HOUR_S)), capacity=capacity, busy=worst,
                )  # fmt: skip
                begin, worst = None, 0.0

    def _crowds(self) -> Iterator[Clash]:
        """Yield the seconds in which many start together."""
        capacity = self.room.capacity
        least = max(2, min(MANY, capacity + 1)) if capacity else MANY
        among = tally.stretch(0, self.time.hours * HOUR_S)
        for _ in range(LEVELS):
            number, seconds = self.together.most(among)
            if number < least:
                return
            second = tally.first_of(seconds)
            meeting = [one.item.schedule.id for one in self.all if self._begins(one, second)]
            yield Clash(
                kind="together", queue=self.queue, at=self.time.at(second), count=number, times=seconds.bit_count(),
                capacity=capacity, schedules=tuple(sorted(meeting)[:NAMED]),
            )  # fmt: skip
            among &= ~self.together.at_least(number)

    def _begins(self, starts: _Starts, second: int) -> bool:
        return bool(starts.mask >> second & 1) and starts.item.schedule.jitter_us < SECOND
