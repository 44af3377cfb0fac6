"""Jobs: insert, read one, change one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.ids import is_id
from rota.model import Attempt, Job, NewJob
from rota.store import turns
from rota.store.database import Duplicate, Topic, Tx, columns
from rota.store.sql import batch

COLUMNS = columns(Job.__struct_fields__)

INSERT = """
INSERT INTO rota_jobs (id, type, lane, target, queue, rank, status, run_at, max_attempts, retry, timeout_us, on_lost,
  args, unique_key, unique_scope, unique_hold, concurrency_key, callback_url, tags, run_on, origin, started_by,
  schedule_id, scheduled_for, expires_at, created_at, updated_at TURN_KEY)
SELECT u.id, u.type, u.lane, {json|u.target}, u.queue, u.rank,
  CASE IF_HELD WHEN coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0) <= n.now THEN 'pending' ELSE 'scheduled' END,
  coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0), u.max_attempts, {json|u.retry}, u.timeout_us,
  coalesce(u.on_lost, 'retry'), {json|u.args},
  u.unique_key, u.unique_scope, CASE WHEN u.unique_scope IS NOT NULL THEN u.unique_key END, u.concurrency_key,
  u.callback_url, {json|u.tags}, {json|u.run_on}, coalesce(u.origin, 'enqueue'), u.started_by, u.schedule_id,
  u.scheduled_for, n.now + u.expires_us, n.now, n.now KEY_GIVEN
FROM (SELECT rota_now() AS now) n CROSS JOIN {rows|u|batch|id uuid, type text, lane text, target text, queue text,
  rank bigint, run_at bigint, delay_us bigint, max_attempts bigint, retry text, timeout_us bigint, on_lost text,
  args text, unique_key text, unique_scope text, concurrency_key text, callback_url text, tags text, run_on text,
  origin text, started_by text, schedule_id text, scheduled_for bigint, expires_us bigint, turn_key text}
WHERE true IN_ORDER
ON CONFLICT DO NOTHING
RETURNING id
"""

# Whose key another job has, or one before it in the batch.
HELD = f"""
  WHEN u.turn_key IS NOT NULL AND (CAST(:hold AS bigint) = 1
    OR row_number() OVER (PARTITION BY u.turn_key ORDER BY u.id) > 1
    OR EXISTS (SELECT 1 FROM rota_jobs a WHERE a.turn_key = u.turn_key AND a.status IN {turns.ACTIVE})
    OR EXISTS (SELECT 1 FROM rota_jobs h WHERE h.turn_key = u.turn_key AND h.status = 'held')) THEN 'held'"""


def _filled(template: str, **parts: str) -> str:
    for name, part in parts.items():
        template = template.replace(name, part)
    return template


# Who has no key pays nothing for those who have.
INSERT_PLAIN = _filled(INSERT, IF_HELD="", TURN_KEY="", KEY_GIVEN="", IN_ORDER="")
# In order, so that two batches with the same keys do not wait for each other.
INSERT_IN_TURN = _filled(
    INSERT, IF_HELD=HELD, TURN_KEY=", turn_key", KEY_GIVEN=", u.turn_key", IN_ORDER="ORDER BY u.turn_key, u.id"
).replace("RETURNING id", "RETURNING id, turn_key, status")

QUEUES = """
INSERT INTO rota_queues (name, created_at)
SELECT u.name, rota_now() FROM {rows|u|batch|name text} WHERE true ON CONFLICT DO NOTHING
"""


def insert(tx: Tx, jobs: Sequence[NewJob]) -> list[str]:
    """Insert jobs in one statement; return the ids that were stored.

    A job is left out when its id is there already (the same call, tried again) or its unique key is held by another
    job: see ``holder``.  One whose turn has not come is stored as held: see ``turns``.  Queues come into being here;
    the database object remembers those that are known.
    """
    known = tx.db.known_queues
    fresh = {job.queue for job in jobs} - known
    if fresh:
        tx.run(QUEUES, {"batch": batch([{"name": name} for name in sorted(fresh)])})
        tx.after_commit(lambda: known.update(fresh))
    if any(job.turn_key is not None for job in jobs):
        return _insert_in_turn(tx, jobs)
    topic: Topic = "due" if all(job.delay_us or job.run_at for job in jobs) else "jobs"
    # One row tells of itself, which saves the way to the server and back; of many each would do so.
    sql = INSERT_PLAIN + tx.hint_within(topic) if len(jobs) == 1 else INSERT_PLAIN
    stored = [row[0] for row in tx.rows(sql, {"batch": batch(jobs)})]
    if stored and len(jobs) > 1:
        tx.hint(topic)
    return stored


def _insert_in_turn(tx: Tx, jobs: Sequence[NewJob]) -> list[str]:
    rows = tx.rows(INSERT_IN_TURN, {"batch": batch(jobs), "hold": 0})
    stored = {row[0] for row in rows}
    # The index refused those whose key somebody else took in the same moment: they wait their turn.
    refused = [job for job in jobs if job.turn_key is not None and job.id not in stored]
    if refused:
        rows += tx.rows(INSERT_IN_TURN, {"batch": batch(refused), "hold": 1})
    states = {row[2] for row in rows}
    if "pending" in states:
        tx.hint("jobs")
    if "scheduled" in states:
        tx.hint("due")
    if "held" in states:
        turns.settle(tx, {row[1] for row in rows if row[2] == "held"})
    return [row[0] for row in rows]


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
    WHERE id = :id AND status IN ('pending', 'scheduled', 'held') RETURNING turn_key
    """
    rows = tx.rows(sql, {"id": job_id, "by": by})
    turns.release(tx, (row[0] for row in rows if row[0] is not None))
    return len(rows) == 1


