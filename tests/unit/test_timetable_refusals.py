"""What the timetable refuses, at once and with the part at fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.timetable import format_instant, parse_instant, parse_rule, zone


def refusal(**given: Any) -> Invalid:
    with pytest.raises(Invalid) as refused:
        parse_rule(**given)
    return refused.value


T = TypeVar("T")


def attempt(action: Callable[[], T]) -> T | Invalid:
    try:
        return action()
    except Invalid as refused:
        return refused


CRON = [
    ("", "empty"),
    ("   ", "empty"),
    ("* * * *", "4 fields instead of 5"),
    ("5", "1 field instead of 5"),
    ("* * * * * * *", "7 fields instead of 5"),
    ("* * * * * *", "ambiguous"),
    ("60 * * * *", "minute '60': not in 0-59"),
    ("5-60 * * * *", "minute '5-60': 60 is not in 0-59"),
    ("-5 * * * *", "minute '-5': a number is missing"),
    ("5- * * * *", "minute '5-': a number is missing"),
    ("* 24 * * *", "hour '24': not in 0-23"),
    ("* * 0 * *", "day-of-month '0': not in 1-31"),
    ("* * 32 * *", "day-of-month '32': not in 1-31"),
    ("* * * 0 *", "month '0': not in 1-12"),
    ("* * * 13 *", "month '13': not in 1-12"),
    ("* * * * 8", "day-of-week '8': not in 0-7"),
    ("30-10 * * * *", "minute '30-10': the range runs backwards"),
    ("* 22-2 * * *", "hour '22-2': the range runs backwards"),
    ("* * * NOV-FEB *", "month 'NOV-FEB': the range runs backwards"),
    ("* * * * FRI-SUN", "day-of-week 'FRI-SUN': the range runs backwards"),
    ("*/0 * * * *", "minute '*/0': a step of 0"),
    ("5/0 * * * *", "minute '5/0': a step of 0"),
    ("*/-5 * * * *", "minute '*/-5': the step '-5' is not a number"),
    ("*/x * * * *", "minute '*/X': the step 'X' is not a number"),
    ("*/ * * * *", "minute '*/': the step '' is not a number"),
    ("*/5/5 * * * *", "the step '5/5' is not a number"),
    ("1,,2 * * * *", "minute '1,,2': a comma"),
    (",1 * * * *", "minute ',1': a comma"),
    ("1, * * * *", "minute '1,': a comma"),
    ("a * * * *", "minute 'A': not a number"),
    ("1.5 * * * *", "minute '1.5': not a number"),
    ("+5 * * * *", "minute '+5': not a number"),
    ("1_0 * * * *", "minute '1_0': not a number"),
    ("0x10 * * * *", "minute '0X10': not a number"),
    ("** * * * *", "minute '**': not a number"),
    ("*5 * * * *", "minute '*5': not a number"),
    ("*-5 * * * *", "minute '*-5': '*' is not a number"),
    ("1-*/2 * * * *", "minute '1-*/2': '*' is not a number"),
    ("1-5-7 * * * *", "minute '1-5-7': '5-7' is not a number"),
    ("MON * * * *", "minute 'MON': not a number"),
    ("* * MON * *", "day-of-month 'MON': not a number"),
    ("* * * * MONDAY", "day-of-week 'MONDAY': not a number or a name SUN to SAT"),
    ("* * * JANUARY *", "month 'JANUARY': not a number or a name JAN to DEC"),
    ("* * * * JAN", "day-of-week 'JAN': not a number or a name"),
    ("0 0 ? * *", "day-of-month '?'"),
    ("0 0 15W * *", "day-of-month '15W'"),
    ("0 0 L-3 * *", "day-of-month 'L-3'"),
    ("0 0 L/2 * *", "day-of-month 'L/2'"),
    ("0 0 1-L * *", "day-of-month '1-L'"),
    ("0 L * * *", "hour 'L': not a number"),
    ("0 0 * * L", "day-of-week 'L': the last of which day"),
    ("0 0 * * LW", "day-of-week 'LW'"),
    ("0 0 * * 8L", "day-of-week '8L': 8 is not in 0-7"),
    ("0 0 * * MON-FRIL", "day-of-week 'MON-FRIL'"),
    ("0 0 * * MON#0", "day-of-week 'MON#0': # is followed by 1 to 5"),
    ("0 0 * * MON#6", "day-of-week 'MON#6': # is followed by 1 to 5"),
    ("0 0 * * MON#", "day-of-week 'MON#': # is followed by 1 to 5"),
    ("0 0 * * #2", "day-of-week '#2': a number is missing"),
    ("0 0 * * MON#2/2", "day-of-week 'MON#2/2'"),
    ("0 0 1#2 * *", "day-of-month '1#2'"),
    ("0 0 30 2 *", "never fire"),
    ("0 0 31 2,4,6,9,11 *", "never fire"),
    ("0 0 30-31 FEB */2", "never fire"),
    ("0 0 31 4 */7", "never fire"),
    ("0 0 */31 * SUN#2", "never fire"),
    ("@reboot", "@reboot names no time"),
    ("@fortnightly", "no macro @fortnightly"),
    ("@", "no macro @"),
    ("@daily 5", "no macro"),
    ("@every", "@every says nothing"),
    ("@every 90", "has no unit"),
    ("@every -5s", "not a duration"),
    ("@every 0s", "below the least allowed, 1s"),
    ("@every 999ms", "below the least allowed, 1s"),
    ("@every week", "not a duration"),
    ("@at", "@at says nothing"),
    ("@at tomorrow", "not a time"),
    ("@at 2026-11-21T10:00:00", "does not say which offset"),
    ("@at 2026-02-30T10:00:00Z", "does not exist"),
    ("H * * * *", "schedule's id"),
    ("0 H(0-5) * * *", "schedule's id"),
    ("\u0665 * * * *", "does not belong"),
    ("*\u00a0* * * *", "does not belong"),
    ("0 0 * * *\x00", "does not belong"),
    ("0 0\n* * *", "does not belong"),
    ("0 0 * * * # comment", "7 fields"),
    ("; rm -rf /", "4 fields"),
]


@pytest.mark.parametrize(("cron", "reason"), CRON)
def test_cron(cron: str, reason: str) -> None:
    refused = refusal(cron=cron)
    assert refused.field == "cron"
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("H(5-2) * * * *", "minute 'H(5-2)': the range runs backwards"),
        ("H(0-60) * * * *", "minute 'H(0-60)': 60 is not in 0-59"),
        ("H() * * * *", "minute 'H()': not a number"),
        ("H-5 * * * *", "minute 'H-5': 'H' is not a number"),
        ("H/0 * * * *", "a step of 0"),
        ("HH * * * *", "minute 'HH': not a number"),
        ("0 0 * * HL", "day-of-week 'HL'"),
        ("0 0 H(30-31) 2 *", "never fire"),
    ],
)
def test_hashed_fields(cron: str, reason: str) -> None:
    assert reason in refusal(cron=cron, key="digest").reason


def test_length_of_an_expression() -> None:
    longest = ("0," * 200)[:247] + "0 * * * *"
    assert len(longest) == 256
    assert parse_rule(cron=longest).next(0) == 3_600_000_000
    assert "257 characters" in refusal(cron=longest + " ").reason
    assert "characters" in refusal(cron="@every " + "0" * 250 + "s").reason
    assert "characters" in refusal(cron="9" * 10_000_000).reason


@pytest.mark.parametrize("cron", [5, 1.5, b"* * * * *", ["*"], object()])
def test_an_expression_is_a_text(cron: object) -> None:
    assert refusal(cron=cron).field == "cron"


@pytest.mark.parametrize("cron", ["* * * *", "* * * * * * *", "* * * * * 60", "60 * * * * *"])
def test_expressions_with_seconds(cron: str) -> None:
    seconds = "last" if cron.endswith("60") else "first"
    assert refusal(cron=cron, seconds=seconds).field == "cron"


@pytest.mark.parametrize("seconds", ["yes", "", "FIRST", True])
def test_place_of_the_seconds(seconds: object) -> None:
    assert refusal(cron="* * * * *", seconds=seconds).field == "seconds"


def test_seconds_need_an_expression() -> None:
    assert refusal(every="10m", seconds="first").field == "seconds"


def test_day_match() -> None:
    assert refusal(cron="* * * * *", day_match="or").field == "dayMatch"
    never = refusal(cron="0 0 1-7 * MON#2", day_match="and")
    assert never.field == "cron" and "never fire" in never.reason


@pytest.mark.parametrize(
    "every", ["", "10", "-5m", "0s", "999ms", "1h1h", "1m1h", "week", 0, -5, 0.5, math.nan, math.inf, True, [], "101y"]
)
def test_every(every: object) -> None:
    assert refusal(every=every).field == "every"


def test_every_that_never_comes() -> None:
    last = parse_instant("9999-12-31T23:00:00Z", "anchor")
    assert parse_rule(every="59m", anchor_us=last).next(last) is not None
    refused = refusal(every="2h", anchor_us=last)
    assert refused.field == "every" and "never fire" in refused.reason


INSTANTS = [
    "",
    "tomorrow",
    "1732183200",
    "2026-11-21",
    "2026-11-21T10:00:00",
    "2026-11-21 10:00",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-11-21T24:00:00Z",
    "2026-11-21T10:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-11-21T10:00:00+25:00",
    "2026-11-21T10:00:00+01:60",
    "2026-11-21T10:00:00+1",
    "2026-11-21T10:00:00 Europe/Paris",
    "2026-11-21T10:00:00.Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "9999-12-31T23:30:00-01:00",
    "0001-01-01T00:30:00+01:00",
    "\u0662\u0660\u0662\u0666-11-21T10:00:00Z",
    "2026-11-21T10:00:00Z\x00",
    "2026-11-21T10:00:00Z" * 1000,
]


@pytest.mark.parametrize("at", [*INSTANTS, 5, True, None, b"2026-11-21T10:00:00Z", datetime(2026, 11, 21)])
def test_instants(at: Any) -> None:
    with pytest.raises(Invalid) as refused:
        parse_instant(at, "runAt")
    assert refused.value.field == "runAt"


def test_a_time_without_offset_is_refused_with_its_remedy() -> None:
    refused = refusal(at="2026-11-21T10:00:00")
    assert refused.field == "at"
    assert refused.hint and "2026-11-21T10:00:00Z" in refused.hint and "tzinfo" in refused.hint


ZONES = [
    "",
    " ",
    "Europe/Pariss",
    "europe/paris",
    "Europe",
    "Europe/",
    "/Europe/Paris",
    "Europe//Paris",
    "Europe/Paris ",
    "../Europe/Paris",
    "Europe/../Europe/Paris",
    "/etc/localtime",
    "/usr/share/zoneinfo/UTC",
    "./UTC",
    "localtime",
    "posixrules",
    "posix/UTC",
    "right/Europe/Paris",
    "tzdata.zi",
    "leapseconds",
    "UTC\x00",
    "UTC\n",
    "C:\\Windows",
    "UTC+2",
    "+02:00",
    "CEST",
    "É/Paris",
    "A" * 100_000,
]


@pytest.mark.parametrize("name", [*ZONES, 5, None, b"UTC", ["UTC"]])
def test_zones(name: Any) -> None:
    with pytest.raises(Invalid) as refused:
        zone(name, "tz")
    assert refused.value.field == "tz"


def test_a_zone_misspelt_is_set_right() -> None:
    assert refusal(cron="* * * * *", timezone="europe/paris").field == "timezone"
    for name in ("europe/paris", "Europe/Pari"):
        with pytest.raises(Invalid, match="did you mean Europe/Paris"):
            zone(name)


def test_exactly_one_kind() -> None:
    assert "exactly one" in refusal().reason
    assert refusal(cron="* * * * *", every="10m").field == "every"
    assert refusal(cron="* * * * *", at="2026-11-21T10:00:00Z").field == "at"
    assert refusal(every="1m", at="2026-11-21T10:00:00Z").field == "at"


def test_end_before_start() -> None:
    assert refusal(cron="* * * * *", start_us=1, end_us=0).field == "endAt"


@given(st.text(max_size=300) | st.text("0123456789*/-,LWH#@ MONsunjan()", max_size=300))
def test_anything_is_a_rule_or_refused(text: str) -> None:
    outcome = attempt(lambda: parse_rule(cron=text, key="digest"))
    if isinstance(outcome, Invalid):
        assert outcome.field == "cron" and outcome.reason
    else:
        assert outcome.describe()
        assert outcome.next(0) is not None or outcome.kind == "at"


@given(st.text(max_size=50) | st.text("0123456789-:TZ+. ", max_size=40))
def test_anything_is_an_instant_or_refused(text: str) -> None:
    outcome = attempt(lambda: parse_instant(text, "at"))
    if isinstance(outcome, Invalid):
        assert outcome.field == "at" and outcome.reason
    else:
        assert parse_instant(format_instant(outcome), "at") == outcome
