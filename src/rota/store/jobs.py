"""Jobs: insert, read one, change one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.ids import is_id
from rota.model import Attempt, Job, NewJob
from rota.store.database import Topic, Tx, columns
from rota.store.sql import batch

COLUMNS = columns(Job.__struct_fields__)

INSERT = """
INSERT INTO rota_jobs (id, type, lane, target, queue, rank, status, run_at, max_attempts, retry, timeout_us, on_lost,
  args, unique_key, unique_scope, unique_hold, concurrency_key, callback_url, tags, run_on, origin, started_by,
  schedule_id, scheduled_for, expires_at, created_at, updated_at)
SELECT u.id, u.type, u.lane, {json|u.target}, u.queue, u.rank,
  CASE WHEN coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0) <= n.now THEN 'pending' ELSE 'scheduled' END,
  coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0), u.max_attempts, {json|u.retry}, u.timeout_us,
  coalesce(u.on_lost, 'retry'), {json|u.args},
  u.unique_key, u.unique_scope, CASE WHEN u.unique_scope IS NOT NULL THEN u.unique_key END, u.concurrency_key,
  u.callback_url, {json|u.tags}, {json|u.run_on}, coalesce(u.origin, 'enqueue'), u.started_by, u.schedule_id,
  u.scheduled_for, n.now + u.expires_us, n.now, n.now
FROM (SELECT rota_now() AS now) n CROSS JOIN {rows|u|batch|id uuid, type text, lane text, target text, queue text,
  rank bigint, run_at bigint, delay_us bigint, max_attempts bigint, retry text, timeout_us bigint, on_lost text,
  args text, unique_key text, unique_scope text, concurrency_key text, callback_url text, tags text, run_on text,
  origin text, started_by text, schedule_id text, scheduled_for bigint, expires_us bigint}
WHERE true
ON CONFLICT DO NOTHING
RETURNING id
"""

QUEUES = """
INSERT INTO rota_queues (name, created_at)
SELECT u.name, rota_now() FROM {rows|u|batch|name text} WHERE true ON CONFLICT DO NOTHING
"""


def insert(tx: Tx, jobs: Sequence[NewJob]) -> list[str]:
    """Insert jobs in one statement; return the ids that were stored.

    A job is left out when its id is there already (the same call, tried again) or its unique key is held by another
    job: see ``holder``.  Queues come into being here; the database object remembers those that are known.
    """
    known = tx.db.known_queues
    fresh = {job.queue for job in jobs} - known
    if fresh:
        tx.run(QUEUES, {"batch": batch([{"name": name} for name in sorted(fresh)])})
        tx.after_commit(lambda: known.update(fresh))
    topic: Topic = "due" if all(job.delay_us or job.run_at for job in jobs) else "jobs"
    # One row tells of itself, which saves the way to the server and back; of many each would do so.
    sql = INSERT + tx.hint_within(topic) if len(jobs) == 1 else INSERT
    stored = [row[0] for row in tx.rows(sql, {"batch": batch(jobs)})]
    if stored and len(jobs) > 1:
        tx.hint(topic)
    return stored


def existing(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that are stored."""
    sql = "SELECT id FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    return {row[0] for row in tx.rows(sql, _ids(ids))}


def _ids(ids: Iterable[str]) -> dict[str, str]:
    """The parameter of a statement over ids; a malformed one is simply unknown."""
    return {"batch": batch([{"id": job_id} for job_id in ids if is_id(job_id)])}


def holder(tx: Tx, unique_key: str) -> str | None:
    """Return the id of the job that holds a unique key."""
    found: str | None = tx.value("SELECT id FROM rota_jobs WHERE unique_hold = :key", {"key": unique_key})
    return found


def get(tx: Tx, job_id: str) -> Job | None:
    """Return a job, or None; a malformed id is simply unknown."""
    if not is_id(job_id):
        return None
    row = tx.row(f"SELECT {COLUMNS} FROM rota_jobs WHERE id = :id", {"id": job_id})
    return Job(**dict(zip(Job.__struct_fields__, row, strict=True))) if row else None


