"""A database of the first schema, with rows of that time, is brought up to date: nothing is lost, and all goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rota.store import copying, functions, invariants, migrate
from rota.store.copying import Sum
from rota.store.database import Database, Tx
from tests.store import builders

pytestmark = pytest.mark.chaos("UP")

ID = "018f0000-0000-7000-8000-0000000000{:02x}"
JOB = {"lane": "async", "queue": "mail", "rank": -5, "max_attempts": 4, "args": '{"a": 1, "a": 2}', "origin": "enqueue"}
TIMES = {"run_at": 1000, "created_at": 1000, "updated_at": 2000}
WORKER = ID.format(90)
NOW = 1 << 61
ROWS: dict[str, list[dict[str, Any]]] = {
    "rota_types": [
        {"name": "report", "lane": "async", "target": '{"kind":"function"}', "defaults": "{}", "owner": "code",
         "version": 1, "created_at": 1, "updated_at": 2},
    ],
    "rota_queues": [
        {"name": "mail", "concurrency": 3, "paused_note": "é", "created_at": 5},
        {"name": "default", "retention": '{"completed":1000}', "created_at": 6},
    ],
    "rota_schedules": [
        {"id": "nightly", "type": "report", "lane": "async", "args": "{}", "rule": '{"cron":"0 3 * * *"}',
         "timezone": "UTC", "job": "{}", "overlap": "skip", "catchup": "latest", "jitter_us": 0, "anchor_at": 0,
         "next_at": NOW, "runs": 2, "owner": "api", "version": 3, "created_at": 1, "updated_at": 2},
    ],
    "rota_occurrences": [
        {"schedule_id": "nightly", "scheduled_for": 10, "until_at": 20, "disposition": "paused", "version": 3,
         "decided_at": 21},
    ],
    "rota_jobs": [
        {"id": ID.format(1), "status": "pending", "type": "report"},
        {"id": ID.format(2), "status": "pending", "type": "report", "concurrency_key": "k"},
        {"id": ID.format(3), "status": "scheduled", "unique_key": "u", "unique_hold": "u", "unique_scope": "active"},
        {"id": ID.format(4), "status": "running", "attempt": 2, "worker_id": WORKER, "started_at": 5},
        {"id": ID.format(5), "status": "completed", "attempt": 1, "result": "[1]", "completed_at": 7, "progress": 0.5},
        {"id": ID.format(6), "status": "failed", "attempt": 1, "attempts_used": 1, "error": "e", "completed_at": 7},
        {"id": ID.format(7), "status": "cancelled", "completed_at": 7},
    ],
    "rota_attempts": [
        {"job_id": ID.format(4), "attempt": 1, "outcome": "failed", "started_at": 3, "ended_at": 4, "error": "e"},
    ],
    "rota_logs": [
        {"job_id": ID.format(5), "attempt": 1, "first_line": 1, "lines": 1, "at": 6, "body": '[[6,"stdout","x"]]'},
    ],
    "rota_workers": [
        {"id": WORKER, "role": "worker", "host": "h", "pid": 1, "version": "0", "state": "running", "started_at": 1,
         "seen_at": 2, "lease_until": NOW},
    ],
    "rota_tokens": [{"id": ID.format(91), "name": "ci", "role": "admin", "hash": "h", "created_at": 1}],
    "rota_idempotency": [{"key": "k", "request_hash": "h", "status": 201, "body": "{}", "created_at": 1}],
    "rota_meta": [{"key": "accounted_to", "value": "9"}],
}  # fmt: skip


@pytest.fixture
def first(database_url: str) -> Iterator[Database]:
    """A database as the first version has made it, in use."""
    db = builders.opened(database_url)
    with db.transaction() as tx:
        if db.dialect == "postgresql":
            tx.script(migrate.CLOCK)
        tx.script(migrate.migrations()[0].script)
        tx.script(migrate.view_sql(db.dialect, "scheduled_jobs"))
        for table, rows in ROWS.items():
            for row in rows:
                given = {**JOB, **TIMES, **row} if table == "rota_jobs" else row
                marks = ", ".join(f":{name}" for name in given)
                tx.run(f"INSERT INTO {table} ({', '.join(given)}) VALUES ({marks})", given)
        tx.run("INSERT INTO rota_meta (key, value) VALUES ('schema_version', '1'), ('view', 'scheduled_jobs')")
    yield db
    db.close()


def old_columns(tx: Tx, of: dict[str, copying.Table]) -> dict[str, Sum]:
    """The rows of some tables, of the columns that they had, summed up."""
    found = {}
    for name, table in of.items():
        if name != copying.META:
            found[name] = Sum()
            for rows in copying.pages(tx, table):
                found[name].add(rows)
    return found


def assert_in_use(db: Database) -> None:
    """The rows of old serve the code of today."""
    with db.snapshot() as tx:
        assert [one for one in invariants.look(tx, None) if one.broken] == []
        view: dict[str, str] = dict(tx.rows("SELECT CAST(id AS text), status FROM scheduled_jobs"))
        assert (len(view), view[ID.format(7)]) == (7, "failed")
    worker = builders.register(db)
    assert set(builders.claim_ids(db, worker)) == {ID.format(1), ID.format(2)}
    assert builders.get(db, ID.format(4)).status == "running"
    assert builders.attempts(db, ID.format(4))[0].error == "e"
    assert builders.get_schedule(db).version == 3
    builders.insert_one(db)


def test_one_after_the_other(first: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    every = migrate.migrations()
    tables = first.read(copying.tables)
    before = first.read(lambda tx: old_columns(tx, tables))
    monkeypatch.setattr(functions, "to_replace", lambda tx: False)  # they speak of columns of today
    for number in range(2, len(every) + 1):
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "migrations", lambda upto=number: every[:upto])
            if number < len(every):
                patch.setattr(functions, "script", lambda: "SELECT 1")
            assert migrate.migrate(first) == [every[number - 1].name]
        assert first.read(lambda tx: old_columns(tx, tables)) == before
    monkeypatch.undo()
    first.read(migrate.check)
    assert_in_use(first)


def test_by_the_sql_that_is_printed(first: Database) -> None:
    """For those who let nobody but an administrator change the schema."""
    tables = first.read(copying.tables)
    before = first.read(lambda tx: old_columns(tx, tables))
    with first.transaction() as tx:
        tx.script(migrate.script(first.dialect, 1))
    first.read(migrate.check)
    assert migrate.migrate(first) == []
    assert first.read(lambda tx: old_columns(tx, tables)) == before
    assert_in_use(first)
