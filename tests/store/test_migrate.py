"""Migrations: one after another, once, whoever comes first; and the view for operators."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rota.errors import DatabaseError, SchemaMismatch
from rota.store import functions, meta, migrate, turns
from rota.store.database import Database
from tests.store import builders

EVERY_NAME = {
    "rota_jobs", "rota_attempts", "rota_logs", "rota_types", "rota_queues", "rota_schedules", "rota_occurrences",
    "rota_workers", "rota_tokens", "rota_idempotency", "rota_meta",
}  # fmt: skip

MIGRATE = """
import sys
from rota.settings import parse_database_url
from rota.store import migrate
from rota.store.opening import open_database
db = open_database(parse_database_url(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(len(migrate.migrate(db)), flush=True)
db.close()
"""


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    db = builders.opened(database_url)
    yield db
    db.close()


def tables(db: Database) -> set[str]:
    lite = "SELECT name FROM sqlite_master WHERE type = 'table'"
    pg = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return {row[0] for row in db.read(lambda tx: tx.rows(lite if db.dialect == "sqlite" else pg))}


def test_an_empty_database_is_brought_up_to_date_once(empty: Database) -> None:
    assert empty.read(migrate.version) == 0
    with pytest.raises(SchemaMismatch, match="rota db migrate"):
        empty.read(migrate.check)

    assert migrate.migrate(empty) == [each.name for each in migrate.migrations()]
    assert tables(empty) >= EVERY_NAME
    assert empty.read(migrate.version) == migrate.newest()
    empty.read(migrate.check)
    assert migrate.migrate(empty) == []


def test_numbers_follow_each_other() -> None:
    assert [each.number for each in migrate.migrations()] == list(range(1, migrate.newest() + 1))


def test_a_newer_schema_is_refused(db: Database) -> None:
    db.run(lambda tx: meta.put(tx, "schema_version", str(migrate.newest() + 1)))
    for act in (lambda: migrate.migrate(db), lambda: db.read(migrate.check)):
        with pytest.raises(SchemaMismatch, match="newer"):
            act()


def test_a_failed_migration_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrate.Migration(migrate.newest() + 1, "broken", "CREATE TABLE rota_half (a bigint); SELECT no_such();")
    real = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [*real, broken])
    with pytest.raises(DatabaseError):
        migrate.migrate(empty)
    assert tables(empty) == set()

    monkeypatch.undo()
    assert migrate.migrate(empty) == [each.name for each in real]
    assert "rota_half" not in tables(empty)


def test_a_later_migration_keeps_rows_and_view(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = builders.insert_one(db)
    following = migrate.Migration(
        migrate.newest() + 1, "wider", "ALTER TABLE rota_jobs ADD COLUMN shade text; CREATE TABLE rota_more (a bigint);"
    )
    real = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [*real, following])
    assert migrate.migrate(db) == ["wider"]
    assert db.read(lambda tx: tx.rows("SELECT id FROM scheduled_jobs")) == [(job_id,)]
    with pytest.raises(DatabaseError):
        db.read(lambda tx: tx.rows("SELECT 1 FROM rota_scheduled_jobs"))


@pytest.mark.chaos("UP")
def test_several_processes_at_once_migrate_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    applied = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(applied) == [0, 0, len(migrate.migrations())]
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_the_script_makes_the_same_schema(empty: Database) -> None:
    """What ``rota db migrate --sql`` prints, for those who let nobody but an administrator change the schema."""
    with empty.transaction() as tx:
        tx.script(migrate.script(empty.dialect))
    empty.read(migrate.check)
    assert migrate.migrate(empty) == []
    builders.insert_one(empty)
    assert len(empty.read(lambda tx: tx.rows("SELECT * FROM scheduled_jobs"))) == 1


def test_only_what_is_missing_is_in_the_script() -> None:
    assert "CREATE TABLE" not in migrate.script("sqlite", migrate.newest())
    assert "CREATE VIEW" not in migrate.script("postgresql", migrate.newest())


def sources(db: Database) -> str:
    sql = "SELECT string_agg(prosrc, '' ORDER BY proname) FROM pg_proc WHERE proname LIKE 'rota_enqueue%'"
    return str(db.read(lambda tx: tx.value(sql)))


class TestFunctionsOfAnotherVersion:
    def test_they_are_made_anew_without_a_migration(self, pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        before = sources(pg)
        monkeypatch.setattr(turns, "ACTIVE", "('running', 'scheduled', 'pending')")
        functions.script.cache_clear()
        try:
            assert migrate.migrate(pg) == ["rota_enqueue"]
            assert "('running', 'scheduled', 'pending')" in sources(pg)
            assert migrate.migrate(pg) == []
        finally:
            monkeypatch.undo()
            functions.script.cache_clear()
        assert migrate.migrate(pg) == ["rota_enqueue"]
        assert sources(pg) == before

    def test_those_of_before_digests_are_made_anew(self, pg: Database) -> None:
        pg.run(lambda tx: tx.run("DELETE FROM rota_meta WHERE key = 'functions'"))
        assert migrate.migrate(pg) == ["rota_enqueue"]
        assert migrate.migrate(pg) == []

    def test_who_may_not_replace_them_leaves_them(self, pg: Database, pg_database: str) -> None:
        """An application with few rights starts all the same."""
        role = f"rota_few_{os.getpid()}"
        with pg.transaction() as tx:
            meta.put(tx, functions.DIGEST, "another")
            tx.script(
                f"CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}"
            )
        few = builders.opened(pg_database.replace("postgres@", f"{role}@"))
        try:
            assert migrate.migrate(few) == []
        finally:
            few.close()
            with pg.transaction() as tx:
                tx.script(f"DROP OWNED BY {role}; DROP ROLE {role}")
        assert migrate.migrate(pg) == ["rota_enqueue"]


@pytest.mark.parametrize("schema", ["rota", "With Space", 'quo"ted'])
def test_tables_live_in_the_schema_of_the_address(pg_database: str, schema: str) -> None:
    escaped = schema.replace(" ", "%20").replace('"', "%22")
    db = builders.opened(f"{pg_database}?schema={escaped}")
    migrate.migrate(db)
    builders.insert_one(db)
    where = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'rota%'"
    assert db.read(lambda tx: tx.rows(where)) == [(schema,)]
    db.close()

    pooled = builders.opened(f"{pg_database}?schema={escaped}&pgbouncer=true")
    assert migrate.migrate(pooled) == []
    builders.insert_one(pooled)
    assert len(builders.column(pooled, "id")) == 2
    assert pooled.read(lambda tx: tx.value("SELECT current_setting('search_path')")) != "public"
    pooled.close()


class TestView:
    def test_an_applications_own_table_is_left_alone(self, empty: Database) -> None:
        with empty.transaction() as tx:
            tx.run("CREATE TABLE scheduled_jobs (mine text)")
            tx.run("INSERT INTO scheduled_jobs VALUES ('kept')")
        migrate.migrate(empty)
        job_id = builders.insert_one(empty)
        assert empty.read(lambda tx: tx.rows("SELECT mine FROM scheduled_jobs")) == [("kept",)]
        assert empty.read(lambda tx: tx.rows("SELECT id FROM rota_scheduled_jobs")) == [(job_id,)]

    def test_statuses_are_folded_to_four(self, db: Database, worker: str) -> None:
        builders.insert(
            db, *[builders.new_job(type=type_) for type_ in ("completed", "failed", "cancelled", "running")]
        )
        for claimed in builders.claim(db, worker):
            if claimed.call.type != "running":
                builders.end(db, worker, claimed, status=claimed.call.type or "")
        builders.insert(
            db, builders.new_job(type="pending"), builders.new_job(type="scheduled", delay_us=builders.HOUR)
        )
        rows = db.read(lambda tx: tx.rows("SELECT job_type, status FROM scheduled_jobs"))
        assert dict(rows) == {
            "pending": "pending", "scheduled": "pending", "running": "running", "completed": "completed",
            "failed": "failed", "cancelled": "failed",
        }  # fmt: skip

    def test_only_running_jobs_are_locked(self, db: Database, worker: str) -> None:
        running, done = builders.run_one(db, worker, started_by="ann"), builders.run_one(db, worker)
        builders.end(db, worker, done, result='{"a": 1}', error="e")
        rows = {row["id"]: row for row in db.read(lambda tx: tx.dicts("SELECT * FROM scheduled_jobs"))}
        assert set(rows[done.call.job_id]) == {
            "id", "job_type", "status", "started_at", "completed_at", "started_by", "error", "result", "created_at",
            "updated_at", "locked_by", "locked_at",
        }  # fmt: skip
        locked, free = rows[running.call.job_id], rows[done.call.job_id]
        assert (locked["locked_by"], locked["locked_at"]) == (worker, locked["started_at"])
        assert (free["locked_by"], free["locked_at"], free["result"], free["error"]) == (None, None, '{"a": 1}', "e")
        assert locked["started_by"] == "ann" and free["completed_at"] is not None

    def test_times_are_timestamps(self, pg: Database, lite: Database) -> None:
        for db, begins in ((pg, "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"), (lite, "date(created_at)")):
            builders.insert_one(db)
            db.run(lambda tx: tx.run("UPDATE rota_jobs SET created_at = 1700000000123456"))
            sql = f"SELECT {begins} FROM scheduled_jobs"
            assert db.read(lambda tx, sql=sql: tx.value(sql)) == "2023-11-14"  # type: ignore[misc]
        assert lite.read(lambda tx: tx.value("SELECT created_at FROM scheduled_jobs")) == "2023-11-14T22:13:20.123Z"
