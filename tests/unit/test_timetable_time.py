"""The rule of time, sentence by sentence."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rota.timetable import Rule, format_instant, parse_instant, parse_rule


def instants(rule: Rule, after: str, count: int) -> list[str]:
    return [format_instant(instant) for instant in rule.instants(parse_instant(after, "after"), count)]


def local(cron: str, zone: str, day: str, count: int, *, day_match: str | None = None) -> list[str]:
    """Return the first instants from a day on, by the clock of the zone, with the offset."""
    tz = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=tz)
    rule = parse_rule(cron=cron, timezone=zone, day_match=day_match)
    found = rule.instants(parse_instant(start, "after") - 1, count)
    return [datetime.fromtimestamp(us // 1_000_000, tz).strftime("%m-%d %H:%M%z") for us in found]


def days(cron: str, count: int = 5, *, day_match: str | None = None) -> list[str]:
    return [text[:5] for text in local(cron, "UTC", "2026-01-01", count, day_match=day_match)]


def matched(field: str, position: int) -> set[int]:
    """Return the numbers that one field of an expression names."""
    parts = ["0", "0", "*", "*", "*"]
    parts[position] = field
    rule = parse_rule(cron=" ".join(parts))
    start = parse_instant("2026-01-01T00:00:00Z", "start") - 1
    end = parse_instant("2027-01-01T00:00:00Z", "end") - 1
    found = (datetime.fromtimestamp(us // 1_000_000, UTC) for us in rule.between(start, end, 10**6))
    return {(m.minute, m.hour, m.day, m.month, m.isoweekday() % 7)[position] for m in found}


@pytest.mark.parametrize(
    ("position", "field", "numbers"),
    [
        (4, "MON", {1}),
        (4, "mon-Wed", {1, 2, 3}),
        (4, "sUn,FRI", {0, 5}),
        (4, "0", {0}),
        (4, "7", {0}),
        (4, "5-7", {5, 6, 0}),
        (4, "SUN-TUE", {0, 1, 2}),
        (4, "FRI-7", {5, 6, 0}),
        (4, "1/2", {1, 3, 5, 0}),
        (4, "MON-FRI/2", {1, 3, 5}),
        (4, "*/7", {0}),
        (3, "jan", {1}),
        (3, "Feb-APR,dec", {2, 3, 4, 12}),
        (3, "NOV/1", {11, 12}),
        (3, "*/5", {1, 6, 11}),
        (0, "50/3", {50, 53, 56, 59}),
        (0, "10-10/1", {10}),
        (0, "10-20/4", {10, 14, 18}),
        (0, "*/25", {0, 25, 50}),
        (0, "*/90", {0}),
        (0, "007", {7}),
        (0, "1,5-7,58/1", {1, 5, 6, 7, 58, 59}),
        (1, "20/2", {20, 22}),
        (1, "*", set(range(24))),
        (2, "30/1", {30, 31}),
        (2, "1-7/3", {1, 4, 7}),
    ],
)
def test_fields(position: int, field: str, numbers: set[int]) -> None:
    assert matched(field, position) == numbers


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        # Neither field begins with a star: either is enough.
        ("0 0 13 * FRI", ["01-02", "01-09", "01-13", "01-16", "01-23"]),
        ("0 0 1-7 * MON", ["01-01", "01-02", "01-03", "01-04", "01-05"]),
        ("0 0 1,* * MON", ["01-01", "01-02", "01-03", "01-04", "01-05"]),
        # One of them begins with a star: both must match.
        ("0 0 * * FRI", ["01-02", "01-09", "01-16", "01-23", "01-30"]),
        ("0 0 13 * *", ["01-13", "02-13", "03-13", "04-13", "05-13"]),
        ("0 0 */2 * MON", ["01-05", "01-19", "02-09", "02-23", "03-09"]),
        ("0 0 13 * */5", ["02-13", "03-13", "09-13", "11-13", "12-13"]),
        ("0 0 *,1 * MON", ["01-05", "01-12", "01-19", "01-26", "02-02"]),
    ],
)
def test_day_fields_together(cron: str, expected: list[str]) -> None:
    assert days(cron) == expected


def test_day_match_and_demands_both() -> None:
    assert days("0 0 13 * FRI", day_match="and") == ["02-13", "03-13", "11-13", "08-13", "10-13"]
    assert days("0 0 1-7 * MON", day_match="and", count=3) == ["01-05", "02-02", "03-02"]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 L * *", ["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ("0 0 l,15 * *", ["01-15", "01-31", "02-15", "02-28", "03-15"]),
        # 31 January 2026 is a Saturday, 31 May a Sunday.
        ("0 0 LW * *", ["01-30", "02-27", "03-31", "04-30", "05-29"]),
        ("0 0 * * 5L", ["01-30", "02-27", "03-27", "04-24", "05-29"]),
        ("0 0 * * friL", ["01-30", "02-27", "03-27", "04-24", "05-29"]),
        ("0 0 * * 7L", ["01-25", "02-22", "03-29", "04-26", "05-31"]),
        ("0 0 * * MON#2", ["01-12", "02-09", "03-09", "04-13", "05-11"]),
        ("0 0 * * 7#1", ["01-04", "02-01", "03-01", "04-05", "05-03"]),
        ("0 0 * * 1#5", ["03-30", "06-29", "08-31", "11-30", "03-29"]),
        ("0 0 * * MON#1,FRIL", ["01-05", "01-30", "02-02", "02-27", "03-02"]),
        ("0 0 L * MON#1", ["01-05", "01-31", "02-02", "02-28", "03-02"]),
    ],
)
def test_last_and_nth_days(cron: str, expected: list[str]) -> None:
    assert days(cron) == expected


@pytest.mark.parametrize(
    ("macro", "cron"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
    ],
)
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Europe/Paris"])
def test_macros_are_expressions(macro: str, cron: str, zone: str) -> None:
    after = parse_instant("2017-01-01T00:00:00Z", "after")
    expected = parse_rule(cron=cron, timezone=zone).instants(after, 500)
    assert parse_rule(cron=macro, timezone=zone).instants(after, 500) == expected


def test_own_macros() -> None:
    every = parse_rule(cron="@every 90s", anchor_us=parse_instant("2026-01-01T00:00:00Z", "anchor"))
    assert instants(every, "2026-01-01T00:00:00Z", 2) == ["2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z"]
    once = parse_rule(cron="@at 2026-11-21T10:00:00+01:00")
    assert instants(once, "2026-01-01T00:00:00Z", 2) == ["2026-11-21T09:00:00Z"]


def test_hashed_numbers_depend_on_the_key_alone() -> None:
    def times(key: str) -> list[int]:
        return parse_rule(cron="H H(0-5) H * H", key=key).instants(0, 20)

    assert times("digest") == times("digest")
    assert times("digest") != times("backup")
    # These numbers are a promise: another way to compute them would move every schedule that uses H.
    rule = parse_rule(cron="H H * * *", key="digest")
    assert instants(rule, "2026-01-01T00:00:00Z", 1) == ["2026-01-01T16:20:00Z"]


def test_hashed_numbers_keep_to_their_range_and_spread_over_it() -> None:
    def hours(field: str) -> set[int]:
        rules = (parse_rule(cron=f"0 {field} * * *", key=f"job-{n}") for n in range(600))
        return {rule.instants(0, 1)[0] // 3_600_000_000 % 24 for rule in rules}

    assert hours("H") == set(range(24))
    assert hours("H(3-6)") == {3, 4, 5, 6}
    assert hours("H(7-7)") == {7}


def test_hashed_days_exist_in_each_month_and_hashed_steps_keep_their_pace() -> None:
    for n in range(100):
        assert len(parse_rule(cron="0 0 H * *", key=f"job-{n}").instants(0, 24)) == 24
        first, second, third = parse_rule(cron="H/20 * * * *", key=f"job-{n}").instants(-1, 3)
        assert first <= 19 * 60_000_000 and second - first == third - second == 20 * 60_000_000
        dates = parse_rule(cron="0 0 H * *", key=f"job-{n}").instants(0, 12)
        assert len({datetime.fromtimestamp(us // 1_000_000, UTC).day for us in dates}) == 1


def test_seconds_field_is_where_it_is_said_to_be() -> None:
    first = parse_rule(cron="30 15 10 * * *", seconds="first")
    last = parse_rule(cron="15 10 * * * 30", seconds="last")
    expected = ["2026-01-01T10:15:30Z", "2026-01-02T10:15:30Z"]
    assert instants(first, "2026-01-01T00:00:00Z", 2) == instants(last, "2026-01-01T00:00:00Z", 2) == expected
    five = parse_rule(cron="15 10 * * *", seconds="first")
    assert instants(five, "2026-01-01T00:00:00Z", 1) == ["2026-01-01T10:15:00Z"]


def test_leap_days_across_a_century_are_found() -> None:
    rule = parse_rule(cron="0 0 29 2 *", timezone="Europe/Paris")
    years = [text[:4] for text in instants(rule, "2080-06-01T00:00:00Z", 6)]
    assert years == ["2084", "2088", "2092", "2096", "2104", "2108"]
    monday = parse_rule(cron="0 0 29 2 MON", day_match="and")
    assert instants(monday, "2072-06-01T00:00:00Z", 2) == ["2112-02-29T00:00:00Z", "2140-02-29T00:00:00Z"]
    before = monday.previous(parse_instant("2112-02-29T00:00:00Z", "before"))
    assert before is not None and format_instant(before) == "2072-02-29T00:00:00Z"


SMALL_CHANGES = [
    # Forwards, Paris, 02:00 to 03:00: skipped instants of a fixed job at the first minute after the gap, once.
    ("30 2 * * *", "Europe/Paris", "2026-03-28", ["03-28 02:30+0100", "03-29 03:00+0200", "03-30 02:30+0200"]),
    ("0-59 2 * * *", "Europe/Paris", "2026-03-29", ["03-29 03:00+0200", "03-30 02:00+0200", "03-30 02:01+0200"]),
    ("0 2,3 * * *", "Europe/Paris", "2026-03-29", ["03-29 03:00+0200", "03-30 02:00+0200", "03-30 03:00+0200"]),
    ("59 2,3 * * *", "Europe/Paris", "2026-03-29", ["03-29 03:00+0200", "03-29 03:59+0200", "03-30 02:59+0200"]),
    # A wildcard job follows the wall clock and has nothing there.
    ("*/30 2 * * *", "Europe/Paris", "2026-03-29", ["03-30 02:00+0200", "03-30 02:30+0200", "03-31 02:00+0200"]),
    ("30 */2 * * *", "Europe/Paris", "2026-03-29", ["03-29 00:30+0100", "03-29 04:30+0200", "03-29 06:30+0200"]),
    ("30 * * * *", "Europe/Paris", "2026-03-29T01:00", ["03-29 01:30+0100", "03-29 03:30+0200", "03-29 04:30+0200"]),
    # The same where midnight is skipped.
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03", ["11-03 00:00-0300", "11-04 01:00-0200", "11-05 00:00-0200"]),
    ("30 0 4 11 *", "America/Sao_Paulo", "2018-11-03", ["11-04 01:00-0200", "11-04 00:30-0300"]),
    ("*/30 0 * * *", "America/Sao_Paulo", "2018-11-04", ["11-05 00:00-0200", "11-05 00:30-0200"]),
    ("* 0 * * *", "Asia/Beirut", "2026-03-29", ["03-30 00:00+0300", "03-30 00:01+0300"]),
    ("15 0 * * *", "Africa/Cairo", "2026-04-24", ["04-24 01:00+0300", "04-25 00:15+0300"]),
    # A day of the week that begins with a gap: the nominal day counts, even where the gap spans midnight.
    ("30 23 28 3 *", "America/Scoresbysund", "2026-03-28", ["03-29 00:00-0100"]),
    # Backwards, Paris, 03:00 to 02:00: a fixed job in the first pass only, a wildcard job in both.
    ("30 2 * * *", "Europe/Paris", "2026-10-25", ["10-25 02:30+0200", "10-26 02:30+0100"]),
    ("59 1,2,3 * * *", "Europe/Paris", "2026-10-25", ["10-25 01:59+0200", "10-25 02:59+0200", "10-25 03:59+0100"]),
    ("*/30 2 * * *", "Europe/Paris", "2026-10-25",
     ["10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-26 02:00+0100"]),
    ("30 * * * *", "Europe/Paris", "2026-10-25T01:00",
     ["10-25 01:30+0200", "10-25 02:30+0200", "10-25 02:30+0100", "10-25 03:30+0100"]),
    ("30 23 * * *", "America/Sao_Paulo", "2018-02-17", ["02-17 23:30-0200", "02-18 23:30-0300"]),
    ("*/30 23 * * *", "America/Sao_Paulo", "2018-02-17",
     ["02-17 23:00-0200", "02-17 23:30-0200", "02-17 23:00-0300", "02-17 23:30-0300", "02-18 23:00-0300"]),
    # Half an hour at Lord Howe: 02:00 to 02:30, and 02:00 back to 01:30.
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["10-04 02:30+1100", "10-05 02:15+1100"]),
    ("*/15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["10-04 02:30+1100", "10-04 02:45+1100", "10-05 02:00+1100"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["04-05 01:45+1100", "04-06 01:45+1030"]),
    ("45 * * * *", "Australia/Lord_Howe", "2026-04-05T01:00",
     ["04-05 01:45+1100", "04-05 01:45+1030", "04-05 02:45+1030"]),
    # Two hours at Troll.
    ("30 1,2 * * *", "Antarctica/Troll", "2026-03-29", ["03-29 03:00+0200", "03-30 01:30+0200", "03-30 02:30+0200"]),
    ("30 1,2 * * *", "Antarctica/Troll", "2026-10-25", ["10-25 01:30+0200", "10-25 02:30+0200", "10-26 01:30+0000"]),
    # A change of the offset that is no daylight saving: Kathmandu, 15 minutes.
    ("10 0 * * *", "Asia/Kathmandu", "1986-01-01", ["01-01 00:15+0545", "01-02 00:10+0545"]),
]  # fmt: skip


@pytest.mark.parametrize(("cron", "zone", "day", "expected"), SMALL_CHANGES)
def test_changes_of_less_than_three_hours(cron: str, zone: str, day: str, expected: list[str]) -> None:
    assert local(cron, zone, day, len(expected)) == expected


@pytest.mark.parametrize(
    ("cron", "zone", "day", "expected"),
    [
        # 30 December 2011 was left out in Apia.
        ("0 9 * * *", "Pacific/Apia", "2011-12-29", ["12-29 09:00-1000", "12-31 09:00+1400"]),
        ("0 9 30 12 *", "Pacific/Apia", "2011-12-29", ["12-30 09:00+1400"]),
        ("*/30 9 30 * *", "Pacific/Apia", "2011-12-01", ["01-30 09:00+1400", "01-30 09:30+1400"]),
        # Three hours exactly, at Casey: 02:00 to 05:00, and 02:00 back to 23:00 of the day before.
        ("30 3 * * *", "Antarctica/Casey", "2009-10-17", ["10-17 03:30+0800", "10-19 03:30+1100"]),
        ("30 23 * * *", "Antarctica/Casey", "2010-03-04", ["03-04 23:30+1100", "03-04 23:30+0800", "03-05 23:30+0800"]),
        # A day twice, at Kwajalein in 1969.
        ("0 9 30 9 *", "Pacific/Kwajalein", "1969-09-29", ["09-30 09:00+1100", "09-30 09:00-1200", "09-30 09:00-1200"]),
    ],
)
def test_changes_of_three_hours_and_more(cron: str, zone: str, day: str, expected: list[str]) -> None:
    assert local(cron, zone, day, len(expected)) == expected


def test_fixed_jobs_with_seconds_fall_together_after_a_gap() -> None:
    rule = parse_rule(cron="*/20 30 2 * * *", seconds="first", timezone="Europe/Paris")
    assert instants(rule, "2026-03-29T00:00:00Z", 2) == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    repeated = instants(rule, "2026-10-25T00:00:00Z", 4)
    assert repeated == [
        "2026-10-25T00:30:00Z",
        "2026-10-25T00:30:20Z",
        "2026-10-25T00:30:40Z",
        "2026-10-26T01:30:00Z",
    ]


def test_offsets_of_odd_seconds() -> None:
    # Monrovia was 44 minutes and 30 seconds behind until 1972.
    rule = parse_rule(cron="0 0 * * *", timezone="Africa/Monrovia")
    assert instants(rule, "1971-12-31T12:00:00Z", 1) == ["1972-01-01T00:44:30Z"]
    # On 7 January the clock went from 00:00:00 to 00:44:30: a fixed job at the first full minute.
    assert instants(rule, "1972-01-06T12:00:00Z", 2) == ["1972-01-07T00:45:00Z", "1972-01-08T00:00:00Z"]
    assert (
        rule.count(parse_instant("1972-01-06T12:00:00Z", "after"), parse_instant("1972-01-09T12:00:00Z", "until")) == 3
    )
    wildcard = parse_rule(cron="*/45 0 * * *", timezone="Africa/Monrovia")
    assert instants(wildcard, "1972-01-07T00:00:00Z", 1) == ["1972-01-07T00:45:00Z"]


def test_years_beyond_the_listed_changes_follow_the_zones_own_rule() -> None:
    change = max(week[calendar.SUNDAY] for week in calendar.monthcalendar(2998, 3))
    rule = parse_rule(cron="30 2 * * *", timezone="Europe/Paris")
    assert instants(rule, f"2998-03-{change - 1}T12:00:00Z", 2) == [
        f"2998-03-{change}T01:00:00Z",
        f"2998-03-{change + 1}T00:30:00Z",
    ]


def test_intervals_never_drift() -> None:
    rule = parse_rule(every="90m", anchor_us=parse_instant("2026-03-28T23:00:00Z", "anchor"), timezone="Europe/Paris")
    # Real time, across a change of the clock; the first one interval after the anchor.
    assert instants(rule, "2026-03-01T00:00:00Z", 3) == [
        "2026-03-29T00:30:00Z",
        "2026-03-29T02:00:00Z",
        "2026-03-29T03:30:00Z",
    ]
    assert instants(rule, "2026-03-29T01:59:59.999999Z", 1) == ["2026-03-29T02:00:00Z"]
    assert instants(rule, "2026-03-29T02:00:00Z", 1) == ["2026-03-29T03:30:00Z"]
