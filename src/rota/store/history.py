"""What ended jobs tell: how many failed."""

from __future__ import annotations

from typing import get_args

from rota.model import Origin
from rota.store.database import Tx

MOST_COUNTED = 10_000

# Each origin by itself, so that the index of ended jobs serves: the time of the end is its last column.
FAILED = " UNION ALL ".join(
    f"""
SELECT count(*) AS n FROM (
  SELECT 1 FROM rota_jobs WHERE status = 'failed' AND origin = '{origin}' AND completed_at >= :since
    AND status IN ('completed', 'failed', 'cancelled') LIMIT {MOST_COUNTED}
) {origin}_jobs
"""
    for origin in get_args(Origin)
)


def failed_since(tx: Tx, since_us: int) -> int:
    """Return how many jobs failed since then and were not retried or deleted, at most ``MOST_COUNTED``."""
    return min(MOST_COUNTED, sum(int(row[0]) for row in tx.rows(FAILED, {"since": since_us})))
