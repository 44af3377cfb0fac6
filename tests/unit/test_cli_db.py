"""``rota db check`` and ``rota db stats`` on both kinds of database."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from rota.store import meta, migrate
from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def db(migrated: None, database_url: str) -> Iterator[Database]:
    database = builders.opened(database_url)
    yield database
    database.close()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    return Cli(monkeypatch, capsys)


BREAK = """
UPDATE rota_jobs SET attempt = 3 WHERE status = 'completed';
UPDATE rota_jobs SET status = 'failed' WHERE status = 'scheduled';
INSERT INTO rota_attempts (job_id, attempt, outcome, ended_at)
  VALUES ('01a1ffc8-999d-76ea-8804-b918f30e53a0', 1, 'x', 1);
INSERT INTO rota_logs (job_id, attempt, first_line, lines, at, body)
  VALUES ('01a1ffc8-999d-76ea-8804-b918f30e53a0', 1, 1, 1, 1, '[]');
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, version, decided_at)
  VALUES ('nightly', 5, 20, 'paused', 9, 1), ('nightly', 10, 10, 'paused', 9, 1);
UPDATE rota_workers SET lease_until = 1;
"""


def test_each_fault_is_found_and_named(db: Database, cli: Cli) -> None:
    worker = builders.register(db)
    builders.insert(db, builders.new_job(delay_us=builders.HOUR))
    done, running = builders.run_one(db, worker), builders.run_one(db, worker)
    builders.end(db, worker, done)
    lost = builders.run_one(db, worker)
    builders.give_back(db, worker, lost)
    builders.put(db, next_at=1_000_000_000_000_000)
    found = cli.json("db", "check")
    assert found["ok"] and all(one["broken"] == 0 for one in found["checks"])

    with db.transaction() as tx:
        tx.script(BREAK)
        meta.put(tx, meta.ACCOUNTED_TO, str(tx.now()))
        run = "UPDATE rota_jobs SET schedule_id = 'nightly', scheduled_for = 7 WHERE id = :a OR id = :b"
        tx.run(run, {"a": done.call.job_id, "b": running.call.job_id})
    said = cli("db", "check")
    assert said.code == 1
    broken = {one["name"]: one["broken"] for one in cli_json(cli)["checks"] if one["broken"]}
    assert broken == {
        "starts": 1, "ends": 1, "leases": 1, "attempts": 1, "logs": 1, "instants": 1, "ledger": 1, "runs": 2,
        "watermark": 1,
    }  # fmt: skip
    assert f"without a gap: not so of 1, such as {done.call.job_id}" in said.stdout
    assert cli.ok("db", "check", "--quick").count("\n") == 1


def cli_json(cli: Cli) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(cli("db", "check", "--json").stdout)
    return found


def test_a_due_instant_that_nothing_accounts_for_is_found(db: Database, cli: Cli) -> None:
    schedule = builders.put(db, rule='{"cron":"* * * * *"}', anchor_at=0, next_at=None)
    for at in (60, 120, 240):
        row = "INSERT INTO rota_occurrences VALUES ('nightly', :at, :at, 'paused', NULL, NULL, NULL, :version, 1)"
        db.run(lambda tx, at=at, row=row: tx.run(row, {"at": at * 1_000_000, "version": schedule.version}))  # type: ignore[misc]
    (hole,) = [one for one in cli_json(cli)["checks"] if one["name"] == "holes"]
    assert (hole["broken"], hole["examples"]) == (1, ["nightly at 180000000"])


def test_sizes_and_what_retention_deletes_next(db: Database, cli: Cli) -> None:
    worker = builders.register(db)
    for _ in range(3):
        builders.end(db, worker, builders.run_one(db, worker))
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET completed_at = completed_at - 86500000000 WHERE attempt = 1"))
    builders.end(db, worker, builders.run_one(db, worker))
    found = cli.json("db", "stats")
    tables = {one["name"]: one for one in found["tables"]}
    assert (tables["rota_jobs"]["rows"], tables["rota_workers"]["rows"]) == (4, 1)
    assert tables["rota_jobs"]["tableBytes"] > 0 and tables["rota_jobs"]["indexBytes"] > 0
    assert tables["rota_jobs"]["oldestAt"] and found["totalBytes"] > 0 and found["walBytes"] is not None
    (kept,) = [one for one in found["retention"] if (one["status"], one["of"]) == ("completed", "enqueued")]
    assert (kept["kept"], kept["due"]) == ("1d", 3) and kept["next"] is not None
    assert "rota_jobs" in cli.ok("db", "stats")


def test_the_archive_is_read_back(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_one_line(cli("db", "archived"), 2, "--dir", "ROTA_ARCHIVE_DIR is not set")
    folder = tmp_path / "archive"
    monkeypatch.setenv("ROTA_ARCHIVE_DIR", str(folder))
    assert_one_line(cli("db", "archived"), 1, "there is no folder", "when retention deletes")
    folder.mkdir()
    ids = [f"018f0000-0000-7000-8000-00000000000{n}" for n in range(3)]
    for day, named in (("01", ids[:2]), ("02", ids[2:])):
        twice = b"".join(b'{"id":"%s","v":%d}\n' % (one.encode(), time) for time in (1, 2) for one in named)
        (folder / f"jobs-2026-11-{day}.jsonl.gz").write_bytes(gzip.compress(twice))
    (folder / "logs-2026-11-01.jsonl.gz").write_bytes(gzip.compress(b'{"jobId":"%s","n":1}\n' % ids[0].encode()))

    def said(*options: str) -> list[str]:
        return [json.loads(line).get("id", "log") for line in cli.ok("db", "archived", *options).splitlines()]

    assert said() == ids
    assert said("--since", "2026-11-02") == ids[2:] == said("--id", ids[2], "--dir", str(folder))
    assert said("--until", "2026-11-01") == ids[:2]
    assert said("--logs") == ["log"] and said("--logs", "--id", ids[1]) == []
    assert '"v":2' in cli.ok("db", "archived") and '"v":1' not in cli.ok("db", "archived")
    assert_one_line(cli("db", "archived", "--since", "monday"), 2, "--since: 'monday' is no day", "2026-11-21")
    assert_one_line(cli("db", "archived", "--id", "7"), 2, "--id: '7' is no id")
    (folder / "jobs-2026-11-03.jsonl.gz").write_bytes(b"none")
    assert_one_line(cli("db", "archived", "--since", "2026-11-03"), 1, "jobs-2026-11-03.jsonl.gz cannot be read")


def test_the_printed_sql_is_run_by_the_database_alone(cli: Cli, database_url: str) -> None:
    """For those who let nobody but an administrator change the schema; nothing of Rota stands between."""
    sql = cli.ok("db", "migrate", "--sql")
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file:
            file.executescript(sql)
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute(sql.encode())
    assert "is reached" in cli.ok("db", "check")
    assert "is up to date" in cli.ok("db", "migrate")
    assert "CREATE TABLE" not in cli.ok("db", "migrate", "--sql", "--from", str(migrate.newest()))
