"""A rule: when a schedule is due.  From it come its next and previous instants, its words and its warnings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rota.durations import SECOND, parse_duration
from rota.errors import Invalid
from rota.timetable.advice import advise_on_clock, advise_on_fields
from rota.timetable.cron import LONGEST_EXPRESSION, CronExpression, parse_cron
from rota.timetable.daylight import Daylight
from rota.timetable.instant import FIRST_US, parse_instant
from rota.timetable.interval import Interval, Once
from rota.timetable.union import Instants, Union
from rota.timetable.wallclock import WallClock
from rota.timetable.words import describe_cron, describe_interval, describe_once
from rota.timetable.zones import zone

SHORTEST_INTERVAL = SECOND


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """When a schedule is due.  Every instant is an integer of microseconds since 1970 in UTC.

    Made by `parse_rule` and `unite`; safe to share between threads.  ``start_us`` and ``end_us`` are the first and
    the last instant that may belong to it; ``series`` knows nothing of them.
    """

    kind: Literal["cron", "every", "at", "rules"]
    timezone: str
    start_us: int | None
    end_us: int | None
    series: Instants
    _cron: CronExpression | None = None
    _match_both: bool = False
    _members: tuple[Rule, ...] = ()
    _at_start: bool = False

    def next(self, after_us: int) -> int | None:
        """Return the first instant strictly after ``after_us``; None when there is none."""
        earliest = after_us + 1
        if self.start_us is not None and earliest < self.start_us:
            earliest = self.start_us
        found = self.series.first(earliest)
        if found is None or (self.end_us is not None and found > self.end_us):
            return None
        return found

    def previous(self, before_us: int) -> int | None:
        """Return the last instant strictly before ``before_us``; None when there is none."""
        latest = before_us - 1
        if self.end_us is not None and latest > self.end_us:
            latest = self.end_us
        found = self.series.last(latest)
        if found is None or (self.start_us is not None and found < self.start_us):
            return None
        return found

    def instants(self, after_us: int, count: int) -> list[int]:
        """Return the first ``count`` instants strictly after ``after_us``, fewer when there are no more."""
        found: list[int] = []
        instant = self.next(after_us) if count > 0 else None
        while instant is not None:
            found.append(instant)
            instant = self.next(instant) if len(found) < count else None
        return found

    def between(self, after_us: int, until_us: int, limit: int) -> list[int]:
        """Return the instants after ``after_us`` up to and with ``until_us``, the first ``limit`` of them."""
        found: list[int] = []
        instant = self.next(after_us)
        while instant is not None and instant <= until_us and len(found) < limit:
            found.append(instant)
            instant = self.next(instant)
        return found

    def count(self, after_us: int, until_us: int) -> int:
        """Return how many instants there are after ``after_us`` up to and with ``until_us``, without listing them."""
        first, last = after_us + 1, until_us
        if self.start_us is not None:
            first = max(first, self.start_us)
        if self.end_us is not None:
            last = min(last, self.end_us)
        return self.series.count(first, last + 1) if first <= last else 0

    def note(self, instant_us: int) -> str | None:
        """Say what a change of the clock did to one of its instants; None where it did nothing."""
        for member in self._members:
            if member.next(instant_us - 1) == instant_us and (said := member.note(instant_us)) is not None:
                return said
        return self.series.note(instant_us) if isinstance(self.series, Daylight) else None

    def describe(self) -> str:
        """Say the rule in words, with its zone where that matters: "at 09:00 on Monday, Europe/Paris"."""
        if self._members:
            parts = dict.fromkeys(member.describe() for member in self._members)
            return "; ".join((*parts, "once at its start") if self._at_start else parts)
        if self._cron is not None:
            return f"{describe_cron(self._cron)}, {self.timezone}"
        if isinstance(self.series, Interval):
            return describe_interval(self.series.every_us)
        return describe_once(self.series.first(FIRST_US) or 0, zone(self.timezone))

    def warnings(self, after_us: int | None = None) -> list[str]:
        """Return what may surprise, one sentence each: what the fields do, and the clock in the year after an instant.

        That instant is now unless ``after_us`` is given.
        """
        after = time.time_ns() // 1000 if after_us is None else after_us
        sentences: list[str] = []
        for number, member in enumerate(self._members):
            which = f"rule {number + 1}: " if len(self._members) > 1 else ""
            sentences += [which + sentence for sentence in member.warnings(after)]
        if self._cron is not None:
            sentences += advise_on_fields(self._cron, match_both=self._match_both)
            sentences += advise_on_clock(self._cron, _wall_clock(self._cron), self.timezone, after // SECOND)
        if not self._members and self.next(FIRST_US - 1) is None:
            sentences.append("no instant of it lies between its start and its end: it never fires")
        return sentences


def parse_rule(
    *,
    cron: str | None = None,
    every: str | float | timedelta | None = None,
    at: str | datetime | None = None,
    timezone: str | None = None,
    seconds: str | None = None,
    day_match: str | None = None,
    key: str | None = None,
    anchor_us: int | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
) -> Rule:
    """Read exactly one of a cron expression, an interval and one instant.

    ``timezone`` is an IANA name, UTC by default.  ``seconds`` (``first`` or ``last``) allows a sixth field;
    ``day_match`` ``and`` demands both day fields together (``cron``, the default, is cron's own rule); ``key`` is the
    schedule's id, which decides the numbers of ``H``.  An interval (a duration, or a number of seconds) counts from
    ``anchor_us``, else from 1970, and its first instant is one interval later.  ``start_us`` and ``end_us`` bound the
    rule, both inclusive.  Raises `Invalid` with the field that is wrong.
    """
    given = [name for name, value in (("cron", cron), ("every", every), ("at", at)) if value is not None]
    if len(given) != 1:
        some = "none" if not given else " and ".join(given)
        raise Invalid(given[1] if given else "cron", f"exactly one of cron, every and at is given, not {some}")
    match_both = _choice(day_match, "dayMatch", ("cron", "and")) == "and"
    if _choice(seconds, "seconds", ("first", "last")) and cron is None:
        raise Invalid("seconds", "only a cron expression has a seconds field")
    if start_us is not None and end_us is not None and end_us < start_us:
        raise Invalid("endAt", "the end lies before the start")
    zone_name = zone("UTC" if timezone is None else timezone).key
    bounds = (zone_name, start_us, end_us)
    field = given[0]
    if cron is not None:
        macro, argument = _own_macro(cron)
        if macro is None:
            expression = parse_cron(cron, seconds=seconds, match_both=match_both, key=key)
            series = Daylight(_wall_clock(expression), zone_name, fixed=expression.fixed)
            return Rule("cron", *bounds, series, expression, match_both)
        every, at = (argument, None) if macro == "@every" else (None, argument)
    if every is not None:
        return Rule("every", *bounds, _interval(every, field, anchor_us))
    return Rule("at", *bounds, Once(parse_instant(at if at is not None else "", field)))


def unite(
    rules: Sequence[Rule],
    *,
    timezone: str,
    extra_us: int | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
) -> Rule:
    """Return the rule that is due when any of some rules is; what coincides is one instant.

    ``extra_us`` is one instant more, at the start.  ``timezone`` is that of the schedule; the members keep their own,
    and have the bounds of the whole.
    """
    series = [rule.series for rule in rules]  # their bounds are those of the whole
    if extra_us is not None:
        series.append(Once(extra_us))
    union = Union(series)
    return Rule("rules", timezone, start_us, end_us, union, _members=tuple(rules), _at_start=extra_us is not None)


def _wall_clock(expression: CronExpression) -> WallClock:
    return WallClock(expression.days, expression.hours, expression.minutes, expression.seconds)


def _own_macro(text: str) -> tuple[str | None, str]:
    """Split ``@every 90s`` and ``@at TIME``; anything else has no macro of ours."""
    if not isinstance(text, str):
        raise Invalid("cron", f"an expression is a text, not {type(text).__name__}")
    words = text[: LONGEST_EXPRESSION + 1].split(maxsplit=1)
    macro = words[0].lower() if words else ""
    if macro not in ("@every", "@at") or len(text) > LONGEST_EXPRESSION:
        return None, ""
    if len(words) == 1:
        example = "@every 90s" if macro == "@every" else "@at 2026-11-21T10:00:00Z"
        raise Invalid("cron", f"{macro} says nothing", hint=f"write for example {example}")
    return macro, words[1].strip()


def _interval(every: str | float | timedelta, field: str, anchor_us: int | None) -> Interval:
    duration = parse_duration(every, field, minimum_us=SHORTEST_INTERVAL)
    interval = Interval(duration, 0 if anchor_us is None else anchor_us)
    if interval.first(FIRST_US) is None:
        raise Invalid(field, "it can never fire: its first instant lies beyond the year 9999")
    return interval


def _choice(value: str | None, field: str, allowed: tuple[str, str]) -> str | None:
    if value is not None and value not in allowed:
        raise Invalid(field, f"{value!r} is neither {allowed[0]!r} nor {allowed[1]!r}")
    return value
