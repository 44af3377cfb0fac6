"""Batches: jobs that were stored together, and the job that goes when all of them have ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.ids import is_id
from rota.model import Batch, NewJob, State
from rota.store import dependencies, jobs
from rota.store.database import Tx, columns
from rota.store.dependencies import THOSE
from rota.store.sql import batch as as_rows

COLUMNS = columns(Batch.__struct_fields__)

INSERT = """
INSERT INTO rota_batches (id, name, total, callback_id, created_by, created_at)
VALUES (:id, :name, :total, :callback_id, :created_by, rota_now()) ON CONFLICT DO NOTHING
"""


def insert(tx: Tx, batch: Batch, members: Sequence[NewJob], callback: NewJob | None) -> None:
    """Store a batch with its jobs; the same once more changes nothing.

    ``callback`` goes when all of them have ended, at once where there are none.
    """
    with tx.together():
        values = {name: getattr(batch, name) for name in ("id", "name", "total", "callback_id", "created_by")}
        if tx.run(INSERT, values) == 1:
            _insert_jobs(tx, batch, members, callback)


def _insert_jobs(tx: Tx, batch: Batch, members: Sequence[NewJob], callback: NewJob | None) -> None:
    if callback is None or not members:
        jobs.insert(tx, [*members, *([callback] if callback is not None else [])])
        return
    dependencies.hold_for_batch(tx, batch.id, callback.id)
    jobs.insert(tx, [*members, callback])
    if any(job.depends_on is not None for job in members):
        dependencies.release(tx, [], [batch.id])  # they may all have been cancelled, as those that they wait for


def get(tx: Tx, batch_id: str) -> Batch | None:
    """Return a batch, or None; a malformed id is simply unknown."""
    if not is_id(batch_id):
        return None
    row = tx.row(f"SELECT {COLUMNS} FROM rota_batches WHERE id = :id", {"id": batch_id})
    return Batch(**dict(zip(Batch.__struct_fields__, row, strict=True))) if row else None


def listed(tx: Tx, *, limit: int, before: str | None = None, offset: int = 0) -> list[Batch]:
    """Return batches, the latest first, those with ids below ``before``."""
    beyond = "WHERE id < :before" if before is not None else ""
    sql = f"SELECT {COLUMNS} FROM rota_batches {beyond} ORDER BY id DESC LIMIT :limit OFFSET :offset"
    rows = tx.rows(sql, {"limit": limit, "before": before, "offset": offset})
    return [Batch(**dict(zip(Batch.__struct_fields__, row, strict=True))) for row in rows]


def ids(tx: Tx, batch_id: str) -> list[str]:
    """Return the jobs of a batch, in the order in which they were given."""
    sql = "SELECT id FROM rota_jobs WHERE batch_id = :id AND batch_id IS NOT NULL ORDER BY {lite|+}id"
    return [row[0] for row in tx.rows(sql, {"id": batch_id})] if is_id(batch_id) else []


COUNTS = """
SELECT j.batch_id, j.status, count(*) FROM rota_jobs j
WHERE j.batch_id {in|SELECT u.id FROM {rows|u|batch|id uuid}} AND j.batch_id IS NOT NULL GROUP BY j.batch_id, j.status
"""


def counts(tx: Tx, ids: Iterable[str]) -> dict[str, dict[State, int]]:
    """Return for each batch how many of its jobs are in which state."""
    found: dict[str, dict[State, int]] = {batch_id: {} for batch_id in ids}
    if found:
        for batch_id, status, count in tx.rows(COUNTS, {"batch": as_rows([{"id": one} for one in found])}):
            found[batch_id][status] = count
    return found


WAITING = """
SELECT id FROM rota_jobs WHERE batch_id = :id AND batch_id IS NOT NULL
  AND status IN ('pending', 'scheduled', 'held') ORDER BY {lite|+}id {pg|FOR UPDATE}
"""
CANCEL = jobs.CANCEL_WAITING.replace("WHERE id = :id", f"WHERE id {THOSE}").replace(
    "AND status IN", "AND {lite|+}status{pg| || ''} IN"
)


def cancel(tx: Tx, batch_id: str, by: str | None) -> int:
    """Cancel the jobs of a batch that have not been started; return how many."""
    ids = [{"id": row[0]} for row in tx.rows(WAITING, {"id": batch_id})]
    rows = tx.rows(CANCEL, {"batch": as_rows(ids), "by": by}) if ids else []
    dependencies.end(tx, [dependencies.End(*row) for row in rows])
    return len(rows)


FORGET = """
DELETE FROM rota_batches WHERE id {in|SELECT b.id FROM rota_batches b WHERE b.id < :before
  AND NOT EXISTS (SELECT 1 FROM rota_jobs j WHERE j.batch_id = b.id AND j.batch_id IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM rota_dependencies d WHERE d.parent_id = b.id) ORDER BY b.id LIMIT :limit}
"""


def forget(tx: Tx, before: str, limit: int) -> int:
    """Delete batches with ids below ``before`` whose jobs are gone; return how many."""
    return tx.run(FORGET, {"before": before, "limit": limit})
