"""What ended jobs tell, how long they ran and how many failed; and which schedules are due soon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

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

# The one whose turn it is, before those that wait for theirs.
ACTIVE = """
SELECT id, status, started_at, run_at FROM rota_jobs
WHERE schedule_id = :id AND schedule_id IS NOT NULL AND status IN ('scheduled', 'pending', 'running', 'held')
ORDER BY CASE status WHEN 'running' THEN 0 WHEN 'held' THEN 2 ELSE 1 END, id LIMIT 1
"""

COUNT_HELD = f"""
SELECT count(*) FROM (
  SELECT 1 FROM rota_jobs WHERE schedule_id = :id AND schedule_id IS NOT NULL AND status = 'held'
    AND status IN ('scheduled', 'pending', 'running', 'held') LIMIT {MOST_COUNTED}
) h
"""

UPCOMING = f"SELECT {COLUMNS} FROM rota_schedules WHERE next_at <= :until ORDER BY next_at LIMIT :limit"


def failed_since(tx: Tx, since_us: int) -> int:
    """Return how many jobs failed since then and were not retried or deleted, at most ``MOST_COUNTED``."""
    return min(MOST_COUNTED, sum(int(row[0]) for row in tx.rows(FAILED, {"since": since_us})))


def durations(tx: Tx, schedule_ids: Sequence[str]) -> dict[str, list[int]]:
    """Return how long the completed ones of the last runs of each schedule ran (µs), the shortest first."""
    rows = tx.rows(DURATIONS, {"ids": batch([{"id": one} for one in schedule_ids])}) if schedule_ids else []
    return {schedule_id: sorted(map(int, text.split(","))) for schedule_id, text in rows}


class Active(msgspec.Struct, frozen=True):
    """The run of a schedule that has not ended and whose turn it is; times are µs UTC."""

    id: str
    status: str
    started_at: int | None
    run_at: int
    held: int
    """How many wait for their turn behind it."""


def active(tx: Tx, schedule_id: str) -> Active | None:
    """Return the run of a schedule that has not ended, the first where there are several."""
    row = tx.row(ACTIVE, {"id": schedule_id})
    if row is None:
        return None
    job_id, status, started_at, run_at = row
    held = int(tx.value(COUNT_HELD, {"id": schedule_id}))
    return Active(job_id, status, started_at, run_at, held)


def upcoming(tx: Tx, until_us: int, limit: int) -> list[Schedule]:
    """Return the schedules that are due next, at the latest at a moment (µs UTC), the earliest first."""
    return [read_schedule(row) for row in tx.rows(UPCOMING, {"until": until_us, "limit": limit})]
