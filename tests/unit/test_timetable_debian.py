"""Every expression in the manual pages of Debian's cron (crontab(5), cron(8)) means what is written there beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rota.timetable import parse_rule
from tests.unit.test_timetable_walk import us

START = datetime(2026, 1, 28, tzinfo=UTC)
MINUTES = [START + timedelta(minutes=n) for n in range(100 * 1440)]

Due = Callable[[datetime], bool]
MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6

EXAMPLES: dict[str, tuple[str, Due]] = {
    "five minutes after midnight, every day": ("5 0 * * *", lambda m: (m.hour, m.minute) == (0, 5)),
    "at 2:15pm on the first of every month": (
        "15 14 1 * *",
        lambda m: (m.day, m.hour, m.minute) == (1, 14, 15),
    ),
    "at 10 pm on weekdays": ("0 22 * * 1-5", lambda m: (m.hour, m.minute) == (22, 0) and m.weekday() < SATURDAY),
    "23 minutes after midn, 2am, 4am ..., everyday": (
        "23 0-23/2 * * *",
        lambda m: m.minute == 23 and m.hour % 2 == 0,
    ),
    "at 5 after 4 every sunday": ("5 4 * * sun", lambda m: (m.weekday(), m.hour, m.minute) == (SUNDAY, 4, 5)),
    "at 22:33, every day": ("33 22 * * *", lambda m: (m.hour, m.minute) == (22, 33)),
    "at 4:30 am on the 1st and 15th of each month, plus every Friday": (
        "30 4 1,15 * 5",
        lambda m: (m.hour, m.minute) == (4, 30) and (m.day in (1, 15) or m.weekday() == FRIDAY),
    ),
    "at 4 on the days of which one is the second Saturday": (
        "0 4 8-14 * *",
        lambda m: (m.hour, m.minute) == (4, 0) and 8 <= m.day <= 14,
    ),
    "every 4th hour on the 1st and on every Monday": (
        "0 */4 1 * mon",
        lambda m: m.minute == 0 and m.hour % 4 == 0 and (m.day == 1 or m.weekday() == MONDAY),
    ),
    "at midnight on every Sunday that's an uneven date": (
        "0 0 */2 * sun",
        lambda m: (m.hour, m.minute) == (0, 0) and m.day % 2 == 1 and m.weekday() == SUNDAY,
    ),
    "execution at hours 8, 9, 10 and 11": ("0 8-11 * * *", lambda m: m.minute == 0 and m.hour in (8, 9, 10, 11)),
    "a list": ("1,2,5,9 0 * * *", lambda m: m.hour == 0 and m.minute in (1, 2, 5, 9)),
    "a list of ranges": ("0-4,8-12 0 * * *", lambda m: m.hour == 0 and m.minute in (0, 1, 2, 3, 4, 8, 9, 10, 11, 12)),
    "lists and ranges in the same field": (
        "0 0 1-3,7-9 * *",
        lambda m: (m.hour, m.minute) == (0, 0) and m.day in (1, 2, 3, 7, 8, 9),
    ),
    "1-9/2 is the same as 1,3,5,7,9": ("1-9/2 0 * * *", lambda m: m.hour == 0 and m.minute in (1, 3, 5, 7, 9)),
    "every two hours": ("0 */2 * * *", lambda m: m.minute == 0 and m.hour in range(0, 24, 2)),
    "the alternative in the V7 standard": (
        "0 0,2,4,6,8,10,12,14,16,18,20,22 * * *",
        lambda m: m.minute == 0 and m.hour in range(0, 24, 2),
    ),
    "an asterisk stands for first-last": ("0-59 0-23 1-31 1-12 *", lambda m: True),
    "day 0 is Sunday": ("0 0 * * 0", lambda m: (m.weekday(), m.hour, m.minute) == (SUNDAY, 0, 0)),
    "day 7 is Sunday": ("0 0 * * 7", lambda m: (m.weekday(), m.hour, m.minute) == (SUNDAY, 0, 0)),
    "a month by its name, in any case": (
        "0 0 * mAr *",
        lambda m: (m.month, m.hour, m.minute) == (3, 0, 0),
    ),
    "once a year": ("@yearly", lambda m: (m.month, m.day, m.hour, m.minute) == (1, 1, 0, 0)),
    "the same as @yearly": ("@annually", lambda m: (m.month, m.day, m.hour, m.minute) == (1, 1, 0, 0)),
    "once a month": ("@monthly", lambda m: (m.day, m.hour, m.minute) == (1, 0, 0)),
    "once a week": ("@weekly", lambda m: (m.weekday(), m.hour, m.minute) == (SUNDAY, 0, 0)),
    "once a day": ("@daily", lambda m: (m.hour, m.minute) == (0, 0)),
    "the same as @daily": ("@midnight", lambda m: (m.hour, m.minute) == (0, 0)),
    "once an hour": ("@hourly", lambda m: m.minute == 0),
}


@pytest.mark.parametrize("words", EXAMPLES)
def test_an_expression_means_what_is_written_beside_it(words: str) -> None:
    cron, due = EXAMPLES[words]
    found = parse_rule(cron=cron).between(us(MINUTES[0]) - 1, us(MINUTES[-1]), limit=len(MINUTES))
    assert found == [us(minute) for minute in MINUTES if due(minute)]


@pytest.mark.parametrize(
    ("cron", "moved"),
    [
        # cron(8): what would have run in the skipped time runs soon after the change, unless it has wildcards or is
        # @hourly; what falls into the repeated time is not run again, unless it does.
        ("30 2 * * *", ["29 01:00", "25 00:30"]),
        ("5,35 2 * * *", ["29 01:00", "25 00:05", "25 00:35"]),
        ("*/30 2 * * *", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("30 * * * *", ["29 00:30", "29 01:30", "25 00:30", "25 01:30"]),
        ("@hourly", ["29 00:00", "29 01:00", "25 00:00", "25 01:00"]),
    ],
)
def test_changes_of_the_clock(cron: str, moved: list[str]) -> None:
    rule = parse_rule(cron=cron, timezone="Europe/Paris")
    found = []
    for change in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        instants = rule.between(us(change) - 1, us(change) + 2 * 3_600_000_000 - 1, limit=100)
        found += [datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%d %H:%M") for instant in instants]
    assert found == moved
