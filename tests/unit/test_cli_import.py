"""``rota import``, shadow, parity and going live on the database of the settings, on both kinds."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from rota.cli.importing import _parts
from rota.cli.options import timestamp
from rota.store import occurrences, pings
from rota.store.pings import Ping
from tests.store import builders
from tests.support.cli import Cli, assert_one_line

CRONTAB = """MAILTO=ops@example.com
# every night
0 3 * * * make report
@reboot start
*/5 * * * * sync %now
"""
CSV = """id,job_type,status,created_at,completed_at,result
550e8400-e29b-41d4-a716-446655440000,crawl,completed,2026-10-09T12:34:55Z,2026-10-09T12:35:42Z,"{""itemsProcessed"": 1}"
a,crawl,failed,2026-10-09T12:34:55Z,2026-10-09T12:35:42Z,
"""
SECOND = builders.SECOND
FIVE = 300 * SECOND


@pytest.fixture
def empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> Cli:
    """The command line where no database was made yet, in a folder with the files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    Path("crontab").write_text(CRONTAB)
    Path("good").write_text(CRONTAB.replace("@reboot start\n", ""))
    Path("jobs.csv").write_text(CSV)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def cli(empty: Cli) -> Cli:
    """The command line on a database that is ready."""
    empty.ok("db", "migrate")
    return empty


def test_a_look_needs_no_database(empty: Cli) -> None:
    done = empty("import", "crontab", "crontab", "--json")
    assert done.code == 1
    found = json.loads(done.stdout)
    assert [(one["line"], one["schedule"], one["command"]) for one in found["entries"]] == [
        (3, "0 3 * * *", "make report"),
        (5, "*/5 * * * *", "sync "),
    ]
    first, second = found["entries"]
    assert first["env"] == {"MAILTO": "ops@example.com"}
    assert (second["stdin"], second["user"], second["timezone"]) == ("now\n", None, "UTC")
    assert [one["line"] for one in found["errors"]] == [4]


