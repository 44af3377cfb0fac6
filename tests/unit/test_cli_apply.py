"""``rota apply`` and ``rota export`` on the database of the settings, on both kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, assert_one_line

OPS = """
[schedules.nightly]
cron = "0 3 * * *"
timezone = "Europe/Paris"
target = { kind = "command", shell = "make report" }
calendars = ["days-off"]
retry = { attempts = 3, backoff = "10s" }
args = { limit = 5 }

[schedules.often]
every = "10m"
queue = "mail"
target = { kind = "http", url = "http://localhost/x", headers = { Authorization = "Bearer secret-letters" } }

[calendars.days-off]
weekdays = ["SAT", "SUN"]
ranges = [{ from = "2026-12-24", to = "2026-12-31" }]

[queues.mail]
concurrency = 5
"""


@pytest.fixture
def empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Cli:
    """The command line where no database was made yet, in a folder with the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    Path("ops.toml").write_text(OPS)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def cli(empty: Cli) -> Cli:
    """The command line on a database that is ready."""
    empty.ok("db", "migrate")
    return empty


def edit(old: str, new: str) -> None:
    text = Path("ops.toml").read_text()
    assert old in text
    Path("ops.toml").write_text(text.replace(old, new))


def shown(cli: Cli) -> dict[str, Any]:
    """What the definitions are, without when they were made."""
    left = ("createdAt", "updatedAt", "nextAt", "version", "owner", "source", "author")
    found = cli.json("schedules", "list") + cli.json("calendars", "list") + cli.json("queues", "list")
    return {
        one.get("id") or one["name"]: {name: value for name, value in one.items() if name not in left} for one in found
    }


def test_a_plan_is_shown_and_nothing_done(cli: Cli) -> None:
    plan = cli.ok("apply", "ops.toml", "--dry-run")
    assert plan.startswith("+ calendar days-off\n")
    assert '\n+ schedule nightly\n    + target: {"kind": "command", "shell": "make report"}\n' in plan
    assert "secret-letters" not in plan
    assert plan.endswith("\nops.toml: 4 created\n")
    assert cli.json("schedules", "list") == []


def test_it_makes_the_database_of_who_applies(empty: Cli) -> None:
    assert empty.ok("apply", "ops.toml", "--yes").endswith("applied: 4 created\n")
    assert [one["source"] for one in empty.json("schedules", "list")] == ["ops.toml", "ops.toml"]


def test_applied_again_it_changes_nothing_and_does_not_ask(cli: Cli) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    assert cli.ok("apply", "ops.toml") == "ops.toml: nothing changes, 4 unchanged\n"


def test_changes_are_a_difference(cli: Cli) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    edit("10m", "20m")
    edit("concurrency = 5", "concurrency = 6")
    done = cli("apply", "ops.toml")
    assert (done.code, "apply 3 changes? Say so with --yes" in done.stderr.replace("2 ch", "3 ch")) == (2, True)
    told = cli.ok("apply", "ops.toml", "--yes")
    assert '~ schedule often\n    - every: "10m"\n    + every: "20m"\n' in told
    assert "~ queue mail\n    - concurrency: 5\n    + concurrency: 6\n" in told
    assert told.endswith("ops.toml: 2 updated, 2 unchanged\napplied: 2 updated\n")


def test_a_zero_is_told_stored_and_exported(cli: Cli) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    edit('queue = "mail"', 'queue = "mail"\npriority = 0')
    assert "- priority: null\n    + priority: 0\n" in cli.ok("apply", "ops.toml", "--yes")
    assert (
        json.loads(cli("export", "--source", "ops.toml", "--format", "json").stdout)["schedules"]["often"]["priority"]
        == 0
    )


def test_a_changed_secret_is_told_but_not_shown(cli: Cli) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    edit("secret-letters", "other-letters")
    told = cli.ok("apply", "ops.toml", "--dry-run")
    assert "~ schedule often\n    - target: " in told
    assert "letters" not in told


