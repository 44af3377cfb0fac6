"""Recurring days against those of python-dateutil, over random rules."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from importlib import import_module
from itertools import takewhile
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.timetable.days import EPOCH_ORDINAL
from rota.timetable.recurrence import Frequency, Recurrence
from tests.unit.test_timetable_walk import walked

rrule = import_module("dateutil.rrule")  # by name, since it carries no types
# For the next day of a rule that has none it would look up to the year 9999, which takes it ten seconds.
SOON_OVER = SimpleNamespace(**{**vars(import_module("datetime")), "MAXYEAR": 2030})
FREQUENCIES: dict[Frequency, int] = {
    "daily": rrule.DAILY, "weekly": rrule.WEEKLY, "monthly": rrule.MONTHLY, "yearly": rrule.YEARLY,
}  # fmt: skip


def theirs(rule: Recurrence, start: date, until: date) -> list[int]:
    """Ask python-dateutil for the days up to a last one."""
    weekdays = [rrule.weekday((number - 1) % 7, place or None) for number, place in rule.weekdays]
    with mock.patch.object(rrule, "datetime", SOON_OVER):
        return _theirs(rule, start, until, weekdays)


def _theirs(rule: Recurrence, start: date, until: date, weekdays: list[Any]) -> list[int]:
    found = rrule.rrule(
        FREQUENCIES[rule.frequency],
        dtstart=datetime(start.year, start.month, start.day),
        interval=rule.interval,
        wkst=(rule.week_start - 1) % 7,
        bysetpos=rule.positions or None,
        bymonth=rule.months or None,
        bymonthday=rule.month_days or None,
        byyearday=rule.year_days or None,
        byweekday=weekdays or None,
        until=datetime(until.year, until.month, until.day),
    )
    ordinals = (moment.toordinal() - EPOCH_ORDINAL for moment in found)
    return list(takewhile(lambda day: day <= until.toordinal() - EPOCH_ORDINAL, ordinals))


def some(values: st.SearchStrategy[int], most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.one_of(st.just(()), st.lists(values, min_size=1, max_size=most, unique=True).map(tuple))


def signed(high: int) -> st.SearchStrategy[int]:
    return st.integers(1, high) | st.integers(-high, -1)


@st.composite
def rules(draw: st.DrawFn) -> Recurrence:
    frequency = draw(st.sampled_from(list(FREQUENCIES)))
    positions: tuple[int, ...] = ()
    numbered = frequency in ("monthly", "yearly") and draw(st.booleans())
    places = st.integers(1, 5) | st.integers(-5, -1) if numbered else st.just(0)
    weekdays = draw(st.lists(st.tuples(st.integers(0, 6), places), max_size=3, unique=True))
    months = draw(some(st.integers(1, 12), 3))
    month_days = draw(some(signed(31), 3)) if frequency != "weekly" and not numbered else ()
    year_days = draw(some(signed(366), 3)) if frequency == "yearly" and not (numbered or month_days) else ()
    if (weekdays or month_days or year_days) and draw(st.integers(0, 2)) == 0:
        positions = draw(some(signed(4), 2))
    return Recurrence(
        frequency,
        draw(st.integers(1, 4)),
        None,
        months,
        month_days,
        year_days,
        tuple(weekdays),
        positions,
        draw(st.integers(0, 6)),
    )


@settings(walked, max_examples=600)
@given(
    rule=rules(),
    start=st.dates(date(1999, 1, 1), date(2004, 12, 31)),
    skipped=st.integers(-400, 1500),
    length=st.integers(0, 1500),
)
def test_days_are_those_of_dateutil(rule: Recurrence, start: date, skipped: int, length: int) -> None:
    low = start + timedelta(days=skipped)
    high = low + timedelta(days=length)
    first, last, begun = (day.toordinal() - EPOCH_ORDINAL for day in (low, high, start))
    if rule.frequency == "weekly" and rule.positions:
        # Of the week in which the event begins they count only the days from then on; RFC 5545 counts the week.
        first = max(first, begun + 7)
    expected = [day for day in theirs(rule, start, high) if day >= first]
    assert list(rule.days(begun, first, last)) == expected


def named(**fields: Any) -> Recurrence:
    return Recurrence(**fields)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (named(frequency="monthly", weekdays=((1, 1), (5, -1))), ["01-05", "01-30", "02-02", "02-27"]),
        (named(frequency="monthly", month_days=(31,)), ["01-31"]),
        (named(frequency="monthly", weekdays=((1, 0), (2, 0)), positions=(-1,)), ["01-27", "02-24"]),
        (named(frequency="yearly"), ["01-02"]),
        (named(frequency="daily", months=(2,), weekdays=((0, 0),)), ["02-01", "02-08", "02-15", "02-22"]),
        (named(frequency="weekly", interval=3), ["01-02", "01-23", "02-13"]),
    ],
)
def test_days_of_two_months(rule: Recurrence, expected: list[str]) -> None:
    start, first, last = (date(2026, *day).toordinal() - EPOCH_ORDINAL for day in ((1, 2), (1, 1), (2, 28)))
    found = [date.fromordinal(day + EPOCH_ORDINAL).strftime("%m-%d") for day in rule.days(start, first, last)]
    assert found == expected


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_what_never_comes_is_known_at_once_and_at_the_ends_of_time_too(frequency: Frequency) -> None:
    never = Recurrence(frequency, months=(2,), month_days=() if frequency == "weekly" else (30,), weekdays=((1, 0),))
    always = Recurrence(frequency)
    first, last = date.min.toordinal() - EPOCH_ORDINAL, date.max.toordinal() - EPOCH_ORDINAL
    started = time.process_time()
    if frequency != "weekly":
        assert not list(never.days(first, last - 365, last))
    assert first in always.days(first, first, first + 400)
    assert list(always.days(first, last - 365, last + 10))
    assert time.process_time() - started < 0.1
