"""Thousands of expressions in windows around every kind of change, against the walk of `minute_walk`.

Unlike the random cases of `test_timetable_walk` these are the same in every run.  Each window is walked once, minute by
minute; whether an expression is due there is decided by the rule as it is written down.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rota.errors import Invalid
from rota.timetable import parse_rule
from tests.unit.minute_walk import Window, changes
from tests.unit.test_timetable_walk import backwards, us

HALF = timedelta(hours=15)
EXPRESSIONS = 60
"""In each of about seventy windows."""

CHANGES = [
    ("Australia/Lord_Howe", 2026),  # half an hour
    ("Australia/Lord_Howe", 1985),  # half an hour, and an hour before
    ("Pacific/Apia", 2011),  # a day left out
    ("Pacific/Kwajalein", 1993),  # another
    ("Pacific/Enderbury", 1994),  # and one at the end of a year
    ("America/Sao_Paulo", 2018),  # no midnight
    ("America/Santiago", 2026),
    ("Asia/Beirut", 2026),
    ("Africa/Cairo", 2026),
    ("Asia/Gaza", 2023),  # Ramadan: four changes
    ("Africa/Casablanca", 2026),  # the standard time is the summer's
    ("Africa/El_Aaiun", 2030),
    ("Antarctica/Troll", 2026),  # two hours
    ("Antarctica/Casey", 2010),  # three hours and more
    ("America/Scoresbysund", 2026),
    ("America/Nuuk", 2026),
    ("America/St_Johns", 2006),  # one minute after midnight
    ("Asia/Kathmandu", 1985),  # a quarter of an hour
    ("Asia/Pyongyang", 2018),
    ("Pacific/Chatham", 2026),
    ("Europe/Dublin", 2026),  # winter is the exception
    ("Europe/Lisbon", 1992),  # to another standard time
    ("Europe/Volgograd", 2020),
    ("America/Caracas", 2016),
    ("Europe/Paris", 2100),  # beyond what is listed
    ("America/New_York", 2400),
    ("Australia/Sydney", 9998),
]
PLAIN = [
    ("Europe/Paris", datetime(2026, 12, 31, 23, tzinfo=UTC)),  # ends of years
    ("Pacific/Kiritimati", datetime(1999, 12, 31, 10, tzinfo=UTC)),
    ("America/New_York", datetime(2101, 1, 1, 5, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2024, 2, 28, 18, 30, tzinfo=UTC)),  # leap days, and days that are none
    ("UTC", datetime(2000, 2, 29, tzinfo=UTC)),
    ("Asia/Tokyo", datetime(2100, 2, 28, 15, tzinfo=UTC)),
    ("Europe/London", datetime(2104, 2, 28, 12, tzinfo=UTC)),
    ("America/Los_Angeles", datetime(2400, 2, 29, 8, tzinfo=UTC)),
    ("Asia/Karachi", datetime(5000, 2, 28, 19, tzinfo=UTC)),  # far years
    ("UTC", datetime(9999, 12, 30, tzinfo=UTC)),
    ("UTC", datetime(1, 1, 3, tzinfo=UTC)),
    ("UTC", datetime(1900, 2, 28, 12, tzinfo=UTC)),
]


def number(chance: random.Random, low: int, high: int, near: int) -> int:
    """A number, as a rule one close to what the clock shows in the middle of the window."""
    return min(high, max(low, near + chance.randint(-2, 2))) if chance.random() < 0.7 else chance.randint(low, high)


def term(chance: random.Random, low: int, high: int, near: int) -> str:
    first = number(chance, low, high, near)
    kind = chance.randrange(5)
    if kind < 2:
        return str(first)
    step = chance.randint(1, 1 + (high - low) // 2)
    if kind == 2:
        return f"{first}/{step}"
    last = chance.randint(first, high)
    return f"{first}-{last}" + (f"/{step}" if kind == 4 else "")


def field(chance: random.Random, low: int, high: int, near: int) -> str:
    kind = chance.randrange(6)
    if kind == 0:
        return "*"
    if kind == 1:
        return f"*/{chance.randint(1, high + 1)}"
    return ",".join(term(chance, low, high, near) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def expressions(chance: random.Random, wall: datetime) -> Iterator[str]:
    """Expressions that are due, or nearly, around a time on the wall."""
    weekday = wall.isoweekday() % 7
    for _ in range(EXPRESSIONS):
        date, month, day = "*", "*", "*"
        shape = chance.randrange(8)
        if shape in (0, 1, 2):
            date = chance.choice((str(wall.day), "L", "LW", "*/2", "1,L", field(chance, 1, 31, wall.day)))
        if shape in (1, 2, 3):
            day = chance.choice((str(weekday), "*/2", f"{weekday}L", f"{weekday}#{(wall.day + 6) // 7}", "1-5"))
        if shape in (2, 4):
            month = chance.choice((str(wall.month), f"{wall.month},1", "*/2", field(chance, 1, 12, wall.month)))
        yield f"{field(chance, 0, 59, wall.minute)} {field(chance, 0, 23, wall.hour)} {date} {month} {day}"


def compare(zone: str, centre: datetime) -> int:
    """Compare what expressions do around a moment; return how many of them there were."""
    start, end = centre - HALF, centre + HALF
    window = Window(zone, start, end)
    compared = 0
    for expression in expressions(random.Random(f"{zone} {centre}"), window.middle):
        expected = [us(moment) for moment in window.due(expression)]
        try:
            rule = parse_rule(cron=expression, timezone=zone)
        except Invalid as refusal:
            assert "never fire" in refusal.reason and expected == [], expression
            continue
        first, last = us(start), us(end)
        assert rule.between(first - 1, last - 1, limit=100_000) == expected, expression
        assert rule.count(first - 1, last - 1) == len(expected), expression
        assert backwards(rule, first, last) == expected, expression
        compared += 1
    assert compared > EXPRESSIONS * 0.8
    return compared


@pytest.mark.parametrize(("zone", "year"), CHANGES)
def test_around_every_change_of_the_clock(zone: str, year: int) -> None:
    moments = changes(zone, year)
    assert moments
    for moment in moments:
        compare(zone, moment)


@pytest.mark.parametrize(("zone", "moment"), PLAIN)
def test_where_the_clock_is_left_alone(zone: str, moment: datetime) -> None:
    compare(zone, moment)
