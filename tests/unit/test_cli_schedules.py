"""``rota schedules``: every option of one, edits that are looked at first, versions, backfills."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rota.settings import load_settings
from rota.store.opening import open_database
from tests.support.cli import Cli, assert_one_line

EVERY_OPTION = (
    "--tz", "Europe/Paris", "--day-match", "and", "--start", "2030-01-01T00:00:00Z", "--end", "2031-01-01T00:00:00Z",
    "--on-start", "--max-runs", "5", "--after-run", "delete", "--jitter", "30s", "--overlap", "queueOne",
    "--catchup", "all", "--catchup-window", "6h", "--pause-after", "3", "--queue", "mail", "--priority", "7",
    "--timeout", "5m", "--max-attempts", "3", "--retry", '{"delays": ["10s"]}', "--expires-in", "1h",
    "--on-lost", "fail", "--tag", "a", "--tag", "b", "--note", "n", "--args", '{"n": 1}', "--paused",
)  # fmt: skip


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


def execute(sql: str) -> None:
    database = open_database(load_settings().database_url)
    database.run(lambda tx: tx.run(sql))
    database.close()


class TestOptions:
    def test_every_one_is_stored(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--cron", "0 3 * * *", "--command", "true", *EVERY_OPTION)
        found = cli.json("schedules", "show", "x")
        expected = {
            "cron": "0 3 * * *", "timezone": "Europe/Paris", "dayMatch": "and", "onStart": True,
            "startAt": "2030-01-01T00:00:00.000Z", "endAt": "2031-01-01T00:00:00.000Z", "maxRuns": 5,
            "afterRun": "delete", "jitter": "30s", "overlap": "queueOne", "catchup": "all", "catchupWindow": "6h",
            "pauseAfter": 3, "queue": "mail", "priority": 7, "timeout": "5m", "maxAttempts": 3,
            "retry": {"delays": ["10s"]}, "expiresIn": "1h", "onLost": "fail", "tags": ["a", "b"], "note": "n",
            "args": {"n": 1}, "paused": True, "target": {"kind": "command", "shell": "true"},
        }  # fmt: skip
        assert {name: found[name] for name in expected} == expected
        shown = cli.ok("schedules", "show", "x")
        for text in ("queueOne", "6h", "a, b", "is deleted", '{"delays":["10s"]}', "2030-01-01 01:00:00 CET"):
            assert text in shown

    def test_times_of_day_need_no_cron(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--daily-at", "9:05", "--tz", "Europe/Paris", "--command", "true")
        found = cli.json("schedules", "show", "x")
        assert (found["cron"], found["timezone"]) == ("5 9 * * *", "Europe/Paris")
        cli.ok("schedules", "add", "y", "--hourly-at", "30", "--daily-at", "00:00", "--command", "true")
        assert cli.json("schedules", "show", "y")["rules"] == [{"cron": "30 * * * *"}, {"cron": "0 0 * * *"}]
        for wrong in (("--daily-at", "24:00"), ("--daily-at", "9"), ("--hourly-at", "60")):
            assert_one_line(cli("schedules", "add", "z", *wrong, "--command", "true"), 2, wrong[0], wrong[1])

    def test_several_rules(self, cli: Cli) -> None:
        rules = ("--cron", "0 9 * * MON-FRI", "--cron", "0 12 * * SAT", "--at", "2099-01-01T00:00:00Z")
        made = cli.ok("schedules", "add", "x", *rules, "--command", "true")
        assert made.count(";") == 2
        found = cli.json("schedules", "show", "x")
        assert (found["cron"], [sorted(rule) for rule in found["rules"]]) == (None, [["cron"], ["cron"], ["at"]])
        cli.ok("schedules", "edit", "x", "--cron", "0 8 * * *", "--yes")
        found = cli.json("schedules", "show", "x")
        assert (found["cron"], found["rules"]) == ("0 8 * * *", None)

    def test_several_intervals_show_their_first_instant(self, cli: Cli) -> None:
        made = cli.ok("schedules", "add", "x", "--every", "10m", "--every", "15m", "--command", "true")
        assert made.count("  in 10 min") == 1

    def test_a_wrong_one_of_several_is_named(self, cli: Cli) -> None:
        done = cli("schedules", "add", "x", "--cron", "@daily", "--cron", "61 * * * *", "--command", "x")
        assert_one_line(done, 2, "--cron: minute")

    def test_an_edit_keeps_all_else(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--cron", "0 3 * * *", "--command", "true", *EVERY_OPTION)
        before = cli.json("schedules", "show", "x")
        cli.ok("schedules", "edit", "x", "--note", "new")
        after = cli.json("schedules", "show", "x")
        differing = {name for name in before if before[name] != after[name]}
        assert differing == {"note", "version", "updatedAt"}

    def test_an_edit_keeps_a_zero(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--cron", "0 3 * * *", "--command", "true", "--priority", "0")
        cli.ok("schedules", "edit", "x", "--note", "new")
        assert cli.json("schedules", "show", "x")["priority"] == 0
        assert "priority: 0 → nothing" in cli.ok("schedules", "edit", "x", "--unset", "priority")
        assert cli.json("schedules", "show", "x")["priority"] is None


class TestEdit:
    @pytest.fixture(autouse=True)
    def made(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--cron", "0 3 * * *", "--command", "true", "--end", "2099-01-01T00:00:00Z")

    def test_a_dry_run_says_what_would_go_and_come(self, cli: Cli) -> None:
        said = cli.ok("schedules", "edit", "x", "--cron", "0 4 * * *", "--dry-run")
        assert "  cron: 0 3 * * * → 0 4 * * *\n" in said
        assert (said.count("  - 2"), said.count("  + 2"), said.count("… and 2 more")) == (5, 5, 2)
        assert cli.json("schedules", "show", "x")["version"] == 1
        found = cli.json("schedules", "edit", "x", "--cron", "0 4 * * *", "--dry-run")
        assert (found["goesCount"], found["comesCount"]) == (7, 7)

    def test_it_asks_where_instants_go_or_come(self, cli: Cli) -> None:
        done = cli("schedules", "edit", "x", "--cron", "0 4 * * *")
        assert (done.code, "--yes" in done.stderr) == (2, True)
        assert cli.json("schedules", "show", "x")["cron"] == "0 3 * * *"
        assert "x: at 04:00 every day" in cli.ok("schedules", "edit", "x", "--cron", "0 4 * * *", "--yes")

    def test_nothing_changes(self, cli: Cli) -> None:
        assert cli.ok("schedules", "edit", "x", "--cron", "0 3 * * *").startswith("Nothing changes.\n")

    def test_a_field_is_taken_away(self, cli: Cli) -> None:
        cli.ok("schedules", "edit", "x", "--unset", "endAt")
        assert cli.json("schedules", "show", "x")["endAt"] is None

    def test_what_code_keeps_is_taken_over_first(self, cli: Cli) -> None:
        execute("UPDATE rota_schedules SET owner = 'code', source = 'shop.jobs'")
        done = cli("schedules", "edit", "x", "--note", "mine")
        assert_one_line(done, 1, "schedule x belongs to code (shop.jobs)", "--take-over")
        assert "code (shop.jobs)" in cli.ok("schedules", "show", "x")
        cli.ok("schedules", "edit", "x", "--note", "mine", "--take-over")
        found = cli.json("schedules", "show", "x")
        assert (found["owner"], found["note"]) == ("api", "mine")


class TestPast:
    def test_versions_and_back(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--every", "10m", "--command", "true")
        cli.ok("schedules", "edit", "x", "--every", "20m", "--yes")
        cli.ok("schedules", "pause", "x", "--note", "holiday")
        listed = cli.ok("schedules", "versions", "x").splitlines()
        assert [line.split()[0] for line in listed[1:]] == ["3", "2", "1"]
        assert "holiday" in listed[1] and "every 10 minutes" in listed[3]
        assert cli.ok("schedules", "versions", "x", "1").startswith("version 1, created")
        done = cli("schedules", "rollback", "x", "1")
        assert_one_line(done, 2, "go back to version 1 of x (every 10 minutes)? Say so with --yes")
        assert cli.ok("schedules", "rollback", "x", "1", "--yes").startswith("x: every 10 minutes\n")
        assert [one["version"] for one in cli.json("schedules", "versions", "x")] == [4, 3, 2, 1]
        cli.ok("schedules", "remove", "x", "--yes")
        assert "deleted" in cli.ok("schedules", "versions", "x")
        assert_one_line(cli("schedules", "rollback", "x", "9", "--yes"), 1, "there is no version 9")

    def test_a_backfill_is_shown_first(self, cli: Cli) -> None:
        start = ("--start", "2026-01-01T00:00:00Z")
        cli.ok("schedules", "add", "x", "--every", "1h", "--command", "true", "--paused", *start)
        execute("UPDATE rota_schedules SET next_at = 1767229200000000 + 86400000000")
        span = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T03:00:00Z")
        shown = cli.ok("schedules", "backfill", "x", *span, "--dry-run")
        assert shown.startswith("3 instants:\n")
        assert_one_line_after(cli, "schedules", "backfill", "x", *span)
        done = cli("schedules", "backfill", "x", *span, "--limit", "2", "--yes")
        assert (done.code, "--limit: 3 instants are more than 2" in done.stderr) == (2, True)
        assert cli.ok("schedules", "backfill", "x", *span, "--yes").endswith("3 jobs enqueued\n")
        assert "backfilled by" in cli.ok("schedules", "history", "x")
        assert cli.ok("schedules", "backfill", "x", *span, "--yes") == "No instant of that time made no job.\n"

    def test_the_history_of_what_was_removed_is_left(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--every", "1h", "--command", "true", "--start", "2026-01-01T00:00:00Z")
        cli.ok("schedules", "remove", "x", "--yes")
        assert "deleted by" in cli.ok("schedules", "history", "x")

    def test_a_run_that_waits_its_turn_says_so(self, cli: Cli) -> None:
        cli.ok("schedules", "add", "x", "--every", "1h", "--command", "true")
        first = cli("schedules", "trigger", "x")
        second = cli("schedules", "trigger", "x")
        assert (first.stderr, first.stdout.strip() in second.stderr) == ("", True)
        assert json.loads(cli("schedules", "trigger", "x", "--json").stdout)["why"]["causes"][0]["code"] == "turn"


def assert_one_line_after(cli: Cli, *arguments: str) -> None:
    """It shows what it found, and then refuses for want of ``--yes``."""
    done = cli(*arguments)
    assert (done.code, len(done.stderr.splitlines()), "--yes" in done.stderr) == (2, 1, True)
