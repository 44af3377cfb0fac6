"""Queues: limits, pauses, and what is in them."""

from __future__ import annotations

from typing import Any

from rota.model import Queue
from rota.store.database import Tx, columns

COLUMNS = columns(Queue.__struct_fields__)
SETTABLE = ("concurrency", "key_concurrency", "rate_limits", "defaults", "retention")
_JSON = {"rate_limits", "defaults", "retention"}


def get(tx: Tx, name: str) -> Queue | None:
    """Return a queue, or None."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_queues WHERE name = :name", {"name": name})
    return Queue(**dict(zip(Queue.__struct_fields__, row, strict=True))) if row else None


def listed(tx: Tx) -> list[Queue]:
    """Return all queues by name."""
    rows = tx.rows(f"SELECT {COLUMNS} FROM rota_queues ORDER BY name")
    return [Queue(**dict(zip(Queue.__struct_fields__, row, strict=True))) for row in rows]


def change(tx: Tx, name: str, values: dict[str, Any]) -> None:
    """Set the given limits of a queue, which comes into being where it is not there."""
    tx.run(
        "INSERT INTO rota_queues (name, created_at) VALUES (:name, rota_now()) ON CONFLICT DO NOTHING", {"name": name}
    )
    tx.hint("jobs")
    for column in SETTABLE:
        if column in values:
            value = "{json|:value}" if column in _JSON else ":value"
            tx.run(
                f"UPDATE rota_queues SET {column} = {value} WHERE name = :name", {"name": name, "value": values[column]}
            )


def pause(tx: Tx, name: str, *, by: str | None, note: str | None) -> bool:
    """Stop claims from a queue; what runs goes on."""
    sql = """
    UPDATE rota_queues SET paused_at = coalesce(paused_at, rota_now()), paused_by = :by, paused_note = :note
    WHERE name = :name
    """
    return tx.run(sql, {"name": name, "by": by, "note": note}) == 1


def resume(tx: Tx, name: str) -> bool:
    """Let claims go on."""
    tx.hint("jobs")
    sql = "UPDATE rota_queues SET paused_at = NULL, paused_by = NULL, paused_note = NULL WHERE name = :name"
    return tx.run(sql, {"name": name}) == 1


COUNT_CAP = 10_000

COUNT = """
SELECT queue, 'STATUS' AS status, rank, count(*) AS n,
  min(CASE WHEN status = 'running' THEN started_at ELSE run_at END) AS oldest
FROM (SELECT queue, status, rank, run_at, started_at FROM rota_jobs WHERE status = 'STATUS' WHICH LIMIT :cap) j
GROUP BY queue, rank
"""


def stats(tx: Tx) -> list[dict[str, Any]]:
    """Return rows {queue, status, rank, n, oldest} of the jobs that wait or run, and of the failed ones.

    Counts are capped, since a page must not wait for a million rows: of each queue's pending jobs the first
    COUNT_CAP are counted, of the scheduled ones the COUNT_CAP due next, of the failed ones the latest COUNT_CAP.
    Those that wait for their turn, of which COUNT_CAP are counted in all, are pending.
    """
    found = _count(tx, "running", "") + _count(tx, "scheduled", "ORDER BY run_at")
    found += _count(tx, "failed", "ORDER BY id DESC")
    pending = _count(tx, "held", "")
    for (name,) in tx.rows("SELECT name FROM rota_queues ORDER BY name"):
        pending += _count(tx, "pending", "AND queue = :queue", queue=name)
    return found + _together(pending)


def _together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for what is pending of each queue and rank."""
    sums: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        one = sums.setdefault((row["queue"], row["rank"]), {**row, "status": "pending", "n": 0})
        one["n"] += row["n"]
        one["oldest"] = min(one["oldest"], row["oldest"])
    return [sums[key] for key in sorted(sums)]


def _count(tx: Tx, status: str, which: str, **params: str) -> list[dict[str, Any]]:
    return tx.dicts(COUNT.replace("STATUS", status).replace("WHICH", which), {**params, "cap": COUNT_CAP})
