"""Retention: ended jobs, occurrences and logs are deleted by age, in small batches."""

from __future__ import annotations

from rota.store import jobs
from rota.store.database import Tx

# Runs of schedules, triggers and exec are history; plain queue jobs are traffic.
OLD_JOBS = """
SELECT id FROM rota_jobs j WHERE status IN ('completed', 'failed', 'cancelled') AND completed_at < :before
  AND status {in_status} AND origin {in_origin}
  AND (schedule_id IS NULL OR scheduled_for IS NULL OR scheduled_for < coalesce((
    SELECT k.scheduled_for FROM rota_jobs k WHERE k.schedule_id = j.schedule_id
    ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET :keep), 0))
ORDER BY completed_at LIMIT :limit
"""


def old_jobs(tx: Tx, *, before: int, failed: bool, runs: bool, keep_last: int, limit: int) -> list[str]:
    """Return ended jobs older than ``before`` (µs UTC), but the last ``keep_last`` runs of each schedule."""
    sql = OLD_JOBS.replace("{in_status}", "= 'failed'" if failed else "<> 'failed'")
    sql = sql.replace("{in_origin}", "<> 'enqueue'" if runs else "= 'enqueue'")
    return [row[0] for row in tx.rows(sql, {"before": before, "keep": max(0, keep_last - 1), "limit": limit})]


def delete_jobs(tx: Tx, ids: list[str]) -> int:
    """Delete ended jobs with their attempts and logs."""
    return jobs.delete(tx, ids) if ids else 0


def delete_occurrences(tx: Tx, before: int, limit: int) -> int:
    """Delete occurrences decided before ``before``."""
    sql = """
    DELETE FROM rota_occurrences WHERE (schedule_id, scheduled_for) IN (
      SELECT schedule_id, scheduled_for FROM rota_occurrences WHERE decided_at < :before ORDER BY decided_at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_logs(tx: Tx, before: int, limit: int) -> int:
    """Delete log chunks older than ``before``."""
    sql = """
    DELETE FROM rota_logs WHERE (job_id, first_line) IN (
      SELECT job_id, first_line FROM rota_logs WHERE at < :before ORDER BY at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_idempotency(tx: Tx, before: int) -> int:
    """Delete remembered answers older than ``before``."""
    return tx.run("DELETE FROM rota_idempotency WHERE created_at < :before", {"before": before})