def test_a_plan_is_shown_also_where_no_file_of_a_database_is(
    empty: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROTA_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    done = empty("import", "crontab", "crontab", "--dry-run")
    assert done.code == 1 and done.stdout.endswith("\ncrontab: 2 created\n")
    assert "line 4 is refused: @reboot names no time" in done.stderr
    assert empty("import", "crontab", "crontab", "--dry-run", "--json").code == 1
    assert not Path("none.db").exists()


def test_a_plan_is_shown_where_the_database_is_empty(empty: Cli) -> None:
    done = empty("import", "crontab", "crontab", "--dry-run")
    assert done.code == 1 and done.stdout.endswith("\ncrontab: 2 created\n")
    assert empty("schedules", "list").code == 1  # nothing was made


def test_it_imports_what_it_can_and_a_second_time_nothing(cli: Cli) -> None:
    done = cli("import", "crontab", "crontab", "--yes")
    assert done.code == 1 and done.stdout.endswith("imported: 2 created\n")
    shown = cli.json("schedules", "list")
    assert {(one["owner"], one["source"], one["cron"], one["overlap"], one["catchup"]) for one in shown} == {
        ("file", "crontab", "0 3 * * *", "allow", "none"),
        ("file", "crontab", "*/5 * * * *", "allow", "none"),
    }
    assert {one["note"] for one in shown} == {"every night", None}
    again = cli("import", "crontab", "crontab")
    assert (again.code, again.stdout) == (1, "crontab: nothing changes, 2 unchanged\n")
    assert cli.json("schedules", "list") == shown


def test_without_refused_lines_it_ends_well_and_prunes(cli: Cli) -> None:
    cli.ok("import", "crontab", "good", "--yes", "--source", "web1", "--prefix", "web1-")
    ids = {one["id"] for one in cli.json("schedules", "list")}
    assert all(one.startswith("web1-") for one in ids)
    Path("good").write_text("0 4 * * * make report\n")
    told = cli.ok("import", "crontab", "good", "--yes", "--prune", "--source", "web1", "--prefix", "web1-")
    assert told.endswith("imported: 1 updated, 1 deleted\n")
    refused = cli("import", "crontab", "crontab", "--prune", "--yes")
    assert refused.code == 2 and "--prune" in refused.stderr


def test_what_cannot_be_read_is_told(cli: Cli) -> None:
    assert_one_line(cli("import", "crontab", "missing"), 2, "missing cannot be read")
    assert_one_line(cli("import", "celery", "crontab"), 2, "is not Python")
    assert_one_line(cli("import", "contrab", "good"), 2, "did you mean crontab")


def test_many_schedules_go_in_requests_that_fit() -> None:
    parts = _parts({f"s{place}": {"note": "x" * 1000} for place in range(4000)})
    assert len(parts) == 3
    assert sum(len(part) for part in parts) == 4000


def test_shadow_goes_live(cli: Cli) -> None:
    cli.ok("import", "crontab", "good", "--shadow", "--yes")
    shown = cli.json("schedules", "list")
    assert [one["shadow"] for one in shown] == [True, True]
    first, second = (one["id"] for one in shown)
    live = cli.json("schedules", "go-live", first, "--yes")
    assert [(one["id"], one["shadow"], one["version"], one["owner"]) for one in live] == [(first, False, 2, "file")]
    assert cli.ok("import", "crontab", "good", "--shadow").endswith("nothing changes, 2 unchanged\n")
    assert cli.json("schedules", "versions", first)[0]["note"] == "went live"
    assert cli.ok("schedules", "go-live", first, "--yes") == "They are live already.\n"
    assert second in cli.ok("schedules", "go-live", "--all-matching", "", "--yes")
    assert {one["shadow"] for one in cli.json("schedules", "list")} == {False}
    assert cli("schedules", "go-live").code == 2


def test_parity_needs_something_in_the_shadow(cli: Cli) -> None:
    Path("log").write_text("Nov 21 03:00:01 web CRON[1]: (root) CMD (make report)\n")
    assert_one_line(cli("schedules", "parity", "log"), 1, "no schedule is in the shadow")
    Path("none").write_text("\n")
    assert_one_line(cli("schedules", "parity", "none"), 2, "tells of no run")


def test_parity_by_what_the_jobs_told(cli: Cli, database_url: str) -> None:
    cli.ok("import", "crontab", "good", "--shadow", "--yes")
    often, nightly = (
        next(one["id"] for one in cli.json("schedules", "list") if one["cron"] == cron)
        for cron in ("*/5 * * * *", "0 3 * * *")
    )
    assert_one_line(cli("schedules", "parity", "--pings"), 1, "no check with the id of a schedule", "rota ping")
    assert cli("schedules", "parity").code == cli("schedules", "parity", "good", "--pings").code == 2
    cli.ok("checks", "add", often, "--cron", "*/5 * * * *")
    with closing(builders.opened(database_url)) as db:
        last = db.read(lambda tx: tx.now()) // FIVE * FIVE - FIVE
        seen = builders.occurrence(
            last - 60 * FIVE, last, "skipped", schedule_id=often, reason="shadow: it only observes"
        )
        ran = [at for at in range(last - 10 * FIVE, last + 1, FIVE) if at != last - 3 * FIVE]
        told = [Ping(check_id=often, n=2 * n + 1, kind="start", at=at + SECOND) for n, at in enumerate(ran)]
        told += [Ping(check_id=often, n=2 * n + 2, kind="success", at=at + 9 * SECOND) for n, at in enumerate(ran)]
        db.run(lambda tx: occurrences.account(tx, [seen]))
        db.run(lambda tx: pings.add(tx, told))
    done = cli("schedules", "parity", "--pings", "--json")
    found = json.loads(done.stdout)
    (one,) = found["schedules"]
    assert (done.code, one["id"], one["matched"], one["missing"], found["unwatched"]) == (1, often, 10, [], [nightly])
    assert one["extra"] == [timestamp(last - 3 * FIVE)]
    assert cli.ok("schedules", "parity", "--pings", "--from", timestamp(last - 2 * FIVE)).endswith(": alike\n")


def test_history_is_kept_once(cli: Cli) -> None:
    assert cli.ok("import", "scheduled-jobs", "jobs.csv", "--yes").endswith("imported: 2 stored, 0 there already\n")
    assert cli.ok("import", "scheduled-jobs", "jobs.csv", "--yes").endswith("imported: 0 stored, 2 there already\n")
    found = cli.json("jobs", "list", "--type", "crawl", "--tag", "imported")
    assert {(one["status"], one["createdAt"], one["args"]["importedId"]) for one in found} == {
        ("completed", "2026-10-09T12:34:55.000Z", "550e8400-e29b-41d4-a716-446655440000"),
        ("failed", "2026-10-09T12:34:55.000Z", "a"),
    }
    done = next(one for one in found if one["status"] == "completed")
    assert cli.json("jobs", "show", done["id"])["result"] == {"itemsProcessed": 1}


def test_what_is_exported_is_applied_without_a_change(cli: Cli) -> None:
    cli.ok("import", "crontab", "good", "--shadow", "--yes")
    cli.ok("calendars", "set", "days-off", "--weekday", "SAT", "--date", "2026-12-24")
    cli.ok("queues", "set", "mail", "--concurrency", "5", "--rate", "100/1m")
    cli.ok("schedules", "add", "mine", "--cron", "0 9 * * MON", "--tz", "Europe/Paris", "--command", "echo hi")
    for form in ("toml", "json", "yaml"):
        text = cli.ok("export", "--format", form)
        Path(f"all.{form}").write_text(text)
        told = cli.ok("apply", f"all.{form}", "--dry-run")
        changed = [line for line in told.splitlines() if line.startswith(("+", "~", "-"))]
        assert changed == [], told


def test_a_user_that_the_worker_cannot_be_is_refused_with_the_way_out(cli: Cli) -> None:
    Path("system").write_text("0 1 * * * nobody-of-this-name /bin/true\n")
    done = cli("import", "crontab", "system", "--system", "--yes")
    assert done.code == 2 and "--no-user" in done.stderr and "nobody-of-this-name" in done.stderr
    assert cli("import", "crontab", "system", "--system", "--no-user", "--yes").code == 0
    assert "user" not in cli.json("schedules", "list")[0]["target"]
