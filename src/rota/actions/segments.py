"""Instants of a rule between two moments, cut where calendars say that nothing fires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from rota.timetable import Rule

Span = tuple[int, int, str]
"""From a moment up to, but without, another one (µs UTC) nothing fires, says the calendar of this name."""


class Segment(msgspec.Struct, frozen=True):
    """The first and the last of the instants between two moments; ``calendar`` is the one that closes them."""

    first: int
    last: int
    calendar: str | None = None


def segments(rule: Rule, start: int, end: int, closed: Sequence[Span] = ()) -> list[Segment]:
    """Return all instants from ``start`` up to, but without, ``end`` as segments that are open or closed, in order."""
    found = []
    for begin, until, calendar in _pieces(start, end, closed):
        first, last = rule.next(begin - 1), rule.previous(until)
        if first is not None and last is not None and first <= last:
            found.append(Segment(first, last, calendar))
    return found


def _pieces(start: int, end: int, closed: Sequence[Span]) -> Iterator[tuple[int, int, str | None]]:
    """Cut a time; where calendars close it together, the one that began first is named."""
    at = start
    for opens, closes, calendar in sorted(closed):
        begin, until = max(opens, at), min(closes, end)
        if until <= begin:
            continue
        if begin > at:
            yield at, begin, None
        yield begin, until, calendar
        at = until
    if at < end:
        yield at, end, None


def cut(rule: Rule, those: Sequence[Segment], at: int) -> tuple[list[Segment], list[Segment]]:
    """Return what lies before a moment, and what lies at it or after it."""
    before, after = [], []
    for one in those:
        if one.last < at:
            before.append(one)
        elif one.first >= at:
            after.append(one)
        else:
            last, first = rule.previous(at), rule.next(at - 1)
            assert last is not None, "the segment begins before it"
            assert first is not None, "the segment ends after it"
            before.append(Segment(one.first, last, one.calendar))
            after.append(Segment(first, one.last, one.calendar))
    return before, after
