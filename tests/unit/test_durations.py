"""Durations: read, written and refused."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.durations import DAY, HOUR, LONGEST, MILLISECOND, MINUTE, SECOND, format_duration, parse_duration
from rota.errors import Invalid


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("500ms", 500 * MILLISECOND),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("2h", 2 * HOUR),
        ("7d", 7 * DAY),
        ("1h30m", 90 * MINUTE),
        ("1d2h3m4s5ms", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5 * MILLISECOND),
        ("1h 30m", 90 * MINUTE),
        (" 5m ", 5 * MINUTE),
        ("90m", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        ("0.25ms", 250),
        ("0.000001s", 1),
        ("0s", 0),
        ("36525d", LONGEST),
        (5, 5 * SECOND),
        (0.25, 250 * MILLISECOND),
        (timedelta(minutes=1, microseconds=1), MINUTE + 1),
    ],
)
def test_read(text: str | float | timedelta, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0s"),
        (1, "0.001ms"),
        (250, "0.25ms"),
        (500 * MILLISECOND, "500ms"),
        (1500 * MILLISECOND, "1s500ms"),
        (90 * SECOND, "1m30s"),
        (HOUR, "1h"),
        (25 * HOUR, "1d1h"),
        (-5 * MINUTE, "-5m"),
    ],
)
def test_written(microseconds: int, text: str) -> None:
    assert format_duration(microseconds) == text


@given(st.integers(0, LONGEST))
def test_read_as_written(microseconds: int) -> None:
    assert parse_duration(format_duration(microseconds)) == microseconds


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("10", "'10' has no unit"),
        ("1.5", "'1.5' has no unit"),
        ("0", "'0' has no unit"),
        ("ms", "is not a duration"),
        ("5 m", "is not a duration"),
        ("5M", "is not a duration"),
        ("5min", "'5min' is not a duration: 'in' is no part of one"),
        ("5 minutes", "is not a duration"),
        ("1w", "is not a duration"),
        ("-5m", "is not a duration"),
        ("+5m", "is not a duration"),
        ("1e3s", "is not a duration"),
        (".5s", "is not a duration"),
        ("5.s", "is not a duration"),
        ("1h,30m", "'1h,30m' is not a duration: ',30m' is no part of one"),
        ("1h1h", "repeats a unit"),
        ("30m1h", "larger one behind a smaller"),
        ("\u0665m", "is not a duration"),
        ("5m\n", "is not a duration"),
        ("0.0000001s", "finer than a microsecond"),
        ("36526d", "longer than 36525d"),
        ("9" * 18 + "d", "longer than 36525d"),
        ("9" * 1000 + "d", "longer than 64 characters"),
        (-1, "not negative"),
        (timedelta(seconds=-1), "not negative"),
        (10**30, "longer than"),
        (10**400, "longer than"),
        (-(10**400), "not negative"),
        (1e300, "longer than"),
        (1e308, "longer than"),
        (-1e308, "not negative"),
        (math.nan, "nan is not a number"),
        (math.inf, "inf is not a number"),
        (True, "not bool"),
        (None, "not NoneType"),
        ([], "not list"),
        (b"5m", "not bytes"),
    ],
)
def test_refused(value: Any, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_duration(value, "timeout")
    assert refused.value.field == "timeout"
    assert reason in refused.value.reason


def test_least_allowed() -> None:
    assert parse_duration("1s", minimum_us=SECOND) == SECOND
    with pytest.raises(Invalid, match="every: 999ms is below the least allowed, 1s"):
        parse_duration("999ms", "every", minimum_us=SECOND)


@given(st.text(max_size=70) | st.text("0123456789.dhms ", max_size=20))
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        duration = parse_duration(text, "timeout")
    except Invalid:
        return
    assert 0 <= duration <= LONGEST
