"""``rota schedules forecast`` and ``why`` on the database of the settings, on both kinds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rota.settings import load_settings
from rota.store.opening import open_database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


def forecast(cli: Cli, *arguments: str) -> str:
    return cli.ok("schedules", "forecast", *arguments)


def test_each_hour_has_a_bar(cli: Cli) -> None:
    cli.ok("schedules", "add", "often", "--cron", "*/10 * * * *", "--command", "true")
    # Within the hour of its own run the first and the last bar would share it, and neither would be a whole hour.
    hour = (datetime.now(UTC) + timedelta(hours=6)).hour
    cli.ok("schedules", "add", "nightly", "--cron", f"0 {hour} * * *", "--command", "true", "--queue", "night")
    shown = forecast(cli)
    assert re.match(r"145 starts of 2 schedules until \d{4}-", shown)
    assert re.search(r"^\w{3} \d\d:\d\d  █{20,24}\S?  +7  ", shown, re.MULTILINE)
    assert re.search(r"^often +default +144 +(in \d+ \w+|now) +— +—$", shown, re.MULTILINE)
    assert re.search(r"^nightly +night +1 +in \d+ (h|min)", shown, re.MULTILINE)
    assert len(re.findall(r"^\w{3} \d\d:\d\d  █", shown, re.MULTILINE)) in (24, 25)
    assert "! " in shown
    assert "it is paused, or no living worker takes them" in shown


def test_a_week_in_parts_of_days(cli: Cli) -> None:
    cli.ok("schedules", "add", "nightly", "--cron", "0 3 * * *", "--command", "true")
    shown = forecast(cli, "--days", "7")
    assert len(re.findall(r"^\w{3} \d\d:\d\d  ", shown, re.MULTILINE)) in (28, 29)
    assert len(re.findall(r"█{24}", shown)) == 7


def test_one_queue_one_schedule_and_nothing(cli: Cli) -> None:
    cli.ok("schedules", "add", "a", "--every", "1h", "--command", "true", "--queue", "mail")
    cli.ok("schedules", "add", "b", "--every", "1h", "--command", "true")
    assert [one["id"] for one in cli.json("schedules", "forecast", "--queue", "mail")["schedules"]] == ["a"]
    assert [one["id"] for one in cli.json("schedules", "forecast", "--schedule", "b")["schedules"]] == ["b"]
    assert forecast(cli, "--queue", "none").endswith("Nothing is due in this time.\n")


def test_what_only_observes_is_listed_and_not_counted(cli: Cli) -> None:
    cli.ok("schedules", "add", "live", "--cron", "0 * * * *", "--command", "true")
    Path("crontab").write_text("0 4 * * * old-report\n")
    cli.ok("import", "crontab", "crontab", "--shadow", "--yes")
    shown = forecast(cli)
    assert re.match(r"24 starts of 1 schedule until .+, and 1 in the shadow, not counted\n", shown)
    assert re.search(r"^old-report-\w+ .* shadow: it only observes$", shown, re.MULTILINE)
    (dark,) = cli.json("schedules", "list", "--shadow")
    assert dark["id"].startswith("old-report")
    assert [one["id"] for one in cli.json("schedules", "list", "--live")] == ["live"]


def test_what_it_takes(cli: Cli) -> None:
    cli.ok("schedules", "add", "slow", "--every", "10m", "--command", "true")
    db = open_database(load_settings().database_url)
    worker = builders.register(db, lanes='{"command":9}')
    job = builders.new_job(lane="command", origin="schedule", schedule_id="slow", scheduled_for=1)
    builders.insert(db, job)
    builders.end(db, worker, *builders.claim(db, worker))
    builders.backdate(db, job.id, started_at=-900 * builders.SECOND, completed_at=0)
    db.close()
    shown = forecast(cli)
    assert re.search(r"^slow +default +144 +in \d+ min +15 min 0 s", shown, re.MULTILINE)
    assert "! slow usually takes 15m and is due again after 10m: instants that come meanwhile are skipped" in shown
    assert "default 1.0, up to 1" in shown


def test_what_is_wrong(cli: Cli) -> None:
    assert_one_line(cli("schedules", "forecast", "--hours", "1", "--days", "1"), 2, "exclude each other")
    assert_one_line(cli("schedules", "forecast", "--days", "8"), 2, "--days: expected a whole number from 1 to 7")
    assert_one_line(cli("schedules", "forecast", "--queue", "a b"), 2, "--queue: 'a b'")
    assert_one_line(cli("schedules", "forecast", "--schedule", "nosuch"), 1, "there is no schedule nosuch")


def test_why(cli: Cli) -> None:
    cli.ok("schedules", "add", "a", "--every", "1h", "--command", "true")
    said = cli.ok("schedules", "why", "a")
    assert re.fullmatch(
        r"it is next due at \S+Z, but no scheduler lives and no worker lives; "
        r"nothing was due yet\n",
        said,
    )
    assert cli.json("schedules", "why", "a")["text"] == said.strip()
    assert_one_line(cli("schedules", "why", "nosuch"), 1, "there is no schedule nosuch")
