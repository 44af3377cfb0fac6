"""``rota monitors`` on the database of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_one_line

ALL_LATE = "late:schedule:*"


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, migrated: None, sqlite_url: str
) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    return Cli(monkeypatch, capsys)


def test_what_is_set_shows_and_can_be_taken_back(cli: Cli) -> None:
    quiet = ("--quiet", "22:00-07:00", "--tz", "Europe/Paris", "--day", "SUN")
    shown = cli.ok("monitors", "set", ALL_LATE, "--limit", "2m", "--realert", "never", *quiet, "--note", "slow disks")
    assert "limit        2m" in shown and "told again   never" in shown
    assert "quiet hours  22:00-07:00 Europe/Paris on SUN" in shown
    found = cli.json("monitors", "set", ALL_LATE, "--limit", "none", "--grace", "1m", "--off")
    assert (found["limit"], found["grace"], found["realert"], found["state"]) == ("30s", "1m", "never", "off")
    assert found["said"]["limit"] is None and found["said"]["quietHours"]["days"] == ["SUN"]
    assert [one["id"] for one in cli.json("monitors", "list", "--state", "changed")] == [ALL_LATE]
    assert cli.json("monitors", "set", ALL_LATE, "--defaults")["said"] is None


def test_mutes(cli: Cli) -> None:
    assert cli.ok("monitors", "mute", "*:*:*", "--until", "2999-01-01T00:00:00Z", "--note", "the move").startswith(
        "*:*:*"
    )
    listed = cli.ok("monitors", "list", "--state", "muted")
    assert "*:*:*" in listed and "muted until 2999-01-01" in listed and "the move" in listed
    assert cli.json("monitors", "show", "no-scheduler:system:scheduler")["mute"]["monitor"] == "*:*:*"
    assert cli.ok("monitors", "unmute", "*:*:*") == "*:*:* is muted no more\n"
    assert cli.json("monitors", "list", "--state", "muted") == []


def test_lists(cli: Cli) -> None:
    assert len(cli.json("monitors", "list", "--subject", "system")) == 5
    assert [one["id"] for one in cli.json("monitors", "list", "-n", "1")] == ["no-scheduler:system:scheduler"]
    assert cli.ok("monitors", "alerts", "--open", "--since", "2h") == "Nothing was found.\n"
    assert cli.ok("monitors", "proposals").startswith("History suggests nothing")


def test_what_is_wrong(cli: Cli) -> None:
    assert_one_line(cli("monitors", "show", "late:schedule:gone"), 1, "there is no schedule gone")
    assert_one_line(cli("monitors", "show", "latte:schedule:x"), 1, "there is no monitor latte:schedule:x", "late")
    assert_one_line(cli("monitors", "set", ALL_LATE), 2, "say what is to change")
    assert_one_line(cli("monitors", "set", ALL_LATE, "--limit", "soon"), 2, "--limit", "soon")
    assert_one_line(cli("monitors", "set", ALL_LATE, "--count", "x"), 2, "whole number")
    assert_one_line(cli("monitors", "set", ALL_LATE, "--quiet", "22:00"), 2, "22:00-07:00")
    assert_one_line(cli("monitors", "set", ALL_LATE, "--quiet", "22:00-25:00"), 2, "--quiet", "25:00")
    assert_one_line(cli("monitors", "set", ALL_LATE, "--tz", "UTC"), 2, "--quiet")
    assert_one_line(cli("monitors", "proposals", "--accept", "no-scheduler:system:scheduler"), 1, "nothing is proposed")
    assert_one_line(cli("monitors", "mute", ALL_LATE, "--until", "2020-01-01T00:00:00Z"), 2, "--until")
