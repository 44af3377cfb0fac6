"""Rules in words, and what they warn of."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.timetable import parse_instant, parse_rule

CRON = [
    ("* * * * *", "every minute"),
    ("*/5 * * * *", "every 5 minutes"),
    ("0-59/20 * * * *", "every 20 minutes"),
    ("7/15 * * * *", "every 15 minutes from minute 7"),
    ("0 * * * *", "every hour"),
    ("1 * * * *", "at 1 minute past every hour"),
    ("0,10,45 * * * *", "at 0, 10 and 45 minutes past every hour"),
    ("0-10 * * * *", "at 0 to 10 minutes past every hour"),
    ("0 */2 * * *", "every 2 hours from 00:00"),
    ("30 1/3 * * *", "every 3 hours from 01:30"),
    ("0 9 * * *", "at 09:00 every day"),
    ("0,30 9,17 * * *", "at 09:00, 09:30, 17:00 and 17:30 every day"),
    ("0 8-18 * * *", "every hour from 08:00 to 18:00 every day"),
    ("*/15 9-17 * * MON-FRI", "every 15 minutes from 09:00 to 17:45 on Monday to Friday"),
    ("* 2 * * *", "every minute from 02:00 to 02:59 every day"),
    ("*/10 2,14 * * *", "every 10 minutes of every 12th hour from 02:00"),
    ("*/10 2,4,9 * * *", "every 10 minutes of the hours 02, 04 and 09 every day"),
    ("5,6 0-8,20-23 * * *", "at 5 and 6 minutes past of the hours 00 to 08 and 20 to 23 every day"),
    ("0 9 * * MON", "at 09:00 on Monday"),
    ("0 9 * * 0,6", "at 09:00 on Saturday and Sunday"),
    ("0 9 * * 1-3,7", "at 09:00 on Monday to Wednesday and Sunday"),
    ("0 9 * * 5L", "at 09:00 on the last Friday of the month"),
    ("0 9 * * MON#2,MON#4", "at 09:00 on the second Monday and the fourth Monday of the month"),
    ("0 9 * MAR MON#1", "at 09:00 on the first Monday of March"),
    ("0 9 * MAR,OCT MON", "at 09:00 on Monday in March and October"),
    ("0 9 * 6-8 *", "at 09:00 every day in June to August"),
    ("0 0 1 * *", "at 00:00 on day 1 of the month"),
    ("0 0 1,15,20-22 * *", "at 00:00 on days 1, 15 and 20 to 22 of the month"),
    ("0 0 */2 * *", "at 00:00 on every 2nd day from day 1 of the month"),
    ("0 0 L * *", "at 00:00 on the last day of the month"),
    ("0 0 15,LW * *", "at 00:00 on day 15 and the last weekday (Monday to Friday) of the month"),
    ("0 0 25 12 *", "at 00:00 on 25 December"),
    ("0 0 1 */3 *", "at 00:00 on day 1 of January, April, July and October"),
    ("0 0 13 * FRI", "at 00:00 on day 13 of the month and on Friday"),
    ("0 0 13 6 FRI", "at 00:00 on day 13 and on Friday in June"),
    ("0 0 */13 * FRI", "at 00:00 on days 1, 14 and 27 of the month when it is Friday"),
    ("0 0 1-31 * MON", "at 00:00 every day"),
    ("@weekly", "at 00:00 on Sunday"),
]


@pytest.mark.parametrize(("cron", "words"), CRON)
def test_cron(cron: str, words: str) -> None:
    assert parse_rule(cron=cron, timezone="Europe/Paris").describe() == f"{words}, Europe/Paris"


def test_examples_of_the_reference_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cron.md").read_text(encoding="utf-8")
    examples = re.findall(r"^\| `([^`]+)` \| ((?:at|every) .+) \|$", page.partition("### Examples")[2], re.MULTILINE)
    assert len(examples) == 15
    for cron, words in examples:
        assert parse_rule(cron=cron).describe() == f"{words}, UTC"


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("30 * * * * *", "at second 30 of every minute"),
        ("0,30 0 9 * * *", "at 09:00:00 and 09:00:30 every day"),
        ("*/5 * 9-17 * * MON", "every 5 seconds from 09:00 to 17:59 on Monday"),
        ("7 * 9-17 * * *", "at second 7 of every minute from 09:00 to 17:59 every day"),
        ("*/5 0 * * * *", "every 5 seconds of the minute, every hour"),
    ],
)
def test_seconds(cron: str, words: str) -> None:
    assert parse_rule(cron=cron, seconds="first").describe() == f"{words}, UTC"


def test_intervals_and_instants() -> None:
    assert parse_rule(every="10m").describe() == "every 10 minutes"
    assert parse_rule(every=1).describe() == "every second"
    assert parse_rule(cron="@every 1h30m").describe() == "every 1 hour 30 minutes"
    assert parse_rule(every="7d").describe() == "every 7 days"
    assert parse_rule(at="2026-11-21T10:00:00Z", timezone="Europe/Paris").describe() == (
        "once on 2026-11-21 at 11:00, Europe/Paris"
    )
    assert parse_rule(at="2026-11-21T10:00:05.5Z").describe() == "once on 2026-11-21 at 10:00:05.500000, UTC"
    last = parse_rule(at="9999-12-31T23:59:59Z", timezone="Asia/Tokyo")
    assert last.describe() == "once on 9999-12-31 at 23:59:59, UTC"


numbers = st.integers(0, 23).map(str) | st.just("*") | st.integers(1, 30).map("*/{}".format)


@given(st.lists(numbers, min_size=5, max_size=5).map(" ".join))
def test_every_expression_has_words_and_no_two_spaces(cron: str) -> None:
    try:
        words = parse_rule(cron=cron).describe()
    except Invalid:
        return
    assert words.endswith(", UTC") and "  " not in words and words.startswith(("at ", "every "))


AFTER = parse_instant("2026-01-01T00:00:00Z", "after")


@pytest.mark.parametrize(
    ("cron", "zone", "warnings"),
    [
        ("0 9 * * MON", "Europe/Paris", []),
        ("30 2 * * *", "UTC", []),
        (
            "30 2 * * *",
            "Europe/Paris",
            [
                "02:30 on 2026-03-29 does not exist in Europe/Paris: it runs at 03:00",
                "02:30 on 2026-10-25 comes twice in Europe/Paris: it runs in the first pass only",
            ],
        ),
        (
            "*/30 2 * * *",
            "Europe/Paris",
            [
                "2 times from 02:00 on 2026-03-29 to 03:00 do not exist in Europe/Paris: nothing runs in their place",
                "2 times from 02:00 on 2026-10-25 to 03:00 come twice in Europe/Paris: they run in both passes",
            ],
        ),
        (
            "0-8 2 * * *",
            "Europe/Paris",
            [
                "9 times from 02:00 on 2026-03-29 to 03:00 do not exist in Europe/Paris: they run together at 03:00",
                "9 times from 02:00 on 2026-10-25 to 03:00 come twice in Europe/Paris: they run in the first pass only",
            ],
        ),
        ("*/30 * * * *", "Europe/Paris", []),
        (
            "0 * * * *",
            "Australia/Lord_Howe",
            ["02:00 on 2026-10-04 does not exist in Australia/Lord_Howe: nothing runs in its place"],
        ),
        ("*/7 * * * *", "UTC", ["minute */7 begins again each hour: the last step before that is 4, not 7"]),
        ("0 */5 * * *", "UTC", ["hour */5 begins again each day: the last step before that is 4, not 5"]),
        ("*/60 * * * *", "UTC", ["minute */60: the step leaves only 0, once each hour"]),
        (
            "0 0 13 * FRI",
            "UTC",
            ['day-of-month or day-of-week is enough, both need not match: say dayMatch "and" if they must'],
        ),
        (
            "0 0 */2 * FRI",
            "UTC",
            ["a day field begins with *, so day-of-month and day-of-week must both match"],
        ),
        ("0 0 29 2 *", "UTC", ["29 February comes in leap years only"]),
        ("0 0 31 * *", "UTC", ["some months will be left out, having no day 31: L is the last day of each month"]),
        ("0 0 30 1-3 *", "UTC", ["February will be left out, having no day 30: L is the last day of each month"]),
        ("0 0 31 1,3 *", "UTC", []),
        ("0 0 31,L * *", "UTC", []),
        (
            "0 0 * * MON#5",
            "UTC",
            ["not every month has a fifth Monday: write 5L for the last Friday of each month"],
        ),
    ],
)
def test_warnings(cron: str, zone: str, warnings: list[str]) -> None:
    assert parse_rule(cron=cron, timezone=zone).warnings(AFTER) == warnings


def test_warnings_of_corrections_of_the_calendar() -> None:
    apia = parse_rule(cron="0 9 * * *", timezone="Pacific/Apia")
    assert apia.warnings(parse_instant("2011-10-01T00:00:00Z", "after")) == [
        "09:00 on 2011-12-30 does not exist in Pacific/Apia: nothing runs in its place"
    ]
    casey = parse_rule(cron="30 23 * * *", timezone="Antarctica/Casey")
    assert casey.warnings(parse_instant("2010-03-01T00:00:00Z", "after")) == [
        "23:30 on 2010-03-04 comes twice in Antarctica/Casey: it runs in both passes"
    ]


def test_day_match_said_aloud_needs_no_warning() -> None:
    assert parse_rule(cron="0 0 13 * FRI", day_match="and").warnings(AFTER) == []


def test_bounds_that_leave_nothing() -> None:
    rule = parse_rule(cron="0 0 1 1 *", start_us=AFTER + 1, end_us=AFTER + 1_000_000)
    assert rule.warnings(AFTER) == ["no instant of it lies between its start and its end: it never fires"]


def test_warnings_look_a_year_ahead_from_now() -> None:
    now = time.time_ns() // 1000
    rule = parse_rule(cron="30 2 * * *", timezone="Europe/Paris")
    assert rule.warnings() in (rule.warnings(now), rule.warnings(now + 60_000_000))
