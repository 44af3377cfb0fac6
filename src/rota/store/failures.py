"""What failed of late, and which processes were lost: bounded looks by indexes."""

from __future__ import annotations

from typing import get_args

import msgspec

from rota.model import Origin
from rota.store.database import Tx

MOST_FAILURES = 2000
MOST_LOST = 50
LONGEST_ERROR = 1000

# Each origin by itself, so that the index of ended jobs serves: the time of the end is its last column.
FAILED = " UNION ALL ".join(
    f"""
SELECT * FROM (
  SELECT id, type, queue, substr(error, 1, {LONGEST_ERROR}) AS error, completed_at, schedule_id FROM rota_jobs
  WHERE status = 'failed' AND origin = '{origin}' AND completed_at >= :since
    AND status IN ('completed', 'failed', 'cancelled')
  ORDER BY completed_at DESC LIMIT {MOST_FAILURES}
) {origin}_jobs
"""
    for origin in get_args(Origin)
)

LOST = f"""
SELECT id, role, host, seen_at FROM rota_workers
WHERE seen_at >= :since AND (state = 'lost' OR (state IN ('running', 'draining') AND lease_until < rota_now()))
ORDER BY seen_at DESC LIMIT {MOST_LOST}
"""


class Failure(msgspec.Struct, frozen=True):
    """A job that failed and was not retried since."""

    id: str
    type: str | None
    queue: str
    error: str | None
    at: int
    """µs UTC."""
    schedule_id: str | None


def failures(tx: Tx, since_us: int) -> list[Failure]:
    """Return the jobs that failed since then, the latest first, at most ``MOST_FAILURES``."""
    found = [Failure(*row) for row in tx.rows(FAILED, {"since": since_us})]
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)[:MOST_FAILURES]


class Lost(msgspec.Struct, frozen=True):
    """A process whose lease ran out; ``seen_at`` (µs UTC) is its last sign of life."""

    id: str
    role: str
    host: str
    seen_at: int


def lost(tx: Tx, since_us: int) -> list[Lost]:
    """Return the processes whose lease ran out, of those that gave a sign of life since then."""
    return [Lost(*row) for row in tx.rows(LOST, {"since": since_us})]
