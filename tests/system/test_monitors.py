"""Real processes that are killed: what the monitors of the others tell, once each."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from rota.engine.alerting import Book
from rota.store import alerts, meta, monitors
from rota.store.database import Database, Tx
from rota.store.monitors import Said
from tests.support.processes import RotaProcesses
from tests.support.roles import opened
from tests.support.target import TargetServer
from tests.support.waiting import wait_until

HOUR = 3_600_000_000


def titles(db: Database) -> list[str]:
    """Of all notices, the first first."""
    sql = "SELECT title FROM rota_notices ORDER BY created_at, id"
    return [row[0] for row in db.read(lambda tx: tx.rows(sql))]


def settle(tx: Tx) -> None:
    """Let monitors have looked for an hour, and tell at once: no test needs to wait for what is made for people."""
    now = tx.now()
    meta.put(tx, alerts.LOOKED_AT, str(now))
    meta.put(tx, alerts.MEMORY, msgspec.json.encode(Book(since=now - HOUR)).decode())
    monitors.say(tx, Said(id="no-scheduler:system:scheduler", grace_us=0))


def hurry(db: Database) -> None:
    """Let what is gone be gone for a while."""
    db.run(lambda tx: tx.run("UPDATE rota_alerts SET gone_at = gone_at - 60000000 WHERE closed_at IS NULL"))


def wait_for(db: Database, expected: list[str]) -> None:
    def told() -> bool:
        hurry(db)
        return len(titles(db)) >= len(expected)

    wait_until(told, 120, lambda: f"{expected}, not {titles(db)}")
    assert titles(db) == expected


@pytest.mark.timeout(400)
def test_each_death_is_told_once(
    migrated: None, pg_database: str, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> None:
    with opened(rota_process, target_server, tmp_path, pg_database) as roles:
        db = roles.shop.db
        schedulers = [roles.start("scheduler") for _ in range(2)]
        worker = roles.start("worker")
        db.run(settle)
        worker.send(signal.SIGKILL)
        worker.wait()
        roles.start("worker", ROTA_LEASE="30s")  # it lives on: a busy machine must not lose its lease, which is told
        expected = ["A worker was lost", "Over: A worker was lost"]
        wait_for(db, expected)
        for scheduler in schedulers:
            scheduler.send(signal.SIGKILL)
        expected.append("No scheduler lives")
        wait_for(db, expected)
        for _ in schedulers:  # one that nobody replaced would be told of, now that no other reason says it
            roles.start("scheduler", ROTA_LEASE="30s")
        expected.append("Over: No scheduler lives")
        wait_for(db, expected)
        (held,) = db.read(
            lambda tx: tx.rows("SELECT DISTINCT tellings FROM rota_alerts WHERE kind = 'lost' AND tellings = 0")
        )
        assert held == (0,), "that both were lost follows from it"
