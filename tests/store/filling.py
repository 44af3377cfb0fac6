"""A database as it is after months: nearly everything in it is finished."""

from __future__ import annotations

from typing import Literal

from rota.store.database import Database
from tests.store import builders

PENDING = 400
RINGED = 300
SCHEDULED = 300
HELD = 150
SCHEDULES = 20_000
DUE_SCHEDULES = 40

Statistics = Literal["none", "fresh"]

NUMBERS = {
    "postgresql": "generate_series(1, :total) AS n(i)",
    "sqlite": """(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :total)
      SELECT i FROM n) AS n""",
}
ID = {
    "postgresql": "CAST(lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000' AS uuid)",
    "sqlite": "printf('%08x-0000-7000-8000-000000000000', i)",
}

# Ids grow with time, as real ones do; the last rows are those that wait.
JOBS = """
INSERT INTO rota_jobs (id, type, lane, queue, rank, status, run_at, attempt, attempts_used, max_attempts, args, result,
  origin, started_by, schedule_id, scheduled_for, turn_key, created_at, started_at, completed_at, updated_at,
  expires_at)
SELECT [ID], CASE WHEN i % 1000 = 7 THEN 'rare' ELSE 'type' || (i % 7) END,
  CASE WHEN i % 3 = 0 THEN 'http' ELSE 'async' END, 'queue' || (i % 5), i % 3, status, at,
  CASE WHEN ended THEN 1 ELSE 0 END, 0, 4, {json|:args}, CASE WHEN ended THEN {json|:result} END,
  CASE WHEN i % 4 = 0 THEN 'schedule' ELSE 'enqueue' END, 'ann',
  CASE WHEN i % 4 = 0 THEN 'schedule' || (i % 40) END, CASE WHEN i % 4 = 0 THEN at END,
  CASE WHEN i % 4 = 0 THEN 'schedule:' || CASE WHEN ended THEN i % 40 ELSE i END END, at,
  CASE WHEN ended THEN at END, CASE WHEN ended THEN at END, at, CASE WHEN i % 50 = 0 THEN 9000000000000000 END
FROM (SELECT i, CAST(i AS bigint) * 1000 AS at, i <= :total - :pending - :scheduled AS ended,
    CASE WHEN i > :total - :pending THEN 'pending' WHEN i > :total - :pending - :scheduled THEN 'scheduled'
    WHEN i % 100 = 3 THEN 'failed' WHEN i % 500 = 9 THEN 'cancelled' ELSE 'completed' END AS status
  FROM [NUMBERS]) s
"""

REST = """
INSERT INTO rota_attempts (job_id, attempt, outcome, ended_at) SELECT [ID], 1, 'failed', i FROM [NUMBERS]
---
INSERT INTO rota_logs (job_id, attempt, first_line, lines, at, body) SELECT [ID], 1, 1, 1, i, '[]' FROM [NUMBERS]
---
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, version, decided_at)
SELECT 'schedule' || (i % 40), i, i, 'fired', 1, i FROM [NUMBERS]
---
INSERT INTO rota_schedule_versions (schedule_id, version, action, at)
SELECT 'schedule' || (i / 5), 1 + i % 5, 'edited', i % 5 FROM [NUMBERS]
---
INSERT INTO rota_queues (name, created_at) SELECT DISTINCT queue, 0 FROM rota_jobs
"""

# Every third of these asks for a label.
RINGS = """
UPDATE rota_jobs SET concurrency_key = 'customer=' || (rank % 7),
  run_on = CASE WHEN lane = 'http' THEN {json|:labels} END,
  ring = CASE WHEN lane = 'http' THEN '["gpu"]' ELSE '' END || '|customer=' || (rank % 7)
WHERE id IN (SELECT id FROM rota_jobs WHERE status = 'pending' ORDER BY id DESC LIMIT :ringed)
"""

MANY_SCHEDULES = """
INSERT INTO rota_schedules (id, lane, args, rule, timezone, job, overlap, catchup, jitter_us, anchor_at, next_at, runs,
  owner, version, created_at, updated_at)
SELECT 'schedule' || i, 'async', {json|:args}, {json|:args}, 'UTC', {json|:args}, 'skip', 'latest', 0, 0,
  CASE WHEN i < :due THEN 1000 + i ELSE 9000000000000000 + i END, 0, 'api', 1, 0, 0
FROM [NUMBERS]
"""


def fill(db: Database, total: int, statistics: Statistics = "none", running: int = 500) -> str:
    """Fill a database with ``total`` jobs and more that wait, of which one worker then claims ``running``; its id.

    Statistics are taken before the claim, as they nearly always are: they say that nothing runs.
    """
    if db.dialect == "postgresql":
        of_jobs = ("jobs", "attempts", "logs", "dependencies", "batches")
        for table in (*of_jobs, "occurrences", "schedules", "schedule_versions"):
            builders.execute(db, f"ALTER TABLE rota_{table} SET (autovacuum_enabled = false)")
    args = {"args": '{"n":1}'}
    waiting = {"pending": PENDING + RINGED + running, "scheduled": SCHEDULED}
    _insert(db, JOBS, total=total + sum(waiting.values()), result='{"ok":true}', **waiting, **args)
    for statement in REST.split("---"):
        _insert(db, statement, total=total // 2)
    db.run(lambda tx: tx.run(RINGS, {"labels": '["gpu"]', "ringed": RINGED}))
    _hold(db, HELD)
    _insert(db, MANY_SCHEDULES, total=SCHEDULES, due=DUE_SCHEDULES + 1, **args)
    if statistics == "fresh":
        builders.execute(db, "ANALYZE")
    worker = builders.register(db, lease_us=builders.DAY)
    claimed = builders.claim(db, worker, lanes={"http": running // 3, "async": running - running // 3})
    assert len(claimed) == running
    return worker


def _hold(db: Database, count: int) -> None:
    """Store jobs that wait for those which wait or will run."""
    sql = "SELECT turn_key FROM rota_jobs WHERE turn_key IS NOT NULL AND completed_at IS NULL ORDER BY id LIMIT :count"
    keys = [row[0] for row in db.read(lambda tx: tx.rows(sql, {"count": count}))]
    assert len(builders.insert(db, *(builders.new_job(turn_key=key) for key in keys))) == count


def _insert(db: Database, statement: str, **params: object) -> None:
    sql = statement.replace("[NUMBERS]", NUMBERS[db.dialect]).replace("[ID]", ID[db.dialect])
    db.run(lambda tx: tx.run(sql, params))
