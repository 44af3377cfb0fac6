"""The timetable against the walk of `minute_walk`, over random expressions, zones and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.timetable import Rule, parse_rule
from tests.unit.minute_walk import changes, walk

ZONES = [
    "Africa/Cairo", "Africa/Casablanca", "America/Caracas", "America/New_York", "America/Nuuk", "America/Sao_Paulo",
    "America/Scoresbysund", "America/St_Johns", "Antarctica/Casey", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza",
    "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tehran", "Atlantic/Azores", "Australia/Lord_Howe", "Europe/Dublin",
    "Europe/Lisbon", "Europe/Paris", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein", "UTC",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEKDAYS = ("SUN", "mon", "Tue", "WED", "thu", "Fri", "SAT")
MONTHS = ("JAN", "feb", "Mar", "APR", "may", "Jun", "JUL", "aug", "Sep", "OCT", "nov", "Dec")

walked = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@st.composite
def terms(draw: st.DrawFn, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> str:
    def number(value: int) -> str:
        if names and value - first < len(names) and draw(st.booleans()):
            return names[value - first]
        return str(value)

    kind = draw(st.sampled_from(("one", "one", "from", "range", "stepped range")))
    a = draw(st.integers(low, high))
    if kind == "one":
        return number(a)
    step = f"/{draw(st.integers(1, high + 2))}"
    if kind == "from":
        return number(a) + step
    b = draw(st.integers(a, high))
    last = "7" if (names is WEEKDAYS and b == 7) else number(b)
    return f"{number(a)}-{last}" + (step if kind == "stepped range" else "")


def fields(low: int, high: int, names: tuple[str, ...] = (), special: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    star = st.one_of(st.just("*"), st.integers(1, high + 1).map(lambda n: f"*/{n}"))
    one = terms(low, high, names, low)
    if special:
        one = one | st.sampled_from(special)
    listed = st.lists(one, min_size=1, max_size=3).map(",".join)
    return star | listed


minutes = fields(0, 59) | st.sampled_from(("0", "30", "*/15", "0,30"))
hours = fields(0, 23) | st.sampled_from(("*", "0", "1", "2", "3", "0-3", "23", "1-2"))
dates = fields(1, 31, special=("L", "LW", "l", "lw"))
months = fields(1, 12, MONTHS)
weekdays = fields(0, 7, WEEKDAYS, special=("5L", "monL", "0l", "7L", "MON#2", "sun#1", "6#5", "7#3"))
expressions = st.one_of(
    st.builds(lambda *parts: " ".join(parts), minutes, hours, st.just("*"), st.just("*"), st.just("*")),
    st.builds(lambda *parts: " ".join(parts), minutes, hours, dates, st.just("*"), st.just("*")),
    st.builds(lambda *parts: " ".join(parts), minutes, hours, st.just("*"), months, weekdays),
    st.builds(lambda *parts: " ".join(parts), minutes, hours, dates, months, weekdays),
)


class Case(NamedTuple):
    expression: str
    zone: str
    start: datetime
    end: datetime


@st.composite
def cases(draw: st.DrawFn, around: int) -> Case:
    """Draw a zone, an expression and a stretch of time: as a rule near a change of the clock, where rules differ."""
    zone = draw(st.sampled_from(ZONES))
    centre = EPOCH + timedelta(minutes=draw(st.integers(1_500_000, 56_000_000)))
    near = changes(zone, centre.year)
    expression = draw(expressions)
    if near and draw(st.integers(0, 9)) > 0:
        centre = draw(st.sampled_from(near))
        if draw(st.booleans()):
            expression = draw(aimed(centre.astimezone(ZoneInfo(zone)), expression.split()))
    offsets = st.one_of(st.sampled_from((0, around)), st.integers(0, around))
    start: datetime = centre - timedelta(minutes=draw(offsets))
    return Case(expression, zone, start, centre + timedelta(minutes=1 + draw(offsets)))


@st.composite
def aimed(draw: st.DrawFn, change: datetime, parts: list[str]) -> str:
    """Aim an expression at the wall-clock times that a change of the clock skips or repeats."""
    hour = (change.replace(tzinfo=None) - timedelta(hours=draw(st.integers(-1, 4)))).hour
    parts[0] = draw(st.sampled_from(("0", "15", "30", "59", "0-59", "0-59/20", "5/25", "1,31", parts[0])))
    parts[1] = draw(st.sampled_from((str(hour), f"{hour},{(hour + 1) % 24}", f"{hour}/1", f"0-{hour}", "*", parts[1])))
    if draw(st.booleans()):
        parts[2:] = ["*", "*", "*"]
    elif draw(st.booleans()):
        parts[2:] = [draw(st.sampled_from(("*", str(change.day), "L", "LW"))), str(change.month), "*"]
    return " ".join(parts)


def rule_of(expression: str, zone: str, *, day_match: str | None = None, seconds: str | None = None) -> Rule:
    try:
        return parse_rule(cron=expression, timezone=zone, day_match=day_match, seconds=seconds)
    except Invalid as refusal:
        assume("never fire" not in refusal.reason)
        raise


def backwards(rule: Rule, start: int, end: int) -> list[int]:
    found = []
    instant = rule.previous(end)
    while instant is not None and instant >= start:
        found.append(instant)
        instant = rule.previous(instant)
    return found[::-1]


def agree(rule: Rule, expected: list[int], start: int, end: int) -> None:
    assert rule.between(start - 1, end - 1, limit=100_000) == expected
    assert backwards(rule, start, end) == expected
    assert rule.count(start - 1, end - 1) == len(expected)


@settings(walked, max_examples=600)
@given(case=cases(around=1500), both=st.booleans())
def test_instants_are_those_of_a_walk_by_minutes(case: Case, both: bool) -> None:
    rule = rule_of(case.expression, case.zone, day_match="and" if both else "cron")
    expected = [us(moment) for moment in walk(*case, both=both)]
    agree(rule, expected, us(case.start), us(case.end))


@settings(walked, max_examples=80)
@given(case=cases(around=100), second=fields(0, 59), place=st.sampled_from(("first", "last")))
def test_instants_are_those_of_a_walk_by_seconds(case: Case, second: str, place: str) -> None:
    text = f"{second} {case.expression}" if place == "first" else f"{case.expression} {second}"
    rule = rule_of(text, case.zone, seconds=place)
    expected = [us(moment) for moment in walk(*case, second_field=second)]
    agree(rule, expected, us(case.start), us(case.end))


@settings(walked, max_examples=200)
@given(case=cases(around=1500))
def test_next_and_previous_are_each_others_inverse(case: Case) -> None:
    rule = rule_of(case.expression, case.zone)
    after = us(case.start)
    following = rule.next(after)
    assert following is not None and following > after
    assert rule.next(following - 1) == following
    before = rule.previous(following)
    assert before is not None and before <= after
    assert rule.next(before) == following
    assert rule.previous(following + 1) == following
    assert rule.count(before - 1, following) == 2


@pytest.mark.parametrize("zone", ZONES)
def test_every_minute_of_a_change_is_counted(zone: str) -> None:
    rule = parse_rule(cron="* * * * *", timezone=zone)
    for change in changes(zone, 2010):
        start = us(change) - 7_200_000_000
        assert rule.instants(start - 1, 240) == [start + minute * 60_000_000 for minute in range(240)]
