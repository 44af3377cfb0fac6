"""What ended jobs tell, how long they ran and how many failed; and which schedules are due soon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from rota.model import Origin, Schedule
from rota.store.database import Tx
from rota.store.schedules import COLUMNS, read_schedule
from rota.store.sql import batch

MOST_COUNTED = 10_000
LAST_RUNS = 20
"""Of so many of the last runs of a schedule the durations are looked at."""

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

DURATIONS = f"""
SELECT j.schedule_id, {{pg|string_agg(CAST(j.completed_at - j.started_at AS text), ',')}}
  {{lite|group_concat(j.completed_at - j.started_at)}}
FROM {{rows|u|ids|id text}} JOIN rota_jobs j ON j.schedule_id = u.id AND j.schedule_id IS NOT NULL
WHERE j.status = 'completed' AND j.completed_at >= j.started_at
  AND j.scheduled_for >= coalesce((
    SELECT k.scheduled_for FROM rota_jobs k
    WHERE k.schedule_id = u.id AND k.schedule_id IS NOT NULL AND k.scheduled_for IS NOT NULL
    ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET {LAST_RUNS - 1}), 0)
GROUP BY j.schedule_id
"""

UPCOMING = f"SELECT {COLUMNS} FROM rota_schedules WHERE next_at <= :until ORDER BY next_at LIMIT :limit"


def failed_since(tx: Tx, since_us: int) -> int:
    """Return how many jobs failed since then and were not retried or deleted, at most ``MOST_COUNTED``."""
    return min(MOST_COUNTED, sum(int(row[0]) for row in tx.rows(FAILED, {"since": since_us})))


def durations(tx: Tx, schedule_ids: Sequence[str]) -> dict[str, list[int]]:
    """Return how long the completed ones of the last runs of each schedule ran (µs), the shortest first."""
    rows = tx.rows(DURATIONS, {"ids": batch([{"id": one} for one in schedule_ids])}) if schedule_ids else []
    return {schedule_id: sorted(map(int, text.split(","))) for schedule_id, text in rows}


def upcoming(tx: Tx, until_us: int, limit: int) -> list[Schedule]:
    """Return the schedules that are due next, at the latest at a moment (µs UTC), the earliest first."""
    return [read_schedule(row) for row in tx.rows(UPCOMING, {"until": until_us, "limit": limit})]
