"""TICK-4: weekends in which the clock changes, lived through at speed in four zones, and what the history says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rota.engine.scheduler import Scheduler
from rota.store import firing
from rota.store.database import Database
from tests.engine.scheduling import ledger, put, settings_of, settle
from tests.support.cli import Cli
from tests.support.clock import HandClock, hand_clock
from tests.unit.minute_walk import walk

pytestmark = pytest.mark.chaos("TICK-4")

WEEKENDS = {
    "Europe/Paris": ("2027-03-27", "2027-10-30"),
    "America/New_York": ("2027-03-13", "2027-11-06"),
    "Australia/Lord_Howe": ("2027-10-02", "2027-04-03"),
    "America/Santiago": ("2027-09-04", "2027-04-03"),
}
"""The Saturdays before the clock is put forwards and back: by an hour, by half an hour, at midnight."""
DAILY = {
    "Europe/Paris": ("30 2", "30 2"),
    "America/New_York": ("30 2", "30 1"),
    "Australia/Lord_Howe": ("15 2", "45 1"),
    "America/Santiago": ("30 0", "30 23"),
}
"""A time of the day that the clock skips in spring, and one that it shows twice in autumn."""
FORWARDS, BACK = "the clock skipped", "the clock shows this time twice"


def us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def live_through(clock: HandClock, db: Database, scheduler: Scheduler, end: int) -> None:
    """Go from one instant to the next until the end."""
    following = db.read(firing.next_due)[1]
    while following is not None and following < end:
        clock.set(following)
        settle(scheduler)
        following = db.read(firing.next_due)[1]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    return Cli(monkeypatch, capsys)


@pytest.mark.parametrize("zone", WEEKENDS)
def test_a_change_of_the_clock_is_lived_through(migrated: None, database_url: str, zone: str, cli: Cli) -> None:
    with hand_clock(database_url) as clock:
        for saturday, daily_at, change in zip(WEEKENDS[zone], DAILY[zone], (FORWARDS, BACK), strict=True):
            rules = {"daily": f"{daily_at} * * *", "half-hours": "*/30 * * * *", "midnight": "0 0 * * *"}
            names = {f"{name}-{saturday}": cron for name, cron in rules.items()}
            spend_the_weekend(clock, saturday, zone, names)
            daily = history(cli, f"daily-{saturday}")
            half_hours = history(cli, f"half-hours-{saturday}")
            assert [reason.startswith(change) for reason in daily if reason] == [True]
            twice = [reason for reason in half_hours if reason.startswith(BACK)]
            assert len(twice) == (0 if change == FORWARDS else 2 if zone == "Australia/Lord_Howe" else 4)
            assert not any(reason.startswith(FORWARDS) for reason in half_hours)


def spend_the_weekend(clock: HandClock, saturday: str, zone: str, names: dict[str, str]) -> None:
    """Live from the noon of a Saturday to the end of the Sunday; the ledgers then say what a walk by minutes says."""
    start = datetime.fromisoformat(saturday).replace(hour=12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = start + timedelta(hours=36)
    clock.set(us(start) - 1)
    db = clock.databases[0]
    for name, cron in names.items():
        put(db, name, cron=cron, timezone=zone, overlap="allow")
    live_through(clock, db, Scheduler(db, settings_of("sqlite:///unused.db")), us(end))
    for name, cron in names.items():
        due = [us(instant) for instant in walk(cron, zone, start, end)]
        assert ledger(db, name) == [("fired", instant, instant) for instant in due], name
    db.run(lambda tx: tx.run("UPDATE rota_schedules SET next_at = NULL, version = version + 1"))


def history(cli: Cli, name: str) -> list[str]:
    """The reason of each line of ``rota schedules history``, which says the same as its JSON."""
    lines = cli.ok("schedules", "history", name, "--limit", "200").splitlines()[1:]
    rows = cli.json("schedules", "history", name, "--limit", "200")
    assert len(lines) == len(rows) > 0
    for line, row in zip(lines, rows, strict=True):
        assert row["disposition"] == "fired" and "fired" in line
        assert (row["reason"] or "") in line
    return [row["reason"] or "" for row in rows]
