"""Drain: how quickly one worker process empties a queue of no-op jobs, beside the raw claim-and-finish loop."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from benchmarks.setting import Bench, Figure, fill, fresh, process, wait_for
from rota.ids import new_id

JOBS = 20_000
BATCH = 200


def run(kind: str, postgres_url: str | None, jobs: int = JOBS) -> Iterator[Figure]:
    """Measure the raw loop before and after the real drain, since machines drift; the mean is the reference."""
    with fresh(kind, postgres_url) as bench:
        before = raw(bench, jobs)
        real = drain(bench, jobs)
        after = raw(bench, jobs)
    yield Figure(
        name="drain, one worker, no-op async jobs", database=kind, value=real, unit="jobs/s", raw=(before + after) / 2,
        raw_name="claim and finish in one loop", goal=0.5,
    )  # fmt: skip


RAW_CLAIM = """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = rota_now()
WHERE {pg|id = ANY(ARRAY(}{lite|id IN (}SELECT id FROM rota_jobs WHERE status = 'pending' AND queue = 'bench'
  AND lane = 'async' ORDER BY rank, run_at, id LIMIT :n {pg|FOR UPDATE SKIP LOCKED}{pg|)}) RETURNING id, attempt, args
"""

RAW_FINISH = """
UPDATE rota_jobs AS j SET status = 'completed', completed_at = rota_now(), attempts_used = 1
FROM {rows|u|batch|id uuid, attempt bigint}
WHERE j.id = u.id AND j.attempt = u.attempt AND {lite|+}j.worker_id = :worker AND {lite|+}j.status = 'running'
"""


def raw(bench: Bench, jobs: int) -> float:
    """Claim and finish in batches on one connection, with nothing around it; return jobs a second."""
    fill(bench, jobs)
    worker = new_id()
    began = time.perf_counter()
    done = 0
    while done < jobs:
        with bench.db.transaction() as tx:
            rows = tx.rows(RAW_CLAIM, {"worker": worker, "n": BATCH})
        batch = msgspec.json.encode([{"id": row[0], "attempt": row[1]} for row in rows]).decode()
        with bench.db.transaction() as tx:
            tx.run(RAW_FINISH, {"worker": worker, "batch": batch})
        done += len(rows)
    return jobs / (time.perf_counter() - began)


def drain(bench: Bench, jobs: int) -> float:
    """Let a real worker process with its runner empty the queue; the clock is the database's, from first start to last end."""
    fill(bench, jobs)
    with bench.db.statement() as tx:
        mark = tx.now()
    with process(bench, "worker", "--app", "benchmarks.app:rota"):
        done = f"SELECT count(*) FROM rota_jobs WHERE status = 'completed' AND completed_at > {mark}"
        wait_for(bench, done, jobs, 120)
    with bench.db.statement() as tx:
        row = tx.row(
            "SELECT min(started_at), max(completed_at) FROM rota_jobs WHERE completed_at > :mark", {"mark": mark}
        )
    assert row is not None
    return jobs / ((row[1] - row[0]) / 1e6)
