"""A database as it is after months: nearly everything in it is finished."""

from __future__ import annotations

from rota.store.database import Database
from tests.store import builders

RUNNING = 500
PENDING = 400
SCHEDULED = 300

NUMBERS = {
    "postgresql": "generate_series(1, :total) AS n(i)",
    "sqlite": """(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :total)
      SELECT i FROM n) AS n""",
}

# Ids grow with time, as real ones do; the last rows are those that wait or run.
FILL = """
INSERT INTO rota_jobs (id, type, lane, queue, rank, status, run_at, attempt, attempts_used, max_attempts, args,
  result, origin, started_by, schedule_id, scheduled_for, worker_id, created_at, started_at, completed_at, updated_at,
  expires_at)
SELECT CAST(ID AS {uuid}), CASE WHEN i % 1000 = 7 THEN 'rare' ELSE 'type' || (i % 7) END,
  CASE WHEN i % 3 = 0 THEN 'http' ELSE 'async' END, 'queue' || (i % 5), i % 3, status, CAST(i AS bigint) * 1000,
  CASE WHEN status IN ('pending', 'scheduled') THEN 0 ELSE 1 END, 0, 4, {json|:args}, {json|:result},
  CASE WHEN i % 4 = 0 THEN 'schedule' ELSE 'enqueue' END, 'ann',
  CASE WHEN i % 4 = 0 THEN 'schedule' || (i % 40) END, CASE WHEN i % 4 = 0 THEN CAST(i AS bigint) * 1000 END,
  CASE WHEN status = 'running' THEN CAST(:worker AS {uuid}) END, CAST(i AS bigint) * 1000, CAST(i AS bigint) * 1000,
  CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN CAST(i AS bigint) * 1000 END, CAST(i AS bigint) * 1000,
  CASE WHEN i % 50 = 0 THEN 9000000000000000 END
FROM (SELECT i, CASE WHEN i > :total - :running THEN 'running' WHEN i > :total - :running - :pending THEN 'pending'
    WHEN i > :total - :running - :pending - :scheduled THEN 'scheduled' WHEN i % 100 = 3 THEN 'failed'
    WHEN i % 500 = 9 THEN 'cancelled' ELSE 'completed' END AS status
  FROM NUMBERS) s
"""
ID = {
    "postgresql": "lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000'",
    "sqlite": "printf('%08x-0000-7000-8000-000000000000', i)",
}


def fill(db: Database, total: int) -> str:
    """Fill the table of jobs; the id of the worker that runs ``RUNNING`` of them."""
    worker = builders.register(db, lease_us=builders.DAY)
    sql = FILL.replace("NUMBERS", NUMBERS[db.dialect]).replace("CAST(ID", f"CAST({ID[db.dialect]}")
    params = {"total": total, "running": RUNNING, "pending": PENDING, "scheduled": SCHEDULED, "worker": worker}
    params |= {"args": '{"n":1}', "result": '{"ok":true}'}
    with db.transaction() as tx:
        tx.run(sql, params)
        tx.run("INSERT INTO rota_queues (name, created_at) SELECT DISTINCT queue, 0 FROM rota_jobs")
    return worker