def request_cancel(tx: Tx, job_id: str, by: str | None, *, mode: turns.Mode = "stop") -> bool:
    """Ask the worker of a running job to end it, politely or at once; tell whether it runs.

    A kill after a stop is heard, a stop after a kill changes nothing.
    """
    sql = f"UPDATE rota_jobs SET {turns.ASKED} WHERE id = :id AND status = 'running'"
    tx.hint("cancel")
    return tx.run(sql, {"id": job_id, "by": by, "mode": mode}) == 1


RECORD_LAST = """
INSERT INTO rota_attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error, error_detail)
SELECT id, attempt, CASE WHEN status = 'failed' AND reason IN ('timeout', 'lost') THEN reason ELSE status END,
  worker_id, started_at, completed_at, error, error_detail
FROM rota_jobs WHERE id = :id AND attempt > 0 AND status IN ('completed', 'failed', 'cancelled') {pg|FOR UPDATE}
ON CONFLICT DO NOTHING
"""


RETRY = f"""
UPDATE rota_jobs SET status = CASE WHEN turn_key IS NOT NULL AND (CAST(:hold AS bigint) = 1 OR EXISTS (
    SELECT 1 FROM rota_jobs a WHERE a.turn_key = rota_jobs.turn_key AND a.status IN {turns.ACTIVE}))
  THEN 'held' ELSE 'pending' END,
  run_at = rota_now(), attempts_used = 0, lost_count = 0, completed_at = NULL, worker_id = NULL, result = NULL,
  result_truncated = NULL, progress = NULL, progress_note = NULL, reason = NULL, cancel_requested_at = NULL,
  cancel_requested_by = NULL, cancel_mode = NULL, expires_at = NULL, updated_at = rota_now(),
  unique_hold = CASE WHEN unique_scope IS NOT NULL THEN unique_key END
WHERE id = :id AND status IN ('completed', 'failed', 'cancelled') RETURNING status, turn_key
"""


def retry(tx: Tx, job_id: str) -> bool:
    """Make a finished job wait again; its history stays.  Raises Duplicate when another job holds its unique key.

    Where another job of its key is active it is held, and has its turn before those with greater ids.
    """
    tx.run(RECORD_LAST, {"id": job_id})
    tx.hint("jobs")
    try:
        with tx.savepoint():
            rows = tx.rows(RETRY, {"id": job_id, "hold": 0})
    except Duplicate:  # of its unique key, or another job of its turns became active in this moment
        rows = tx.rows(RETRY, {"id": job_id, "hold": 1})
    if rows and rows[0][0] == "held":
        turns.settle(tx, [rows[0][1]])
    return len(rows) == 1


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
    sql = f"DELETE FROM rota_jobs WHERE id {those} AND status <> 'running' RETURNING id, turn_key, completed_at"
    gone = tx.rows(sql, _ids(ids))
    history = _ids(row[0] for row in gone)
    tx.run(f"DELETE FROM rota_attempts WHERE job_id {those}", history)
    tx.run(f"DELETE FROM rota_logs WHERE job_id {those}", history)
    turns.release(tx, (key for _, key, ended_at in gone if key is not None and ended_at is None))
    return len(gone)


def states(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Return the status of each known job: what waiters ask for."""
    sql = "SELECT id, status FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    return {row[0]: row[1] for row in tx.rows(sql, _ids(ids))}
