"""Retention: ended jobs, occurrences and logs are deleted by age, in small batches."""

from __future__ import annotations

from rota.store import jobs
from rota.store.database import Tx

# Runs of schedules, triggers and exec are history; plain queue jobs are traffic.  Each kind is a range of the index,
# or the traffic's short retention would walk over the whole history each time.
OLD_JOBS = """
SELECT id FROM rota_jobs j WHERE status = 'STATUS' AND origin = :origin AND completed_at < :before
  AND status IN ('completed', 'failed', 'cancelled')
  AND (schedule_id IS NULL OR scheduled_for IS NULL OR scheduled_for < coalesce((
    SELECT k.scheduled_for FROM rota_jobs k WHERE k.schedule_id = j.schedule_id AND k.scheduled_for IS NOT NULL
    ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET :keep), 0))
  GOOD
ORDER BY completed_at LIMIT :limit
"""

# The last good run of each schedule stays: the next run is given its result.
GOOD = """AND (schedule_id IS NULL OR scheduled_for IS NULL OR scheduled_for < (
    SELECT k.scheduled_for FROM rota_jobs k WHERE k.schedule_id = j.schedule_id AND k.scheduled_for IS NOT NULL
    AND k.status = 'completed' ORDER BY k.scheduled_for DESC LIMIT 1))"""


def old_jobs(tx: Tx, *, before: int, failed: bool, runs: bool, keep_last: int, limit: int) -> list[str]:
    """Return ended jobs older than ``before`` (µs UTC), but the last ``keep_last`` runs of each schedule (at least
    one), and its last good one."""
    found: list[str] = []
    for status in ("failed",) if failed else ("completed", "cancelled"):
        for origin in ("schedule", "trigger", "exec") if runs else ("enqueue",):
            room = limit - len(found)
            if room > 0:
                params = {
                    "status": status,
                    "origin": origin,
                    "before": before,
                    "keep": max(0, keep_last - 1),
                    "limit": room,
                }
                sql = OLD_JOBS.replace("STATUS", status).replace("GOOD", GOOD if status == "completed" else "")
                found += [row[0] for row in tx.rows(sql, params)]
    return found


def delete_jobs(tx: Tx, ids: list[str]) -> int:
    """Delete ended jobs with their attempts and logs."""
    return jobs.delete(tx, ids) if ids else 0


def delete_occurrences(tx: Tx, before: int, limit: int) -> int:
    """Delete occurrences decided before ``before``."""
    sql = """
    DELETE FROM rota_occurrences WHERE (schedule_id, scheduled_for) IN (
      SELECT schedule_id, scheduled_for FROM rota_occurrences WHERE decided_at < :before ORDER BY decided_at
      LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_logs(tx: Tx, before: int, limit: int) -> int:
    """Delete log chunks older than ``before``."""
    sql = """
    DELETE FROM rota_logs WHERE (job_id, first_line) IN (
      SELECT job_id, first_line FROM rota_logs WHERE at < :before ORDER BY at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_idempotency(tx: Tx, before: int, limit: int = 10_000) -> int:
    """Delete remembered answers older than ``before``, at most ``limit``."""
    sql = """
    DELETE FROM rota_idempotency WHERE key IN (
      SELECT key FROM rota_idempotency WHERE created_at < :before ORDER BY created_at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})
