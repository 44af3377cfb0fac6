"""Lists and dashboards of Heroku: times that are not understood are refused, what is switched off stays so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rota.importers import heroku
from rota.importers.found import Found, Options


def read(text: str) -> Found:
    return heroku.read(text.encode(), Options())


def row(**said: Any) -> Found:
    return read(json.dumps([{"command": "a", **said}]))


def times(found: Found) -> list[tuple[str, Any]]:
    return [(one.schedule, one.command) for one in found.entries]


@pytest.mark.parametrize(
    ("said", "cron"),
    [
        ({"frequency": "daily", "at": "8:30 AM UTC"}, "30 8 * * *"),
        ({"frequency": "daily", "time": "17:05"}, "5 17 * * *"),
        ({"frequency": "hourly", "at": ":20"}, "20 * * * *"),
        ({"frequency": "daily", "at": ""}, "0 0 * * *"),
        ({"frequency": "daily", "at": None}, "0 0 * * *"),
    ],
)
def test_a_time_beside_the_frequency(said: dict[str, Any], cron: str) -> None:
    assert times(row(**said)) == [(cron, "a")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"frequency": "daily", "at": "8:30 AM EST"}, "the frequency 'daily at 8:30 AM EST' is unknown"),
        ({"frequency": "daily", "time": "noon"}, "is unknown"),
        ({"frequency": "daily", "at": 17}, "is no text"),
        ({"frequency": "daily", "at": "13:00 PM"}, "no such hour"),
        ({"frequency": "Daily at 5:00 PM", "at": "6:00 PM"}, "is unknown"),
        ({"frequency": "daily", "at": "5:00", "time": "6:00"}, "is unknown"),
        ({"cron": "0 3 * * *", "at": "5:00"}, "is unknown"),
    ],
)
def test_a_time_that_is_not_understood_is_refused(said: dict[str, Any], reason: str) -> None:
    found = row(**said)
    assert found.entries == [] and found.errors[0].line == 1 and reason in found.errors[0].reason


def test_a_cell_that_is_not_understood_is_refused() -> None:
    found = read("command,frequency,at\na,daily,8:30 AM EST\nb,daily,5:00 PM UTC\nc,daily,\n")
    assert times(found) == [("0 17 * * *", "b"), ("0 0 * * *", "c")]
    assert [one.line for one in found.errors] == [2]


def test_a_frequency_without_a_time_is_told() -> None:
    daily, hourly, both = (row(frequency=said).entries[0].warnings for said in ("Daily", "Hourly", "Daily at 0:00"))
    assert any("midnight is taken" in one for one in daily) and any("minute 0 is" in one for one in hourly)
    assert not any("says no time" in one for one in both)


@pytest.mark.parametrize(
    ("said", "paused"),
    [
        ({"enabled": False}, True),
        ({"enabled": True}, None),
        ({"enabled": "no"}, True),
        ({"enabled": None}, None),
        ({"state": "paused"}, True),
        ({"state": "Enabled"}, None),
        ({"state": "disabled"}, True),
        ({"status": "paused"}, True),
        ({"status": "succeeded"}, None),
        ({"paused": True}, True),
        ({"paused": False}, None),
    ],
)
def test_what_is_switched_off_is_paused(said: dict[str, Any], paused: bool | None) -> None:
    (one,) = row(frequency="Hourly", **said).entries
    assert one.definition.get("paused") is paused


def test_a_switch_that_is_not_understood_is_refused() -> None:
    assert "does not say whether it runs" in row(frequency="Hourly", state="archived").errors[0].reason


@pytest.mark.parametrize(("minutes", "cron"), [(10, "*/10 * * * *"), (1, "*/1 * * * *"), (60, "0 * * * *")])
def test_minutes_that_divide_an_hour(minutes: int, cron: str) -> None:
    assert times(row(frequency=f"Every {minutes} minutes")) == [(cron, "a")]


@pytest.mark.parametrize("minutes", [0, 7, 45, 90, 120])
def test_minutes_that_do_not_are_refused(minutes: int) -> None:
    listed = row(frequency=f"Every {minutes} minutes")
    shown = read(f"rake a\tBasic\tEvery {minutes} minutes\nrake b\tBasic\tHourly at :05\n")
    assert listed.entries == [] and "divide an hour" in listed.errors[0].reason
    assert times(shown) == [("5 * * * *", "rake b")]
    assert [(one.line, "divide an hour" in one.reason) for one in shown.errors] == [(1, True)]


@pytest.mark.parametrize(
    ("line", "cron", "command"),
    [
        ("rake send daily   Standard-1X   Daily at 5:00 PM UTC", "0 17 * * *", "rake send daily"),
        ("rake send daily Standard-1X Daily at 5:00 PM UTC", "0 17 * * *", "rake send daily"),
        ("rake hourly  daily  Hourly at :10  never", "10 * * * *", "rake hourly  daily"),
        ("rake send | Basic | Daily at 5:00 PM UTC | never", "0 17 * * *", "rake send"),
        ("$ run every 10 minutes   Eco   Every hour   never   in 5 minutes", "0 * * * *", "run every 10 minutes"),
    ],
)
def test_the_last_frequency_of_a_line_is_the_one(line: str, cron: str, command: str) -> None:
    found = read(line)
    assert times(found) == [(cron, command)] and found.errors == []


def test_a_command_that_ends_with_a_frequency_keeps_it() -> None:
    found = read("rake send hourly\nBasic\nDaily at 3:00 AM UTC\n")
    assert times(found) == [("0 3 * * *", "rake send hourly")] and found.errors == []
    alone = read("rake send hourly\nrake b   Hourly\n")
    assert times(alone) == [("0 * * * *", "rake b")]
    assert alone.errors[0].line == 1 and "put a tab before it" in alone.errors[0].reason
