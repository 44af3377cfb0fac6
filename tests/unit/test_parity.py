"""What would have fired is compared with what the log of the old system tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rota.importers.parity import Kept, Log, compare, document, read_log
from rota.importers.pinged import began, check_of, compared

SLACK = 60_000_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def kept(schedule_id: str, *occurrences: dict[str, Any], shell: str = "make report") -> Kept:
    schedule = {
        "id": schedule_id, "cron": "0 * * * *", "timezone": "UTC", "createdAt": "2026-11-01T00:00:00Z",
        "target": {"kind": "command", "shell": shell},
    }  # fmt: skip
    return Kept(schedule=schedule, occurrences=occurrences)


def shadow(**when: str) -> dict[str, Any]:
    return {"disposition": "skipped", "reason": "shadow: it only observes", **when}


def test_runs_are_matched_within_the_tolerance() -> None:
    schedules = [
        kept("a", shadow(**{"from": "2026-11-21T01:00:00Z", "to": "2026-11-21T04:00:00Z"})),
        kept("b", shadow(scheduledFor="2026-11-21T02:00:00Z"), {"disposition": "paused", "reason": "x",
             "scheduledFor": "2026-11-21T03:00:00Z"}, shell="other"),
    ]  # fmt: skip
    log = read_log(
        b"name,time\na,2026-11-21T01:00:03Z\nmake report,2026-11-21T02:00:59Z\na,2026-11-21T03:30:00Z\n"
        b"b,2026-11-21T02:00:00Z\nz,2026-11-21T02:00:00Z\n",
        "UTC",
    )
    found = compare(schedules, log, at("2026-11-21T00:30:00"), at("2026-11-21T03:59:00"), SLACK)
    one, other = found.schedules
    assert (one.matched, one.missing, one.extra) == (2, [at("2026-11-21T03:30:00")], [at("2026-11-21T03:00:00")])
    assert (other.matched, other.alike, found.alike) == (1, True, False)
    assert found.unknown == {"z": 1}
    assert document(found)["schedules"][0]["missing"] == ["2026-11-21T03:30:00.000Z"]


@pytest.mark.parametrize(
    ("raw", "name", "when"),
    [
        ("2026-11-21T03:00:01.5+01:00 w CRON[12]: (root) CMD (  make  it)", "  make  it", "2026-11-21T02:00:01.5"),
        ('{"name": "a", "time": 1795230001}', "a", "2026-11-21T03:00:01"),
        ('{"schedule": "a", "at": 1795230001500}', "a", "2026-11-21T03:00:01.5"),
        ("id,startedAt\na,2026-11-21 03:00:01", "a", "2026-11-21T03:00:01"),
        ("job_type,started_at\na,2026-11-21 03:00:01+00:00", "a", "2026-11-21T03:00:01"),
    ],
)  # fmt: skip
def test_logs_of_every_kind(raw: str, name: str, when: str) -> None:
    log = read_log(raw.encode(), "UTC")
    assert [(one.name, one.at) for one in log.runs] == [(name, at(when))]
    assert log.refused == []


def test_syslog_without_a_year() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    line = f"{now:%b} {now.day:2d} {now:%H:%M:%S} web cron[1]: (root) CMD (a (b) c)\n"
    noise = f"{now:%b} {now.day:2d} {now:%H:%M:%S} web sshd[1]: hello\n"
    log = read_log((noise + line + "what?\n").encode(), "UTC")
    assert [(one.name, one.at) for one in log.runs] == [("a (b) c", round(now.timestamp() * 1e6))]
    assert log.refused == [(3, "is neither a line of syslog nor JSON")]


def test_an_empty_log() -> None:
    assert read_log(b"", "UTC") == Log([], [])


def test_what_the_log_does_not_reach_is_no_difference() -> None:
    hours = {"from": "2026-11-21T01:00:00Z", "to": "2026-11-21T05:00:00Z"}
    log = read_log(b"name,time\na,2026-11-21T02:00:02Z\na,2026-11-21T02:59:58Z\n", "UTC")
    first, last = log.runs[0].at, log.runs[1].at
    slack = 2 * 60 * SLACK
    (one,) = compare([kept("a", shadow(**hours))], log, first - slack, last + slack, slack).schedules
    assert (one.matched, one.alike) == (2, True)
    (one,) = compare([kept("a", shadow(**hours))], log, first - slack, last + 100 * SLACK, SLACK).schedules
    assert one.extra == [at("2026-11-21T01:00:00"), at("2026-11-21T04:00:00")]


def ping(kind: str, when: str, rid: str | None = None, took: int | None = None) -> dict[str, Any]:
    return {"kind": kind, "at": f"2026-11-21T{when}Z", "rid": rid, "durationMs": took}


def test_pings_tell_when_runs_began() -> None:
    pings = [
        ping("success", "00:10:00"),
        ping("start", "01:00:00"),
        ping("log", "01:00:05"),
        ping("success", "01:20:00", took=1_200_000),
        ping("start", "02:00:00", "a"),
        ping("start", "02:05:00", "b"),
        ping("success", "02:06:00", "b", 60_000),
        ping("fail", "02:30:00", "a", 1_800_000),
        ping("fail", "03:10:00", took=600_000),
        ping("start", "04:00:00", "c"),
    ]
    clocks = ("00:10:00", "01:00:00", "02:00:00", "02:05:00", "03:00:00", "04:00:00")
    assert began(pings) == [at(f"2026-11-21T{clock}") for clock in clocks]


def test_each_schedule_is_compared_from_its_first_ping_on() -> None:
    hours = {"from": "2026-11-21T01:00:00Z", "to": "2026-11-21T05:00:00Z"}
    told = [
        (kept("a", shadow(**hours)), [at(f"2026-11-21T0{hour}:00:02") for hour in (1, 2, 3, 4)]),
        (kept("b", shadow(**hours)), [at("2026-11-21T03:00:02")]),
    ]
    found = compared(told, None, at("2026-11-21T04:30:00"), SLACK)
    assert [(one.id, one.matched, one.missing, one.extra) for one in found.schedules] == [
        ("a", 4, [], []), ("b", 1, [], [at("2026-11-21T04:00:00")])
    ]  # fmt: skip
    assert document(found)["from"] == "2026-11-21T00:59:02.000Z"


def test_the_check_of_a_schedule() -> None:
    checks = [{"id": "x", "name": "a"}, {"id": "a", "name": "Backup"}, {"id": "y", "name": "make report"}]
    assert check_of(kept("a").schedule, checks) == "a"
    assert check_of(kept("b").schedule, checks) == "y"
    assert check_of(kept("b", shell="other").schedule, checks) is None
