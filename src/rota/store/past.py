"""Jobs that ended in another system, stored as they were."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.store.database import Tx
from rota.store.sql import batch


class PastJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that has ended.  Times are µs UTC, documents JSON text."""

    id: str
    type: str
    lane: str
    target: str | None
    status: str
    args: str
    tags: str
    result: str | None
    error: str | None
    started_by: str | None
    created_at: int
    started_at: int | None
    completed_at: int
    updated_at: int


INSERT = """
INSERT INTO rota_jobs (id, type, lane, target, queue, rank, status, run_at, attempt, attempts_used, max_attempts, args,
  tags, result, error, origin, started_by, created_at, started_at, completed_at, updated_at)
SELECT u.id, u.type, u.lane, {json|u.target}, 'default', 0, u.status, u.created_at, 1,
  CASE u.status WHEN 'failed' THEN 1 ELSE 0 END, 1, {json|u.args}, {json|u.tags}, {json|u.result}, u.error,
  'trigger', u.started_by, u.created_at, u.started_at, u.completed_at, u.updated_at
FROM {rows|u|batch|id uuid, type text, lane text, target text, status text, args text, tags text, result text,
  error text, started_by text, created_at bigint, started_at bigint, completed_at bigint, updated_at bigint}
WHERE true
ON CONFLICT DO NOTHING
RETURNING id
"""


def insert(tx: Tx, jobs: Sequence[PastJob]) -> int:
    """Store those that are not there yet; return how many that were."""
    return len(tx.rows(INSERT, {"batch": batch(jobs)})) if jobs else 0
