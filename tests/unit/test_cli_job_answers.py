"""``rota jobs complete | snooze`` on a database, without any process of Rota."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.client import Answer
from rota.errors import Invalid, ServiceUnavailable
from rota.store import awaiting, migrate, results
from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line
from tests.support.waiting import free_port


@pytest.fixture
def db(sqlite_url: str) -> Iterator[Database]:
    database = builders.opened(sqlite_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def cli(
    db: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, sqlite_url: str
) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    return Cli(monkeypatch, capsys)


def taken(db: Database) -> str:
    worker = builders.register(db)
    call = builders.run_one(db, worker, lane="http", target='{"kind":"http"}', timeout_us=builders.HOUR).call
    deferred = results.Deferred(id=call.job_id, attempt=1, limit_us=builders.HOUR)
    db.run(lambda tx: awaiting.defer(tx, worker, [deferred]))
    return call.job_id


def test_a_run_is_shown_and_completed(db: Database, cli: Cli) -> None:
    job_id = taken(db)
    assert "its target has taken it and answers later" in cli.ok("jobs", "show", job_id)
    assert "its target answers later, until" in cli.ok("jobs", "why", job_id)
    assert cli.ok("jobs", "complete", job_id, "--result", '{"n": 1}') == f"{job_id}  ✓ completed\n"
    assert builders.get(db, job_id).result == '{"n": 1}'
    shown = json.loads(cli.ok("jobs", "complete", job_id, "--result", '{"n": 1}', "--json"))
    assert (shown["status"], shown["attempt"]) == ("completed", 1)
    assert_one_line(cli("jobs", "complete", job_id), 1, "attempt 1 of job")


def test_a_run_fails_or_is_put_off(db: Database, cli: Cli) -> None:
    again, gone, later = (taken(db) for _ in range(3))
    assert "scheduled" in cli.ok("jobs", "complete", again, "--error", "farm down")
    assert "failed" in cli.ok("jobs", "complete", gone, "--error", "no such film", "--permanent", "--attempt", "1")
    assert "scheduled" in cli.ok("jobs", "snooze", later, "10m")
    assert [builders.get(db, job_id).reason for job_id in (again, gone, later)] == ["failed", "failed", "snoozed"]
    assert_one_line(cli("jobs", "complete", later, "--attempt", "2"), 1, "has not begun")
    for wrong in (("--permanent",), ("--result", "1", "--error", "x")):
        assert_one_line(cli("jobs", "complete", later, *wrong), 2, "--error")


def test_an_answer_needs_the_headers_and_a_service() -> None:
    with pytest.raises(Invalid, match="Rota-Attempt: is missing"):
        Answer.of({"rota-job-id": "x"}, "http://127.0.0.1:1")
    headers = {"rota-job-id": "x", "ROTA-ATTEMPT": "1", "Rota-Answer-Token": "t"}
    with pytest.raises(ServiceUnavailable):
        Answer.of(headers, f"http://127.0.0.1:{free_port()}", patience_s=0.1).complete()
