"""Hundreds of malformed expressions, and of those that can never fire: each refused in less than a second, with its
field and its reason.
"""

from __future__ import annotations

import itertools
import random
import time
from calendar import monthrange

import pytest

from rota.errors import Invalid
from rota.timetable import parse_rule

FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
# In place of a whole field; {0} is one more than its greatest number.
WRONG = (
    "{0}", "{0}-{0}", "1-{0}", "1,{0}", "{0}/2", "1-3/0", "*/0", "*/-1", "*/a", "*/", "/5", "-", "1-", "-1", "3-1",
    ",", "1,", ",1", "1,,2", "1/2/3", "1-2-3", "**", "*1", "1*", "*,?", "?", "W", "1W", "#", "1#9", "XYZ", "1.5", "+1",
    "0x1", "1e1", "~", "1~3", "$(date)", "999999999999999999999", "H(", "H)", "H(1)", "H(9-1)", "L-1", "1L1",
)  # fmt: skip
MALFORMED = [
    " ".join("*" if other != place else wrong.format(LIMITS[place][1] + 1) for other in range(5))
    for place, wrong in itertools.product(range(5), WRONG)
]


def refused(cron: str, timezone: str = "UTC") -> Invalid:
    """Return why an expression is refused; it must not take a second."""
    started = time.process_time()
    with pytest.raises(Invalid) as refusal:
        parse_rule(cron=cron, key="digest", timezone=timezone)
    assert time.process_time() - started < 1
    return refusal.value


@pytest.mark.parametrize("place", range(5), ids=FIELDS)
def test_a_malformed_field_is_named(place: int) -> None:
    for cron in MALFORMED[place * len(WRONG) : (place + 1) * len(WRONG)]:
        error = refused(cron)
        assert error.field == "cron", cron
        assert error.reason.startswith(f"{FIELDS[place]} "), (cron, error.reason)


def never() -> list[str]:
    """Dates that no month of those named has, as numbers, ranges, steps, names; and places in them that no day has."""
    names = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    short = {month: monthrange(2024, month)[1] for month in range(1, 13)}
    chance = random.Random(31)
    found = []
    for _ in range(300):
        months = chance.sample([month for month in short if short[month] < 31], chance.randint(1, 4))
        least = max(short[month] for month in months) + 1
        dates = chance.choice((str(least), "31", f"{least}-31", f"{least}/1", f"31,{least}"))
        month = ",".join(chance.choice((str(number), names[number - 1])) for number in months)
        found.append(f"{chance.randint(0, 59)} {chance.randint(0, 23)} {dates} {month} *")
    found += [f"0 0 {date} 2 */{step}" for date in ("30", "31", "30-31") for step in range(1, 8)]
    found += [f"* * */31 * {day}#{nth}" for day in range(8) for nth in range(2, 6)]
    found += [f"* * 30/1 2 {day}" for day in ("*", "*/2", "*/3")]
    return found


def test_what_can_never_fire_is_refused_with_the_days_that_are_none() -> None:
    expressions = never()
    assert len(set(expressions)) > 200
    for cron in expressions:
        error = refused(cron, timezone="Europe/Paris")
        assert error.field == "cron" and "it can never fire: no day is ever" in error.reason, (cron, error.reason)
        assert cron.split()[2].upper() in error.reason


def test_what_fires_once_in_many_years_is_found_at_once() -> None:
    started = time.process_time()
    for cron in ("0 0 29 2 */7", "59 23 29 2 */6", "0 0 29 2 5#5", "0 0 29 FEB *", "0 0 */28 2 SUN#5"):
        for zone in ("Pacific/Apia", "Australia/Lord_Howe", "UTC"):
            rule = parse_rule(cron=cron, timezone=zone)
            assert rule.next(4_102_444_800_000_000) is not None
            assert rule.previous(4_102_444_800_000_000) is not None
    assert time.process_time() - started < 1


def test_there_are_hundreds() -> None:
    assert len(MALFORMED) > 200
