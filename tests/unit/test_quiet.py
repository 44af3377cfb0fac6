"""Quiet hours against a count of minutes on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.insight.quiet import DAYS, QuietHours, quiet_hours

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
times = st.builds(lambda minute: f"{minute // 60:02}:{minute % 60:02}", st.integers(0, 1439))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))
days = st.lists(st.sampled_from(DAYS), max_size=7)


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@given(st.sampled_from(ZONES), times, times, days, moments)
def test_they_are_the_minutes_from_their_begin_on(
    zone: str, begin: str, end: str, on: list[str], moment: datetime
) -> None:
    """The wall clock shows a minute that is reached from a begin on one of the days, before the end."""
    here = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    length = (minute_of(end) - minute_of(begin)) % 1440 or 1440
    since = (here.hour * 60 + here.minute - minute_of(begin)) % 1440
    began = here.date() if here.hour * 60 + here.minute >= minute_of(begin) else here.date() - timedelta(days=1)
    expected = since < length and (not on or DAYS[began.weekday()] in on)
    now_us = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert quiet_hours(zone, begin, end, on).holds(now_us) is expected


@given(st.sampled_from(ZONES), times, times, moments)
def test_with_the_rest_of_the_day_they_are_all_of_it(zone: str, begin: str, end: str, moment: datetime) -> None:
    now_us = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    one, other = quiet_hours(zone, begin, end).holds(now_us), quiet_hours(zone, end, begin).holds(now_us)
    assert one is not other or begin == end


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        (("Mars/Base", "22:00", "07:00"), "timezone"),
        (("UTC", "22", "07:00"), "from"),
        (("UTC", "24:00", "07:00"), "from"),
        (("UTC", "22:00", "7:00"), "to"),
        (("UTC", "22:00", "\u0660\u0667:\u0660\u0660"), "to"),
        (("UTC", "22:00", "07:60"), "to"),
        (("UTC", "22:00", "07:00", ["Monday"]), "days"),
    ],
)
def test_what_is_none_is_refused_by_its_field(given_: tuple[object, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        quiet_hours(*given_)  # type: ignore[arg-type]  # what users send
    assert refused.value.field == field


def test_hours_of_a_zone_that_this_machine_does_not_know_silence_nobody() -> None:
    """Another machine may have stored them; one error in each turn would silence all alerts."""
    assert QuietHours("Mars/Base", "00:00", "00:00").holds(0) is False
