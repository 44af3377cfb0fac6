"""What a waiting job waits behind: who runs, who comes before it, and how long such runs take."""

from __future__ import annotations

import msgspec

from rota.model import Job
from rota.store.database import Tx

MOST_BEFORE = 1000
"""Jobs that come before one are counted up to here."""
MOST_NAMED = 3
LAST_RUNS = 20
"""Of so many of the last runs of a type the durations are looked at."""
MOST_LOOKED_AT = 200


class Run(msgspec.Struct, frozen=True):
    """A job that runs."""

    id: str
    type: str | None
    started_at: int


# What is before it is at the beginning of its index; so no more than that is looked at.
BEFORE = f"""
SELECT count(*) FROM (
  SELECT j.rank, j.run_at, j.id FROM rota_jobs j WHERE j.status = 'pending' AND LINE AND j.queue = :queue
    AND j.lane = :lane ORDER BY j.rank, j.run_at, j.id LIMIT {MOST_BEFORE}
) b WHERE (b.rank, b.run_at, b.id) < (:rank, :run_at, {{pg|CAST(:id AS uuid)}}{{lite|:id}})
"""


def before(tx: Tx, job: Job) -> int:
    """Return how many jobs of its line come before a ready job, at most ``MOST_BEFORE``.

    The line of a job with labels or a concurrency key are the jobs with the same; else the plain ones of its queue.
    """
    line = "j.ring IS NULL" if job.ring is None else "j.ring = :ring AND j.ring IS NOT NULL"
    params = {
        "queue": job.queue, "lane": job.lane, "ring": job.ring, "rank": job.rank, "run_at": job.run_at, "id": job.id,
    }  # fmt: skip
    return int(tx.value(BEFORE.replace("LINE", line), params))


RUNS = f"""
SELECT id, type, started_at FROM rota_jobs WHERE status = 'running' AND queue = :queue
ORDER BY started_at, id LIMIT {MOST_NAMED}
"""


def runs(tx: Tx, queue: str) -> list[Run]:
    """Return the oldest runs of a queue."""
    return [Run(*row) for row in tx.rows(RUNS, {"queue": queue})]


def run(tx: Tx, job_id: str) -> Run | None:
    """Return a job that runs, or None."""
    row = tx.row("SELECT id, type, started_at FROM rota_jobs WHERE id = :id AND status = 'running'", {"id": job_id})
    return Run(*row) if row else None


BUSY = "SELECT worker_id, count(*) FROM rota_jobs WHERE status = 'running' AND WHAT = :name GROUP BY worker_id"


def busy_in_lane(tx: Tx, lane: str) -> dict[str, int]:
    """Return how many jobs of a lane each worker runs."""
    return dict(tx.rows(BUSY.replace("WHAT", "lane"), {"name": lane}))


def busy_in_queue(tx: Tx, queue: str) -> dict[str, int]:
    """Return how many jobs of a queue each worker runs."""
    return dict(tx.rows(BUSY.replace("WHAT", "queue"), {"name": queue}))


# Back from a job of the type that runs: those before it have nearly all ended.  PostgreSQL would walk over the jobs of
# all types for a type that it thinks frequent, SQLite over all of this type for a comparison of rows.
DURATIONS = f"""
SELECT r.completed_at - r.started_at FROM (
  SELECT j.status, j.started_at, j.completed_at FROM rota_jobs j
  WHERE {{lite|j.type = :type AND j.id < :id}}
    {{pg|(j.type, j.id) < (:type, CAST(:id AS uuid)) AND j.type >= :type AND j.status <> 'running'}}
  ORDER BY j.type DESC, j.id DESC LIMIT {MOST_LOOKED_AT}
) r WHERE r.status = 'completed' AND r.completed_at >= r.started_at LIMIT {LAST_RUNS}
"""


def durations(tx: Tx, one: Run) -> list[int]:
    """Return how long the last completed runs of the same type ran (µs)."""
    if one.type is None:
        return []
    return [row[0] for row in tx.rows(DURATIONS, {"type": one.type, "id": one.id})]


OPEN_IN_BATCH = """
SELECT count(*) FROM rota_jobs WHERE batch_id = :id AND batch_id IS NOT NULL
  AND status IN ('scheduled', 'pending', 'held', 'running')
"""


def open_in_batch(tx: Tx, batch_id: str) -> int:
    """Return how many jobs of a batch have not ended."""
    return int(tx.value(OPEN_IN_BATCH, {"id": batch_id}))


FIRST_OF_EACH = """
SELECT min(CAST(id AS text)) FROM rota_jobs WHERE status = 'pending' GROUP BY queue, lane, coalesce(ring, '')
"""


def first_of_each(tx: Tx) -> list[str]:
    """Return the id of one job of each line that waits: what holds it holds the others too."""
    return [row[0] for row in tx.rows(FIRST_OF_EACH)]
