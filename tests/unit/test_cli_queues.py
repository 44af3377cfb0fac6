"""``rota queues`` and the pauses of types, on both kinds of database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line

ALL = (
    "--concurrency", "5", "--worker-concurrency", "2", "--key-concurrency", "1", "--rate", "100/1m",
    "--rate", "1000/1d",
    "--key-rate", "5/s", "--ageing", "10m", "--keep", "completed=24h", "--keep", "failed=never",
    "--defaults", '{"maxAttempts": 3}',
)  # fmt: skip
SET: dict[str, Any] = {
    "concurrency": 5,
    "workerConcurrency": 2,
    "keyConcurrency": 1,
    "rateLimits": [
        {"limit": 100, "per": "1m", "scope": "queue"},
        {"limit": 1000, "per": "1d", "scope": "queue"},
        {"limit": 5, "per": "1s", "scope": "key"},
    ],
    "ageing": "10m",
    "defaults": {"maxAttempts": 3},
    "retention": {"completed": "1d", "failed": "never"},
}
NOTHING: dict[str, Any] = {
    "concurrency": None, "workerConcurrency": None, "keyConcurrency": None, "rateLimits": [], "ageing": None,
    "defaults": None, "retention": None,
}  # fmt: skip


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    found = Cli(monkeypatch, capsys)
    found.ok("db", "migrate")
    return found


@pytest.fixture
def db(cli: Cli, database_url: str) -> Any:
    database = builders.opened(database_url)
    yield database
    database.close()


def settings(cli: Cli, name: str = "mail") -> dict[str, Any]:
    shown = cli.json("queues", "show", name)
    return {field: shown[field] for field in SET}


def test_every_limit_is_set_seen_and_removed(cli: Cli) -> None:
    cli.ok("queues", "set", "mail", *ALL)
    assert settings(cli) == SET
    assert {field: cli.json("queues", "list")[0][field] for field in SET} == SET
    shown = cli.ok("queues", "show", "mail")
    for line in (
        r"^concurrency +5$", r"^worker concurrency +2$", r"^key concurrency +1$", r"^ageing +one priority each 10m$",
        r"^rate limits +100/1m, 1000/1d, 5/1s a key$", r'^defaults +\{"maxAttempts":3\}$',
        r"^keeps +completed 1d, failed never$",
    ):  # fmt: skip
        assert re.search(line, shown, re.MULTILINE), line
    names = ("concurrency", "worker-concurrency", "key-concurrency", "rate", "key-rate", "ageing", "defaults", "keep")
    cli.ok("queues", "set", "mail", *(part for name in names for part in (f"--{name}", "none")))
    assert settings(cli) == NOTHING


def test_what_is_not_said_stays(cli: Cli) -> None:
    cli.ok("queues", "set", "mail", *ALL)
    cli.ok("queues", "set", "mail", "--rate", "none", "--keep", "failed=1h", "--keep", "completed=none")
    assert settings(cli) == SET | {"rateLimits": SET["rateLimits"][2:], "retention": {"failed": "1h"}}


def test_how_many_and_how_much_are_kept(cli: Cli) -> None:
    cli.ok(
        "queues", "set", "mail", "--keep", "failed=never", "--keep-most", "completed=10000", "--keep-most", "bytes=2GB"
    )
    kept = {"failed": "never", "mostCompleted": 10_000, "mostBytes": 2_000_000_000}
    assert settings(cli)["retention"] == kept
    shown = cli.ok("queues", "show", "mail")
    assert "failed never, at most 10,000 completed, at most 2,000,000,000 bytes" in shown
    rows = [(one["status"], one["of"], one["kept"], one["due"]) for one in cli.json("db", "stats")["retention"]]
    assert ("ended", "queue mail", "about 1.9 GiB at most", None) in rows
    assert ("completed", "queue mail", "10,000 at most", 0) in rows
    cli.ok("export", "-o", "rota.json")
    assert '"action": "unchanged"' in cli.ok("apply", "rota.json", "--dry-run", "--json")
    cli.ok("queues", "set", "mail", "--keep", "none", "--keep-most", "completed=none", "--keep-most", "failed=0")
    assert settings(cli)["retention"] == {"mostFailed": 0, "mostBytes": kept["mostBytes"]}
    cli.ok("queues", "set", "mail", "--keep-most", "none")
    assert settings(cli)["retention"] is None


def test_what_is_exported_is_applied_elsewhere(cli: Cli, tmp_path: Path) -> None:
    cli.ok("queues", "set", "mail", *ALL)
    cli.ok("export", "-o", "rota.json")
    cli.ok("queues", "set", "mail", "--ageing", "1h", "--keep", "none")
    planned = cli.ok("apply", "rota.json", "--dry-run")
    assert "ageing" in planned
    assert settings(cli)["ageing"] == "1h"
    cli.ok("apply", "rota.json", "--yes")
    assert settings(cli) == SET
    assert '"action": "unchanged"' in cli.ok("apply", "rota.json", "--dry-run", "--json")


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (("--concurrency", "x"), ("--concurrency: 'x' is neither a number nor none",)),
        (("--rate", "100"), ("--rate: '100' is no rate", "100/1m")),
        (("--rate", "0/1m"), ("--rate: 0 is out of range", "at least 1")),
        (("--rate", "1/1ms"), ("--rate: 1ms is out of range", "from 100ms to 31d")),
        (("--rate", "none", "--rate", "1/1m"), ("--rate: none stands alone",)),
        (("--rate", "1/1m", "--rate", "2/60s"), ("--rate: there are two limits per 1m",)),
        (("--ageing", "1ms"), ("--ageing: 1ms is out of range", "from 1s to 30d")),
        (("--keep", "running=1h"), ("--keep: 'running=1h' is unknown",)),
        (("--keep", "failed=soon"), ("--keep: 'soon' is not a duration",)),
        (("--keep-most", "running=1"), ("--keep-most: 'running=1' is unknown", "completed=10000")),
        (("--keep-most", "failed=-1"), ("--keep-most: '-1' is neither a number nor none",)),
        (("--keep-most", "bytes=much"), ("--keep-most: 'much' is not a size from 1kB",)),
        (("--keep-most", "none", "--keep-most", "failed=1"), ("--keep-most: none stands alone",)),
        (("--defaults", '{"queue": "other"}'), ("defaults.queue: cannot be said of a queue",)),
        ((), ("say what to set",)),
    ],
)
def test_what_is_wrong_with_limits(cli: Cli, options: tuple[str, ...], fragments: tuple[str, ...]) -> None:
    assert_one_line(cli("queues", "set", "mail", *options), 2, *fragments)
    assert cli.json("queues", "list") == []


def test_keys_and_their_pauses(cli: Cli, db: Database) -> None:
    builders.insert(db, *(builders.new_job(queue="mail", concurrency_key=key) for key in ("a/b", "c?", "a/b")))
    builders.insert(db, *(builders.new_job(queue="mail", turn_key="order:o") for _ in range(3)))
    shown = cli.ok("queues", "keys", "mail")
    assert re.search(r"^a/b +concurrency +2 +0 +\S.* +open", shown, re.MULTILINE)
    assert re.search(r"^o +order +2 +0 ", shown, re.MULTILINE)
    assert cli.ok("queues", "pause", "mail", "--key", "a/b", "--note", "asked") == "a/b in mail paused\n"
    assert cli.ok("queues", "pause", "--key", "c?", "--until", "2100-01-01T00:00:00Z").startswith("c? in all queues")
    found = {one["key"]: one for one in cli.json("queues", "keys", "mail")}
    assert (found["a/b"]["paused"], found["a/b"]["pausedNote"]) == (True, "asked")
    assert found["c?"]["resumeAt"] == "2100-01-01T00:00:00.000Z"
    assert "‖ paused until 2100" in cli.ok("queues", "keys", "mail")
    assert cli.ok("queues", "resume", "--key", "a/b") == "a/b in all queues resumed\n"
    assert cli.json("queues", "keys", "mail")[0]["paused"], "it is paused in its queue"
    cli.ok("queues", "resume", "mail", "--key", "a/b")
    assert not cli.json("queues", "keys", "mail")[0]["paused"]
    assert_one_line(cli("queues", "pause"), 2, "say what to pause")
    assert_one_line(cli("queues", "keys", "nosuch"), 1, "there is no queue nosuch")


def test_a_queue_is_paused_until_some_time(cli: Cli) -> None:
    cli.ok("queues", "set", "mail", "--concurrency", "1")
    assert cli.ok("queues", "pause", "mail", "--until", "36500d").startswith("mail paused until 21")
    assert cli.ok("queues", "pause", "mail", "--until", "2100-01-01T00:00:00Z").startswith("mail paused until 2100")
    assert "‖ paused until 2100" in cli.ok("queues", "list")
    assert cli.json("queues", "show", "mail")["resumeAt"] == "2100-01-01T00:00:00.000Z"
    assert_one_line(cli("queues", "pause", "mail", "--until", "2000-01-01T00:00:00Z"), 2, "--until: is in the past")


def test_a_type_is_paused_and_resumed(cli: Cli, db: Database) -> None:
    sql = """INSERT INTO rota_types (name, lane, defaults, owner, version, created_at, updated_at)
      VALUES ('report', 'async', '{}', 'code', 1, 0, 0), ('mail/send', 'async', '{}', 'code', 1, 0, 0)"""
    db.run(lambda tx: tx.run(sql))
    assert cli.ok("types", "pause", "report", "--note", "ill") == "report paused\n"
    assert re.search(r"^report .*‖ paused +ill$", cli.ok("types", "list"), re.MULTILINE)
    assert re.search(r"^paused +.*: ill$", cli.ok("types", "show", "report"), re.MULTILINE)
    assert cli.ok("types", "resume", "report") == "report resumed\n"
    assert not cli.json("types", "show", "report")["paused"]
    assert cli.ok("types", "pause", "mail/send") == "mail/send paused\n"
    assert cli.json("types", "show", "mail/send")["paused"]
    assert_one_line(cli("types", "pause", "nosuch"), 1, "there is no job type nosuch")
    assert_one_line(cli("types", "pause", ""), 2, "the job type's name is empty")


def test_no_time_to_wait_at_all(cli: Cli) -> None:
    assert_one_line(cli("queues", "set", "x", "--ageing", "0"), 2, "--ageing: '0' has no unit", "for example 500ms")
    assert_one_line(cli("queues", "set", "x", "--ageing", "0s"), 2, "--ageing: 0s is out of range", "from 1s to 30d")


def test_a_name_that_no_queue_has_is_told_of(cli: Cli) -> None:
    assert_one_line(cli("queues", "set", "", "--concurrency", "1"), 2, "NAME: the queue's name is empty")
    assert_one_line(cli("queues", "set", "a/b", "--concurrency", "1"), 2, "NAME: 'a/b' is not a name")
