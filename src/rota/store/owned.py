"""What files have declared, and that they are applied one after the other."""

from __future__ import annotations

from rota.store.database import Tx

LOCK = 7_005_7006


def wait_for_others(tx: Tx) -> None:
    """Let only this transaction apply a file until its end: two that lock the same things in other orders would wait
    for each other.  SQLite has one writer anyway.
    """
    if tx.dialect == "postgresql":
        tx.rows("SELECT pg_advisory_xact_lock(:lock)", {"lock": LOCK})


def by_file(tx: Tx, source: str) -> list[str]:
    """Return the ids of the schedules that belong to a file, in order."""
    sql = "SELECT id FROM rota_schedules WHERE owner = 'file' AND source = :source ORDER BY id"
    return [row[0] for row in tx.rows(sql, {"source": source})]
