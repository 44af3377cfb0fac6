"""Jobs whose time has come: from scheduled to pending; and those that waited too long."""

from __future__ import annotations

import msgspec

from rota.store import dependencies
from rota.store.database import Tx
from rota.store.unique import kept

# The clock is read in a subquery of its own: PostgreSQL then reads it once and stops in the index where the due rows
# end, where a bare rota_now() is volatile and makes it look at every row that is due later.
NOW = "(SELECT rota_now())"

MOVE = f"""
UPDATE rota_jobs SET status = 'pending', updated_at = rota_now() WHERE id {{in|
  SELECT id FROM rota_jobs WHERE status = 'scheduled' AND run_at <= {NOW} ORDER BY run_at LIMIT :limit
  {{pg|FOR UPDATE SKIP LOCKED}}}} RETURNING queue
"""

EXPIRE = f"""
UPDATE rota_jobs SET status = 'cancelled', reason = 'expired', error = 'it waited longer than its expiresIn',
  error_detail = NULL, unique_hold = {kept()}, completed_at = rota_now(), updated_at = rota_now()
WHERE id {{in|SELECT id FROM rota_jobs WHERE expires_at <= {NOW} AND status IN ('pending', 'scheduled', 'held')
  ORDER BY expires_at LIMIT :limit {{pg|FOR UPDATE SKIP LOCKED}}}} RETURNING {dependencies.ENDED}
"""


SEEN = f"""
(SELECT min(run_at) FROM rota_jobs WHERE status = 'scheduled'),
  EXISTS (SELECT 1 FROM rota_jobs WHERE expires_at <= {NOW} AND status IN ('pending', 'scheduled', 'held')),
  EXISTS (SELECT 1 FROM rota_jobs {{lite|INDEXED BY rota_jobs_held}} WHERE status = 'held')
"""

LOOK = f"SELECT rota_now(), {SEEN}"


class Look(msgspec.Struct, frozen=True):
    """What there is to do.  Times are µs UTC by the database's clock."""

    now: int
    next_at: int | None
    """When the next scheduled job is due."""
    expired: bool
    """A job waited longer than it may."""
    held: bool
    """A job waits for its turn."""


def look(tx: Tx) -> Look:
    """Return what there is to do: one statement that goes by its indexes."""
    ((now, next_at, expired, held),) = tx.rows(LOOK)
    return Look(now, next_at, bool(expired), bool(held))


def move(tx: Tx, limit: int) -> set[str]:
    """Make due jobs ready, at most ``limit``; return the queues they wait in."""
    found = {row[0] for row in tx.rows(MOVE, {"limit": limit})}
    if found:
        tx.hint("jobs")
    return found


def expire(tx: Tx, limit: int) -> list[str]:
    """Cancel jobs that waited longer than they may; return their ids."""
    rows = tx.rows(EXPIRE, {"limit": limit})
    dependencies.end(tx, [dependencies.End(*row) for row in rows])
    return [row[0] for row in rows]
