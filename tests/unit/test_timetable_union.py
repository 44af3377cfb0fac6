"""Several rules as one: what coincides is one instant, and counts are exact without listing."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.timetable import Rule, parse_instant, parse_rule, unite
from tests.unit.test_timetable_walk import ZONES, backwards, walked

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
SPRING = parse_instant("2026-03-07T00:00:00Z", "spring")


def union(*rules: Rule, extra_us: int | None = None, start_us: int | None = None, end_us: int | None = None) -> Rule:
    return unite(rules, timezone="UTC", extra_us=extra_us, start_us=start_us, end_us=end_us)


crons = st.builds(
    lambda cron, zone: parse_rule(cron=cron, timezone=zone),
    st.sampled_from(("* * * * *", "*/5 * * * *", "30 2 * * *", "0-59/7 1-3 * * *", "15 0 1 * *", "0 */2 * * SUN")),
    st.sampled_from(ZONES),
)
fine = st.builds(
    lambda cron, zone: parse_rule(cron=cron, timezone=zone, seconds="first"),
    st.sampled_from(("30 */10 * * * *", "*/50 5 * * * *", "0 0 0 * * *")),
    st.sampled_from(ZONES),
)
grids = st.builds(
    lambda every, back: parse_rule(every=every, anchor_us=SPRING - back),
    st.sampled_from((60, 90, 61.5, 59.999, 1000, 7200.25, 604_800)),
    st.sampled_from((0, 1, 500_000, 1_234_567, 3600 * SECOND, 30 * DAY + 250_000)),
)
moments = st.builds(
    lambda at: parse_rule(at=at),
    st.sampled_from(("2026-03-08T07:30:00Z", "2026-03-08T07:30:00.5Z", "2026-03-09T00:00:00.000001Z")),
)


@settings(walked, max_examples=150)
@given(
    rules=st.lists(st.one_of(crons, fine, grids, moments), min_size=1, max_size=6),
    extra=st.sampled_from((None, SPRING + DAY, SPRING + DAY + 1)),
    after=st.integers(SPRING - 10 * SECOND, SPRING + DAY),
    length=st.integers(1, 2 * DAY),
)
def test_a_union_has_the_instants_of_all_and_each_once(
    rules: list[Rule], extra: int | None, after: int, length: int
) -> None:
    until = after + length
    expected = {instant for rule in rules for instant in rule.between(after, until, limit=100_000)}
    if extra is not None and after < extra <= until:
        expected.add(extra)
    whole = union(*rules, extra_us=extra)
    assert whole.between(after, until, limit=1_000_000) == sorted(expected)
    assert whole.count(after, until) == len(expected)
    assert backwards(whole, after + 1, until + 1) == sorted(expected)


def test_twenty_rules_over_forty_days_of_minutes_are_counted_at_once() -> None:
    minutes = union(*(parse_rule(cron="* * * * *", timezone=zone) for zone in ZONES[:20]))
    thirds = union(
        *(parse_rule(cron=f"*/{n} * * * * *", timezone=zone, seconds="first") for n, zone in enumerate(ZONES[:20], 1))
    )
    grids = union(*(parse_rule(every=n * 1.5, anchor_us=SPRING) for n in range(21, 41)))
    started = time.process_time()
    assert minutes.count(SPRING, SPRING + 40 * DAY) == 57_600
    assert thirds.count(SPRING, SPRING + 40 * DAY) == 40 * 86_400
    assert grids.count(SPRING, SPRING + 40 * DAY) > 40 * 86_400 / 31.5
    assert time.process_time() - started < 1


def test_a_grid_is_counted_as_it_is_listed_where_many_coincide() -> None:
    whole = union(*(parse_rule(every=every, anchor_us=SPRING + 7) for every in (1.5, 2.5, 3, 4.5, 6, 7.5)))
    until = SPRING + 7 + 3000 * SECOND
    multiples = {n for step in (3, 5, 6, 9, 12, 15) for n in range(step, 6001, step)}
    assert whole.count(SPRING, until) == len(multiples) == len(whole.between(SPRING, until, limit=100_000))


def test_looking_back_finds_what_looking_ahead_has_passed() -> None:
    whole = union(parse_rule(cron="0 9 * * *"), parse_rule(cron="0 10 * * *"))
    nine, ten, next_nine = whole.instants(SPRING, 3)
    for after, expected in ((nine, ten), (SPRING, nine), (ten, next_nine), (SPRING, nine), (nine - 1, nine)):
        assert whole.next(after) == expected


def test_bounds_hold_for_the_whole() -> None:
    parts = (parse_rule(cron="0 9 * * *"), parse_rule(every="6h", anchor_us=SPRING))
    bounded = union(*parts, start_us=SPRING + DAY, end_us=SPRING + 2 * DAY)
    assert bounded.instants(SPRING, 99) == bounded.between(SPRING, SPRING + 9 * DAY, limit=99)
    assert [bounded.instants(SPRING, 99)[place] for place in (0, -1)] == [SPRING + DAY, SPRING + 2 * DAY]
    assert bounded.count(SPRING, SPRING + 9 * DAY) == len(bounded.instants(SPRING, 99)) == 6


def test_says_each_rule_with_its_zone() -> None:
    morning = parse_rule(cron="0 9 * * MON", timezone="Europe/Paris")
    evening = parse_rule(cron="30 2 * * *", timezone="America/New_York")
    whole = union(morning, evening, parse_rule(every="90s"), morning, extra_us=SPRING)
    assert whole.describe() == (
        "at 09:00 on Monday, Europe/Paris; at 02:30 every day, America/New_York; every 1 minute 30 seconds; "
        "once at its start"
    )
    assert whole.warnings(SPRING) == [
        "rule 2: 02:30 on 2026-03-08 does not exist in America/New_York: it runs at 03:00",
    ]


@pytest.mark.parametrize("count", [1, 2, 20])
def test_next_instants_of_many_rules_come_in_order(count: int) -> None:
    whole = union(*(parse_rule(cron=f"{n} * * * *", timezone=ZONES[n]) for n in range(count)))
    found = whole.instants(SPRING, 500)
    assert all(first < second for first, second in itertools.pairwise(found)) and len(found) == 500
