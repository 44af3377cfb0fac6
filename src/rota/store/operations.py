"""Operations: one action on all jobs that a filter wants, done in batches by whoever finds it open.

Of those that are at it each batch belongs to one: it is done in the transaction that moves ``position`` on from where
it was when its jobs were looked up.  ``busy_until`` only keeps the others from trying.
"""

from __future__ import annotations

from rota.ids import is_id, least_id
from rota.model import Operation
from rota.store import due
from rota.store.database import Tx, columns

COLUMNS = columns(Operation.__struct_fields__)
BUSY_US = 10_000_000
"""So long an operation belongs to who works on it; after that others take it for left."""

BEGIN = f"""
INSERT INTO rota_operations ({COLUMNS})
SELECT :id, :action, {{json|:filter}}, {{json|:params}}, 'running', CAST(:newest AS {{uuid}}), NULL, :total, 0, 0,
  :author, NULL, rota_now() + {BUSY_US}, rota_now(), rota_now(), NULL
WHERE true ON CONFLICT DO NOTHING
"""


def begin(
    tx: Tx, operation_id: str, action: str, *, wanted: str, params: str, newest: str | None, total: int, by: str | None
) -> None:
    """Store an operation that its maker works on first; the same one again changes nothing."""
    tx.run(
        BEGIN,
        {"id": operation_id, "action": action, "filter": wanted, "params": params, "newest": newest, "total": total,
         "author": by},
    )  # fmt: skip


def newest(tx: Tx) -> str | None:
    """Return the greatest id of all jobs."""
    found: str | None = tx.value("SELECT id FROM rota_jobs ORDER BY id DESC LIMIT 1")
    return found


def get(tx: Tx, operation_id: str) -> Operation | None:
    """Return an operation, or None."""
    if not is_id(operation_id):
        return None
    row = tx.row(f"SELECT {COLUMNS} FROM rota_operations WHERE id = :id", {"id": operation_id})
    return Operation(*row) if row else None


def listed(tx: Tx, *, limit: int, before: str | None = None, offset: int = 0) -> list[Operation]:
    """Return operations, the latest first, those before the id ``before``."""
    beyond = "WHERE id < :before" if before is not None else ""
    sql = f"SELECT {COLUMNS} FROM rota_operations {beyond} ORDER BY id DESC LIMIT :limit OFFSET :offset"
    return [Operation(*row) for row in tx.rows(sql, {"before": before, "limit": limit, "offset": offset})]


OPEN = f"status = 'running' AND coalesce(busy_until, 0) <= {due.NOW}"
WAITING = f"EXISTS (SELECT 1 FROM rota_operations WHERE {OPEN})"
"""Whether there is an operation that nobody works on."""

CLAIM = f"""
UPDATE rota_operations SET busy_until = rota_now() + {BUSY_US}
WHERE id = (SELECT id FROM rota_operations WHERE {OPEN}
    AND (CAST(:id AS {{uuid}}) IS NULL OR id = CAST(:id AS {{uuid}}))
  ORDER BY id LIMIT 1 {{pg|FOR UPDATE SKIP LOCKED}}) AND {OPEN}
RETURNING {COLUMNS}
"""


def claim(tx: Tx, operation_id: str | None = None) -> Operation | None:
    """Take an operation that nobody works on, the oldest unless one is named; None where there is none."""
    rows = tx.rows(CLAIM, {"id": operation_id})
    return Operation(*rows[0]) if rows else None


LOCK = f"SELECT {COLUMNS} FROM rota_operations WHERE id = :id {{pg|FOR UPDATE}}"


def lock(tx: Tx, operation_id: str) -> Operation | None:
    """Return an operation, kept from changing until the transaction ends."""
    row = tx.row(LOCK, {"id": operation_id})
    return Operation(*row) if row else None


ADVANCE = f"""
UPDATE rota_operations SET position = coalesce(CAST(:position AS {{uuid}}), position), looked_at = looked_at + :looked,
  changed = changed + :changed, updated_at = rota_now(), status = CASE WHEN :done = 1 THEN 'completed' ELSE status END,
  completed_at = CASE WHEN :done = 1 THEN rota_now() END,
  busy_until = CASE WHEN :done = 1 THEN NULL ELSE rota_now() + {BUSY_US} END
WHERE id = :id RETURNING {COLUMNS}
"""


def advance(tx: Tx, operation_id: str, *, position: str | None, looked: int, changed: int, done: bool) -> Operation:
    """Note what was done of an operation that is locked; it stays with who works on it."""
    values = {"id": operation_id, "position": position, "looked": looked, "changed": changed, "done": int(done)}
    return Operation(*tx.rows(ADVANCE, values)[0])


def leave(tx: Tx, operation_id: str) -> None:
    """Leave an operation to others."""
    tx.run("UPDATE rota_operations SET busy_until = NULL WHERE id = :id AND status = 'running'", {"id": operation_id})


END = """
UPDATE rota_operations SET status = :status, error = :error, busy_until = NULL, updated_at = rota_now(),
  completed_at = rota_now()
WHERE id = :id AND status = 'running'
"""


def end(tx: Tx, operation_id: str, status: str, error: str | None = None) -> bool:
    """End an operation before all is done (``cancelled``, ``failed``); tell whether it was running."""
    return tx.run(END, {"id": operation_id, "status": status, "error": error}) == 1


FORGET = """
DELETE FROM rota_operations WHERE id {in|SELECT id FROM rota_operations WHERE id < :first_id AND status <> 'running'
  AND completed_at < :before ORDER BY id LIMIT :limit}
"""


def forget(tx: Tx, *, before: int, limit: int) -> int:
    """Delete operations that ended before ``before`` (µs UTC), at most ``limit``; return how many."""
    return tx.run(FORGET, {"before": before, "first_id": least_id(before), "limit": limit})
