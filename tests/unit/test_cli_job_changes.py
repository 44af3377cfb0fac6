"""``rota jobs retry | cancel | delete | move | reprioritise | edit`` on a database, without any process of Rota."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.actions import operations as actions
from rota.api import bulk_operations
from rota.cli import job_changes
from rota.client import Client
from rota.model import JobType
from rota.store import migrate, types
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import insert, insert_one, new_job
from tests.support.cli import Cli, assert_one_line

SCHEMA = '{"type": "object", "properties": {"n": {"type": "integer"}}}'


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = builders.opened(database_url)
    migrate.migrate(database)
    report = JobType(name="report", lane="async", target=None, args_schema=SCHEMA, defaults="{}", owner="code")
    database.run(lambda tx: types.put(tx, [report]))
    yield database
    database.close()


@pytest.fixture
def cli(
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    database_url: str,
) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    return Cli(monkeypatch, capsys)


def failed(db: Database, count: int = 1, **given: object) -> list[str]:
    worker = builders.register(db)
    ids = insert(db, *(new_job(**given) for _ in range(count)))
    builders.end(db, worker, *builders.claim(db, worker), status="failed", reason="failed", error="boom")
    return ids


class TestOne:
    def test_it_is_edited(self, db: Database, cli: Cli) -> None:
        job_id = insert_one(db)
        options = ("--args", '{"n": 2}', "--priority", "5", "--queue", "mail", "--tag", "a", "--timeout", "5m")
        assert cli.ok("jobs", "edit", job_id, *options, "--note", "why not") == f"{job_id}  … pending\n"
        job = builders.get(db, job_id)
        assert (job.args, job.rank, job.queue, job.tags, job.timeout_us) == (
            '{"n": 2}', -5, "mail", '["a"]', 300_000_000,
        )  # fmt: skip
        assert cli.json("jobs", "edit", job_id, "--delay", "1h")["status"] == "scheduled"
        assert cli.json("jobs", "edit", job_id, "--unset", "tags", "--at", "2030-01-01T00:00:00Z")["tags"] == []

    def test_what_is_wrong_names_its_option(self, db: Database, cli: Cli) -> None:
        job_id = insert_one(db)
        assert_one_line(cli("jobs", "edit", job_id), 2, "say what to change")
        assert_one_line(cli("jobs", "edit", job_id, "--args", '{"n": "x"}'), 2, "args.n")
        assert_one_line(cli("jobs", "edit", job_id, "--args", "{"), 2, "--args: is not JSON")
        assert_one_line(cli("jobs", "edit", job_id, "--at", "soon"), 2, "--at")
        assert_one_line(cli("jobs", "edit", job_id, "--again", "--retry", "{}"), 2, "exclude each other")
        assert_one_line(cli("jobs", "move", job_id, "--to", "a b"), 2, "--to")

    def test_it_is_retried_with_other_arguments(self, db: Database, cli: Cli) -> None:
        (job_id, other) = failed(db, 2)
        assert cli.ok("jobs", "retry", job_id, "--args", '{"n": 3}') == f"{job_id}  waiting again\n"
        job = builders.get(db, job_id)
        assert (job.status, job.args, len(builders.attempts(db, job_id))) == ("pending", '{"n": 3}', 1)
        assert_one_line(cli("jobs", "retry", job_id, other, "--args", "{}"), 2, "--args is for one job")
        assert_one_line(cli("jobs", "retry", "--status", "failed", "--args", "{}"), 2, "--args is for one job")
        assert cli.ok("jobs", "edit", other, "--args", '{"n": 4}', "--again") == f"{other}  … pending\n"

    def test_it_is_moved_and_reprioritised(self, db: Database, cli: Cli) -> None:
        job_id = insert_one(db)
        assert cli.ok("jobs", "move", job_id, "--to", "slow") == f"{job_id}  moved to slow\n"
        assert cli.ok("jobs", "reprioritise", job_id, "--priority", "7") == f"{job_id}  has priority 7\n"


class TestMany:
    def test_all_that_failed_are_retried(self, db: Database, cli: Cli) -> None:
        failed(db, 3, queue="mail")
        assert cli.ok("jobs", "retry", "--status", "failed", "--queue", "mail", "--yes") == "3 jobs waiting again\n"
        assert set(builders.column(db, "status")) == {"pending"}

    def test_what_is_left_is_told(self, db: Database, cli: Cli) -> None:
        failed(db, 1, unique_key="k", unique_scope="active")
        failed(db, 2)
        insert_one(db, unique_key="k", unique_scope="active", queue="other")
        done = cli.ok("jobs", "retry", "--status", "failed", "--yes")
        assert done == "2 jobs waiting again, 1 left as they were\n"

    def test_they_are_moved_and_reprioritised(self, db: Database, cli: Cli) -> None:
        failed(db, 3, queue="mail")
        moved = cli("jobs", "move", "--queue", "mail", "--to", "slow")
        assert_one_line(moved, 2, "move 3 jobs to slow? Say so with --yes")
        assert cli.ok("jobs", "move", "--queue", "mail", "--to", "slow", "--yes") == "3 jobs moved to slow\n"
        done = cli.ok("jobs", "reprioritise", "--queue", "slow", "--priority", "high", "--yes")
        assert done == "3 jobs reprioritised\n"
        assert_one_line(cli("jobs", "move", "--queue", "mail"), 2, "--to is missing")
        assert_one_line(cli("jobs", "move", "--to", "slow"), 2, "name jobs by their ids")

    def test_without_a_scheduler_the_command_goes_on_until_all_is_done(
        self, db: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "BATCH", 2)
        monkeypatch.setattr(bulk_operations, "WORKS_S", 0.0)
        insert(db, *(new_job() for _ in range(9)))
        assert cli.ok("jobs", "delete", "--queue", "default", "--yes") == "9 jobs deleted\n"

    def test_to_be_interrupted_ends_it(self, db: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "BATCH", 2)
        monkeypatch.setattr(bulk_operations, "WORKS_S", 0.0)

        def interrupted(client: Client, operation_id: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Client, "continue_operation", interrupted)
        insert(db, *(new_job() for _ in range(9)))
        done = cli("jobs", "delete", "--queue", "default", "--yes")
        assert (done.code, done.stdout) == (130, "")
        assert "stopped; 2 jobs deleted" in done.stderr
        assert builders.column(db, "status", "rota_operations") == ["cancelled"]

    def test_one_that_failed_is_told(self, db: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "BATCH", 2)
        monkeypatch.setattr(bulk_operations, "WORKS_S", 0.0)
        monkeypatch.setattr(job_changes, "PAUSE_S", 0.0)
        sql = "UPDATE rota_operations SET status = 'failed', error = 'no luck'"
        went_on = Client.continue_operation

        def fails(client: Client, operation_id: str) -> object:
            db.run(lambda tx: tx.run(sql))
            return went_on(client, operation_id)

        monkeypatch.setattr(Client, "continue_operation", fails)
        insert(db, *(new_job() for _ in range(9)))
        done = cli("jobs", "delete", "--queue", "default", "--yes")
        assert (done.code, done.stdout) == (1, "2 jobs deleted\n")
        assert "failed: no luck" in done.stderr

    def test_the_audit_has_it(self, db: Database, cli: Cli) -> None:
        failed(db, 2)
        cli.ok("jobs", "retry", "--status", "failed", "--yes")
        rows = db.read(
            lambda tx: tx.rows("SELECT action, noun, origin, {pg|CAST(after AS text)}{lite|after} FROM rota_audit")
        )
        ((action, noun, origin, after),) = rows
        assert (action, noun, origin) == ("retry", "operation", "cli")
        assert json.loads(after) == {"filter": {"status": "failed"}, "matched": 2}
