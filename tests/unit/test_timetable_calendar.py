"""Calendars: days of a zone whatever its clock does, ranges, holidays; and what is refused."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import Invalid, TooLarge
from rota.timetable import Calendar, describe_calendar, format_instant, parse_calendar, parse_instant
from rota.timetable.instant import FIRST_US, LAST_US
from tests.unit.minute_walk import changes
from tests.unit.test_timetable_walk import EPOCH, ZONES, us, walked

HOUR = 3_600_000_000
DAY = 24 * HOUR


def at(text: str) -> int:
    return parse_instant(text, "at")


def shown(calendar: Calendar, first: str, until: str, zone: str = "UTC") -> list[tuple[str, str]]:
    spans = calendar.spans(at(first), at(until), zone)
    return [(format_instant(begin)[:16], format_instant(end)[:16]) for begin, end in spans]


def closed_day(day: date) -> bool:
    """The days of `MIXED`, said once more and in another way."""
    one_off = day in (date(2011, 12, 30), date(2026, 3, 29), date(2018, 11, 4))
    return one_off or (day.month, day.day) == (12, 31) or day.strftime("%a") in ("Sun", "Wed")


MIXED = parse_calendar(dates=["2011-12-30", "2026-03-29", "2018-11-04"], yearly=["12-31"], weekdays=["SUN", "wed"])


@settings(walked, max_examples=60)
@given(
    zone=st.sampled_from([*ZONES, "America/Santiago", "Asia/Amman"]),
    centre=st.datetimes(datetime(1975, 1, 1), datetime(2070, 1, 1)),
    near=st.booleans(),
    choice=st.integers(0, 9),
)
def test_a_day_is_what_the_clock_of_the_zone_shows(zone: str, centre: datetime, near: bool, choice: int) -> None:
    moment = centre.replace(second=0, microsecond=0, tzinfo=UTC)
    there = changes(zone, centre.year)
    if near and there:
        moment = there[choice % len(there)]
    start, tz = moment - timedelta(hours=30), ZoneInfo(zone)
    minutes = [start + timedelta(minutes=n) for n in range(60 * 60)]
    expected = [closed_day(minute.astimezone(tz).date()) for minute in minutes]
    spans = MIXED.spans(us(minutes[0]), us(minutes[-1]) + 60_000_000, zone)
    inside = [any(begin <= us(minute) < end for begin, end in spans) for minute in minutes]
    assert inside == expected
    assert [MIXED.covers(us(minute), zone) for minute in minutes[::7]] == expected[::7]
    assert spans == sorted(spans) and all(one[1] < other[0] for one, other in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", "2026-03-29", 23),
        ("Europe/Paris", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("Pacific/Apia", "2011-12-30", 0),
        ("Asia/Kolkata", "2026-03-29", 24),
    ],
)
def test_a_day_is_as_long_as_it_is(zone: str, day: str, hours: float) -> None:
    spans = parse_calendar(dates=[day]).spans(FIRST_US, LAST_US, zone)
    assert sum(end - begin for begin, end in spans) == hours * HOUR


def test_ranges_of_dates_include_their_last_day_and_those_of_instants_end_before_their_end() -> None:
    calendar = parse_calendar(
        ranges=[
            ("2026-12-24", "2026-12-26"),
            ("2026-12-27", "2026-12-27"),
            ("2026-06-01T08:00+02:00", "2026-06-01T10:00Z"),
        ]
    )
    assert shown(calendar, "2026-01-01T00:00Z", "2027-01-01T00:00Z", "Asia/Tokyo") == [
        ("2026-06-01T06:00", "2026-06-01T10:00"),
        ("2026-12-23T15:00", "2026-12-27T15:00"),
    ]
    assert calendar.covers(at("2026-06-01T06:00Z"), "Asia/Tokyo") and calendar.covers(at("2026-06-01T09:59Z"), "UTC")
    assert not calendar.covers(at("2026-06-01T10:00Z"), "UTC")


def test_spans_join_over_the_new_year_and_are_cut_at_the_ends() -> None:
    calendar = parse_calendar(yearly=["12-31", "01-01"], ranges=[("2026-12-31T23:00Z", "2027-01-01T01:00Z")])
    assert shown(calendar, "2026-12-31T05:00Z", "2027-01-01T07:00Z") == [("2026-12-31T05:00", "2027-01-01T07:00")]
    assert shown(calendar, "2026-12-01T00:00Z", "2027-02-01T00:00Z") == [("2026-12-31T00:00", "2027-01-02T00:00")]
    assert calendar.spans(at("2027-01-01T07:00Z"), at("2027-01-01T07:00Z"), "UTC") == []


def test_a_leap_day_comes_in_leap_years() -> None:
    spans = parse_calendar(yearly=["02-29"]).spans(at("2096-01-01T00:00Z"), at("2109-01-01T00:00Z"), "UTC")
    assert [format_instant(begin)[:10] for begin, _ in spans] == ["2096-02-29", "2104-02-29", "2108-02-29"]


def test_everything_for_all_time() -> None:
    calendar = parse_calendar(ranges=[("0001-01-01", "9999-12-31")])
    assert calendar.covers(FIRST_US, "UTC") and calendar.covers(LAST_US, "Pacific/Pago_Pago")
    assert calendar.spans(LAST_US - DAY, LAST_US + DAY, "America/New_York") == [(LAST_US - DAY, LAST_US + 1)]
    assert calendar.spans(FIRST_US, FIRST_US + DAY, "Asia/Tokyo") == [(FIRST_US, FIRST_US + DAY)]


def test_public_holidays_of_a_country_and_of_a_part_of_it() -> None:
    france, alsace = parse_calendar(country="FR"), parse_calendar(country="FR", subdivision="57")
    assert france.covers(at("2026-07-13T22:00Z"), "Europe/Paris") and not france.covers(at("2026-07-13T22:00Z"), "UTC")
    saint_stephen = at("2026-12-26T12:00Z")
    assert alsace.covers(saint_stephen, "Europe/Paris") and not france.covers(saint_stephen, "Europe/Paris")
    year = france.spans(at("2026-01-01T00:00Z"), at("2026-12-31T00:00Z"), "UTC")
    assert sum(end - begin for begin, end in year) == 11 * DAY


def test_an_empty_calendar_covers_nothing() -> None:
    assert parse_calendar().spans(EPOCH.microsecond, 40 * 365 * DAY, "Europe/Paris") == []
    assert not parse_calendar().covers(0, "UTC")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "no time"),
        ({"weekdays": ["SUN", "SAT"]}, "Saturday and Sunday"),
        ({"dates": ["2026-12-25"]}, "2026-12-25"),
        ({"dates": ["2026-12-25", "2026-12-24"]}, "2026-12-24 to 2026-12-25"),
        ({"yearly": ["12-25", "01-01"]}, "1 January and 25 December"),
        ({"country": "US", "subdivision": "CA"}, "public holidays of US-CA"),
        ({"dates": [f"2026-01-{day:02d}" for day in range(1, 32, 2)]}, "16 dates and ranges"),
        (
            {"ranges": [("2026-06-01T08:00Z", "2026-06-01T10:00Z")], "weekdays": ["MON"]},
            "Monday; from 2026-06-01 08:00 UTC to 2026-06-01 10:00 UTC",
        ),
    ],
)
def test_words(fields: dict[str, Any], words: str) -> None:
    assert describe_calendar(parse_calendar(**fields)) == words


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"dates": ["2026-12-25", "25.12.2026"]}, "dates.1", "not a date"),
        ({"dates": ["2026-02-29"]}, "dates.0", "does not exist"),
        ({"dates": ["\uff12026-12-25"]}, "dates.0", "not a date"),
        ({"dates": ["2026-01-01"] * 10_001}, "dates", "too many"),
        ({"ranges": [("2026-12-26", "2026-12-24")]}, "ranges.0.to", "before"),
        ({"ranges": [("2026-12-26", "2026-12-27T00:00Z")]}, "ranges.0.to", "one of each"),
        ({"ranges": [("2026-12-26T00:00Z", "2026-12-26T00:00Z")]}, "ranges.0.to", "not after"),
        ({"ranges": [("2026-12-26T00:00", "2026-12-26T01:00")]}, "ranges.0.from", "offset"),
        ({"ranges": [("soon", "later")]}, "ranges.0.from", "not a time"),
        ({"yearly": ["02-30"]}, "yearly.0", "any year"),
        ({"yearly": ["25-12"]}, "yearly.0", "any year"),
        ({"yearly": ["Dec 25"]}, "yearly.0", "not a day"),
        ({"weekdays": ["SAT", "Funday"]}, "weekdays.1", "not a weekday"),
        ({"country": "FX"}, "country", "no holidays"),
        ({"country": "fr"}, "country", "no holidays"),
        ({"country": "FR", "subdivision": "Texas"}, "subdivision", "no part"),
        ({"subdivision": "CA"}, "country", "missing"),
    ],
)
def test_refusals(fields: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_calendar(**fields)
    assert refusal.value.field == field and reason in refusal.value.reason
    assert isinstance(refusal.value, TooLarge) == ("too many" in reason)


def test_a_country_needs_the_extra_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(Invalid) as refusal:
        parse_calendar(country="FR")
    assert refusal.value.field == "country" and refusal.value.hint == "pip install 'rota[calendars]'"
