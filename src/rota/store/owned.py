"""Which schedules a file has declared."""

from __future__ import annotations

from rota.store.database import Tx


def by_file(tx: Tx, source: str) -> list[str]:
    """Return the ids of the schedules that belong to a file, in order."""
    sql = "SELECT id FROM rota_schedules WHERE owner = 'file' AND source = :source ORDER BY id"
    return [row[0] for row in tx.rows(sql, {"source": source})]
