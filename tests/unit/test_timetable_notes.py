"""What a change of the clock did to an instant is said beside it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from rota.timetable import parse_rule, unite

TWICE = "the clock shows this time twice"


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("cron", "zone", "instant", "note"),
    [
        ("30 2 * * *", "Europe/Paris", "2027-03-27T02:30+01:00", None),
        ("30 2 * * *", "Europe/Paris", "2027-03-28T03:00+02:00",
         "the clock skipped 02:00 to 03:00; this is the first minute after"),
        ("*/30 * * * *", "Europe/Paris", "2027-03-28T03:00+02:00", None),
        ("30 2 * * *", "Europe/Paris", "2027-10-31T02:30+02:00",
         f"{TWICE}; this is the first, and the only one to run"),
        ("*/30 * * * *", "Europe/Paris", "2027-10-31T02:30+02:00", f"{TWICE}; this is the first"),
        ("*/30 * * * *", "Europe/Paris", "2027-10-31T02:30+01:00", f"{TWICE}; this is the second"),
        ("*/30 * * * *", "Europe/Paris", "2027-10-31T03:00+01:00", None),
        ("0 2 * * *", "Australia/Lord_Howe", "2027-10-03T02:30+11:00",
         "the clock skipped 02:00 to 02:30; this is the first minute after"),
        ("0 0 30 12 *", "Pacific/Apia", "2012-12-30T00:00+14:00", None),
        ("@every 1h", "Europe/Paris", "2027-10-31T02:00+01:00", None),
    ],
)  # fmt: skip
def test_of_an_instant(cron: str, zone: str, instant: str, note: str | None) -> None:
    rule = parse_rule(cron=cron, timezone=zone)
    assert datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).utcoffset() is not None
    assert rule.next(us(instant) - 1) == us(instant) or cron.startswith("@every")
    assert rule.note(us(instant)) == note


def test_of_several_rules_that_one_speaks_whose_instant_it_is() -> None:
    rules = [parse_rule(cron=cron, timezone="Europe/Paris") for cron in ("0 9 * * *", "30 2 * * *")]
    both = unite(rules, timezone="Europe/Paris")
    assert both.note(us("2027-03-28T03:00+02:00")) is not None
    assert both.note(us("2027-03-28T09:00+02:00")) is None
