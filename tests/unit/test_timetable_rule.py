"""Rules: bounds, lists, counts, intervals and single instants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.timetable import Rule, format_instant, parse_instant, parse_rule
from rota.timetable.instant import FIRST_US, LAST_US

SECOND = 1_000_000
NOON = parse_instant("2026-11-21T12:00:00Z", "noon")


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1969-12-31T23:59:59.999Z", -1000),
        ("1970-01-01t01:00:00.5+01:00", 500_000),
        ("1970-01-01 00:00Z", 0),
        ("1969-12-31T19:00:00-0500", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        (" 1970-01-01T00:00:01z ", SECOND),
        ("9999-12-31T23:59:59.999999Z", LAST_US),
        ("0001-01-01T00:00:00Z", FIRST_US),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (datetime(1970, 1, 1, 1, tzinfo=ZoneInfo("Europe/Paris")), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC), 7),
    ],
)
def test_instants_are_read(text: str | datetime, us: int) -> None:
    assert parse_instant(text, "at") == us


@given(st.integers(FIRST_US, LAST_US))
def test_instants_are_written_as_they_are_read(us: int) -> None:
    assert parse_instant(format_instant(us), "at") == us


def test_next_is_strictly_after_and_previous_strictly_before() -> None:
    rule = parse_rule(cron="0 12 * * *")
    day = 86_400 * SECOND
    assert rule.next(NOON) == NOON + day
    assert rule.next(NOON - 1) == NOON
    assert rule.previous(NOON) == NOON - day
    assert rule.previous(NOON + 1) == NOON


def test_lists() -> None:
    rule = parse_rule(cron="* * * * *")
    minute = 60 * SECOND
    assert rule.instants(NOON, 3) == [NOON + minute, NOON + 2 * minute, NOON + 3 * minute]
    assert rule.instants(NOON, 0) == rule.instants(NOON, -1) == []
    assert rule.between(NOON, NOON + 2 * minute, 10) == [NOON + minute, NOON + 2 * minute]
    assert rule.between(NOON, NOON + 10 * minute, 1) == [NOON + minute]
    assert rule.between(NOON, NOON, 10) == rule.between(NOON, NOON - minute, 10) == []


def test_bounds_are_part_of_the_rule() -> None:
    minute = 60 * SECOND
    rule = parse_rule(cron="* * * * *", start_us=NOON, end_us=NOON + 2 * minute)
    expected = [NOON, NOON + minute, NOON + 2 * minute]
    assert rule.instants(FIRST_US, 10) == rule.instants(NOON - 1, 10) == expected
    assert rule.next(NOON + 2 * minute) is None
    assert rule.previous(NOON) is None
    assert rule.previous(LAST_US) == NOON + 2 * minute
    assert rule.count(FIRST_US, LAST_US) == 3
    assert rule.count(NOON, NOON + minute) == 1
    assert rule.count(NOON + 2 * minute, LAST_US) == rule.count(FIRST_US, NOON - 1) == 0


def test_interval_on_its_grid() -> None:
    rule = parse_rule(every="10m", anchor_us=NOON)
    step = 600 * SECOND
    assert rule.next(FIRST_US) == rule.next(NOON - 1) == rule.next(NOON) == NOON + step
    assert rule.next(NOON + step) == NOON + 2 * step
    assert rule.previous(NOON + step) is None
    assert rule.previous(NOON + step + 1) == NOON + step
    assert rule.count(NOON, NOON + 3 * step) == 3
    assert rule.count(FIRST_US, NOON) == 0
    assert rule.next(LAST_US - SECOND) is None


@given(
    every=st.integers(1, 10**7).map(lambda n: n / 10),
    anchor=st.integers(-(10**15), 10**15),
    after=st.integers(-(10**15), 10**15),
    length=st.integers(0, 10**9),
)
def test_interval_counts_as_it_lists(every: float, anchor: int, after: int, length: int) -> None:
    step = round(max(every, 1) * SECOND)
    rule = parse_rule(every=step / SECOND, anchor_us=anchor)
    following = rule.next(after)
    assert following is not None and following > after and (following - anchor) % step == 0 and following > anchor
    assert following - step <= max(after, anchor)
    assert rule.count(after, after + length) == len(rule.between(after, after + length, 10_000))
    assert rule.previous(following + 1) == following


def test_intervals_may_be_numbers_of_seconds_or_timedeltas() -> None:
    for every in (90, 90.0, "90s", "1m30s", timedelta(seconds=90)):
        assert parse_rule(every=every).next(0) == 90 * SECOND
    assert parse_rule(every="1500ms").instants(0, 2) == [1_500_000, 3_000_000]


def test_one_instant() -> None:
    rule = parse_rule(at="2026-11-21T13:00:00+01:00")
    assert rule.instants(FIRST_US, 5) == rule.between(NOON - 1, NOON, 5) == [NOON]
    assert rule.next(NOON) is None and rule.previous(NOON) is None and rule.previous(NOON + 1) == NOON
    assert rule.count(NOON - 1, NOON) == 1 and rule.count(NOON, LAST_US) == 0
    assert parse_rule(at=datetime(2026, 11, 21, 12, tzinfo=UTC)).next(0) == NOON
    assert parse_rule(at="2026-11-21T12:00:00Z", end_us=NOON - 1).next(0) is None


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Paris"])
def test_the_ends_of_the_calendar(zone: str) -> None:
    rule = parse_rule(cron="0 0 * * *", timezone=zone)
    last = rule.previous(LAST_US + 10**18)
    first = rule.next(FIRST_US - 10**18)
    # East of Greenwich the year 10000 begins before LAST_US, and no clock on the wall is searched there.
    assert last is not None and LAST_US - 2 * 86_400 * SECOND < last <= LAST_US
    assert first is not None and FIRST_US <= first < FIRST_US + 86_400 * SECOND
    assert rule.next(last) is None and rule.next(LAST_US + 10**18) is None
    assert rule.previous(first) is None and rule.previous(FIRST_US - 10**18) is None
    assert rule.count(FIRST_US - 10**18, FIRST_US - 1) == 0
    assert rule.count(last, LAST_US + 10**18) == 0


def test_counting_centuries_needs_no_listing() -> None:
    rule = parse_rule(cron="* * * * *", timezone="Europe/Paris")
    start, end = (parse_instant(f"{year}-01-01T00:00:00Z", "year") for year in (2000, 2400))
    assert rule.count(start - 1, end - 1) == (end - start) // (60 * SECOND)
    leap_days = parse_rule(cron="0 0 29 2 *", timezone="Europe/Paris")
    assert leap_days.count(start - 1, end - 1) == 97


def test_a_rule_may_be_shared_between_threads() -> None:
    rule = parse_rule(cron="*/17 2 * * *", timezone="Europe/Paris")

    def run(year: int) -> list[int]:
        return rule.instants(parse_instant(f"{year}-01-01T00:00:00Z", "year"), 500)

    years = list(range(1990, 2030))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, years))
    assert together == [run(year) for year in years]


def test_what_a_rule_says_of_itself() -> None:
    def said(rule: Rule) -> tuple[str, str, int | None, int | None]:
        return rule.kind, rule.timezone, rule.start_us, rule.end_us

    assert said(parse_rule(cron="0 0 * * *", timezone="Europe/Paris", start_us=5)) == ("cron", "Europe/Paris", 5, None)
    assert said(parse_rule(cron="@every 5m", end_us=7)) == ("every", "UTC", None, 7)
    assert said(parse_rule(cron="@at 2026-11-21T12:00:00Z")) == ("at", "UTC", None, None)
