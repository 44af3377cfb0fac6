"""``rota checks`` and ``rota status-pages`` on the database of the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def cli(
    migrated: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, sqlite_url: str
) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


def test_a_check_from_its_making_to_its_end(cli: Cli) -> None:
    assert cli.ok("checks", "list").startswith("No checks.  Make one: rota checks add")
    made = cli.ok(
        "checks", "add", "backup", "--cron", "30 2 * * *", "--tz", "Europe/Paris", "--grace", "20m", "--longest", "2h",
        "--name", "Nightly backup", "--tag", "ops", "--tag", "night", "--note", "of the shop",
    )  # fmt: skip
    for line in ("state +· new", "expected +at 02:30 every day, Europe/Paris", "grace +20m", "longest run +2h",
                 "tags +ops, night", "ping +/ping/[0-9a-f]{32}, behind the address of Rota"):  # fmt: skip
        assert re.search(rf"^{line}$", made, re.MULTILINE), (line, made)
    assert_one_line(cli("checks", "add", "backup", "--every", "1d"), 1, "there is a check backup", "rota checks edit")
    key = cli.json("checks", "show", "backup")["key"]

    edited = cli.json("checks", "edit", "backup", "--every", "1d")
    assert (edited["every"], edited["cron"], edited["grace"], edited["tags"]) == ("1d", None, "20m", ["ops", "night"])
    assert edited["key"] == key
    assert cli.json("checks", "edit", "backup", "--grace", "1m", "--tag", "ops")["tags"] == ["ops"]
    assert_one_line(cli("checks", "edit", "backup"), 2, "say what is to change")

    assert cli.ok("checks", "pause", "backup", "--note", "it moves") == "backup paused\n"
    assert re.search(r"backup +. paused +within 1d of the last one .* it moves", cli.ok("checks", "list"))
    assert cli.ok("checks", "resume", "backup").startswith("backup resumed, next expected in ")
    assert [one["id"] for one in cli.json("checks", "list", "--tag", "ops", "--status", "new", "--q", "night")] == [
        "backup"
    ]
    assert cli.json("checks", "list", "--tag", "night") == []
    assert cli.ok("checks", "history", "backup") == "No pings yet.\n"

    assert cli.json("checks", "new-key", "backup", "--yes")["key"] != key
    assert_one_line(cli("checks", "remove", "backup"), 2, "--yes")
    assert cli.ok("checks", "remove", "backup", "--yes") == "backup removed\n"
    assert_one_line(cli("checks", "show", "backup"), 1, "there is no check backup")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--cron", "61 * * * *"), ("--cron",)),
        (("--every", "soon"), ("--every", "write for example")),
        (("--every", "1d", "--cron", "* * * * *"), ("exactly one of cron and every",)),
        (("--every", "1d", "--grace", "-1s"), ("--grace",)),
        (("--every", "1d", "--tag", ""), ("--tag",)),
        ((), ("exactly one of cron and every",)),
    ],
)
def test_a_mistake_names_the_option(cli: Cli, arguments: tuple[str, ...], fragments: tuple[str, ...]) -> None:
    assert_one_line(cli("checks", "add", "backup", *arguments), 2, *fragments)


def test_a_status_page_is_switched_on_and_off(cli: Cli) -> None:
    assert cli.ok("status-pages", "list").startswith("Nothing is shown to anybody.")
    shown = cli.ok("status-pages", "set", "ops", "--page", "--slug", "acme-jobs", "--name", "check:backup=Backup")
    assert shown == "page  /status/acme-jobs\nbadge  off\n"
    one = cli.json("status-pages", "set", "ops", "--badge", "--title", "Ops")
    assert (one["page"], one["badge"], one["names"], one["title"]) == (True, True, {"check:backup": "Backup"}, "Ops")
    assert re.search(r"ops +Ops +/status/acme-jobs +/badge/acme-jobs.svg", cli.ok("status-pages", "list"))
    assert cli.ok("status-pages", "set", "ops", "--no-page").startswith("page  off\n")
    assert_one_line(cli("status-pages", "set", "ops"), 2, "say what is to be seen")
    assert_one_line(cli("status-pages", "set", "ops", "--name", "backup"), 2, "--name", "names nothing")
    assert_one_line(cli("status-pages", "set", "ops", "--slug", "A B"), 2, "--slug")
    assert cli.ok("status-pages", "remove", "ops", "--yes") == "nothing is shown of ops\n"