def lock(tx: Tx, job_id: str) -> Job | None:
    """Return a job as ``get`` does, kept from changing until the transaction ends."""
    if is_id(job_id) and tx.dialect == "postgresql":
        tx.rows("SELECT 1 FROM rota_jobs WHERE id = :id FOR UPDATE", {"id": job_id})
    return get(tx, job_id)


def attempts(tx: Tx, job_id: str) -> list[Attempt]:
    """Return the ended starts of a job but its last, in order."""
    sql = f"SELECT {columns(Attempt.__struct_fields__)} FROM rota_attempts WHERE job_id = :id ORDER BY attempt"
    return [Attempt(*row) for row in tx.rows(sql, {"id": job_id})]


def cancel_waiting(tx: Tx, job_id: str, by: str | None) -> bool:
    """Cancel a job that does not run; tell whether it was so."""
    sql = """
    UPDATE rota_jobs SET status = 'cancelled', completed_at = rota_now(), updated_at = rota_now(), unique_hold = NULL,
      cancel_requested_at = rota_now(), cancel_requested_by = :by, error = NULL, error_detail = NULL,
      reason = 'cancelled'
    WHERE id = :id AND status IN ('pending', 'scheduled', 'held')
    """
    return tx.run(sql, {"id": job_id, "by": by}) == 1


def request_cancel(tx: Tx, job_id: str, by: str | None) -> bool:
    """Ask the worker of a running job to stop it; tell whether it runs."""
    sql = """
    UPDATE rota_jobs SET cancel_requested_at = coalesce(cancel_requested_at, rota_now()),
      cancel_requested_by = coalesce(cancel_requested_by, :by), updated_at = rota_now()
    WHERE id = :id AND status = 'running'
    """
    tx.hint("cancel")
    return tx.run(sql, {"id": job_id, "by": by}) == 1


RECORD_LAST = """
INSERT INTO rota_attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error, error_detail)
SELECT id, attempt, CASE WHEN status = 'failed' AND reason IN ('timeout', 'lost') THEN reason ELSE status END,
  worker_id, started_at, completed_at, error, error_detail
FROM rota_jobs WHERE id = :id AND attempt > 0 AND status IN ('completed', 'failed', 'cancelled') {pg|FOR UPDATE}
ON CONFLICT DO NOTHING
"""


def retry(tx: Tx, job_id: str) -> bool:
    """Make a finished job wait again; its history stays.  Raises Duplicate when another job holds its unique key."""
    tx.run(RECORD_LAST, {"id": job_id})
    tx.hint("jobs")
    sql = """
    UPDATE rota_jobs SET status = 'pending', run_at = rota_now(), attempts_used = 0, lost_count = 0,
      completed_at = NULL, worker_id = NULL, result = NULL, result_truncated = NULL, progress = NULL,
      progress_note = NULL,
      reason = NULL, cancel_requested_at = NULL, cancel_requested_by = NULL, expires_at = NULL, updated_at = rota_now(),
      unique_hold = CASE WHEN unique_scope IS NOT NULL THEN unique_key END
    WHERE id = :id AND status IN ('completed', 'failed', 'cancelled')
    """
    return tx.run(sql, {"id": job_id}) == 1


def run_now(tx: Tx, job_id: str) -> bool:
    """Make a scheduled job due; tell whether it was one."""
    tx.hint("jobs")
    sql = """
    UPDATE rota_jobs SET status = 'pending', run_at = rota_now(), updated_at = rota_now()
    WHERE id = :id AND status = 'scheduled'
    """
    return tx.run(sql, {"id": job_id}) == 1


def delete(tx: Tx, ids: Sequence[str]) -> int:
    """Delete jobs that do not run, with their attempts and logs; return how many."""
    those = "{in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    gone = tx.rows(f"DELETE FROM rota_jobs WHERE id {those} AND status <> 'running' RETURNING id", _ids(ids))
    history = _ids(row[0] for row in gone)
    tx.run(f"DELETE FROM rota_attempts WHERE job_id {those}", history)
    tx.run(f"DELETE FROM rota_logs WHERE job_id {those}", history)
    return len(gone)


def states(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Return the status of each known job: what waiters ask for."""
    sql = "SELECT id, status FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    return {row[0]: row[1] for row in tx.rows(sql, _ids(ids))}