def test_prune(cli: Cli) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    cli.ok("schedules", "add", "mine", "--every", "1h", "--command", "true")
    Path("ops.toml").write_text(OPS.partition("[schedules.often]")[0].replace("calendars =", "tags ="))
    assert cli.ok("apply", "ops.toml", "--prune", "--dry-run").count("- schedule often\n") == 1
    cli.ok("apply", "ops.toml", "--prune", "--yes")
    assert [one["id"] for one in cli.json("schedules", "list")] == ["mine", "nightly"]


def test_schedules_of_others_are_left_unless_taken_over(cli: Cli) -> None:
    cli.ok("schedules", "add", "often", "--every", "1h", "--command", "true")
    plan = cli("apply", "ops.toml", "--dry-run")
    assert plan.code == 0
    assert "! schedule often: it belongs to the people who edit it by hand\n" in plan.stdout
    done = cli("apply", "ops.toml", "--yes")
    assert done.code == 1
    assert "nothing was changed: often cannot be changed by ops.toml (--take-over makes them the file's)" in done.stderr
    assert len(cli.json("schedules", "list")) == 1
    cli.ok("apply", "ops.toml", "--yes", "--take-over")
    assert {one["owner"] for one in cli.json("schedules", "list")} == {"file"}


def test_as_json(cli: Cli) -> None:
    plan = cli.json("apply", "ops.toml", "--dry-run")
    assert (plan["applied"], {one["action"] for one in plan["changes"]}) == (False, {"create"})
    assert_one_line(cli("apply", "ops.toml", "--json"), 2, "--json does not ask: add --yes")
    assert cli.json("apply", "ops.toml", "--yes")["applied"] is True
    assert {one["action"] for one in cli.json("apply", "ops.toml")["changes"]} == {"unchanged"}


@pytest.mark.parametrize("form", ["toml", "json", "yaml"])
def test_what_is_exported_can_be_applied(cli: Cli, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cli.ok("apply", "ops.toml", "--yes")
    cli.ok("schedules", "add", "mine", "--at", "2100-01-01T00:00:00Z", "--command", "true", "--overlap", "queueAll")
    cli.ok("schedules", "pause", "mine")
    done = cli("export", "--source", "ops.toml", "-o", f"out.{form}")
    assert (done.code, "secrets are written as *** in often" in done.stderr) == (0, True)
    assert cli.ok("apply", f"out.{form}") == "ops.toml: nothing changes, 3 unchanged\n"
    assert_one_line(cli("export", "-o", f"out.{form}"), 2, "--output: out", "is there already")
    text = cli.ok("export", "--format", form)
    Path(f"all.{form}").write_text(text.replace("***", "Bearer other"))
    before = shown(cli)
    monkeypatch.setenv("ROTA_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    cli.ok("apply", f"all.{form}", "--yes")
    after = shown(cli)
    for one in (*before.values(), *after.values()):
        for name in ("pausedAt", "pausedBy"):
            one.pop(name, None)
    assert after == before


def test_export_says_who_owns_what(cli: Cli) -> None:
    cli.ok("schedules", "add", "mine", "--every", "1h", "--command", "true")
    done = cli("export", "--format", "json")
    assert json.loads(done.stdout)["schedules"] == {
        "mine": {"target": {"kind": "command", "shell": "true"}, "every": "1h"}
    }
    assert done.stderr == "note: 1 schedule of other owners: rota apply takes them with --take-over\n"


def test_what_is_wrong(cli: Cli) -> None:
    Path("bad.toml").write_text('[schedules.a]\ncron = "61 * * * *"\ntarget = { kind = "command", shell = "true" }')
    assert_one_line(cli("apply", "bad.toml", "--dry-run"), 2, "bad.toml: schedules.a.cron: ")
    Path("bad.toml").write_text("jobs = 5")
    assert_one_line(cli("apply", "bad.toml", "--dry-run"), 2, "bad.toml: ", "jobs")
    Path("bad.toml").write_text("source = 5")
    assert_one_line(cli("apply", "bad.toml", "--dry-run"), 2, "source is no text")
    assert_one_line(cli("apply", "nosuch.toml"), 2, "FILE: nosuch.toml cannot be read: No such file")
    assert_one_line(cli("apply", "ops.txt"), 2, "cannot be read")
    assert_one_line(cli("apply", "ops.toml", "--source", ""), 2, "source")
