"""A job that takes the place of the one that waits with its unique key."""

from __future__ import annotations

from rota.model import NewJob
from rota.store import jobs
from rota.store.database import Tx
from rota.store.sql import batch

# As it was, unless the new one has a time of its own.
DUE = """CASE WHEN u.if_exists = 'reschedule' THEN coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0)
  ELSE j.run_at END"""

# The update looks at the status of the locked row again: what was claimed meanwhile is left as it is.
REPLACE = f"""
UPDATE rota_jobs AS j SET type = u.type, lane = u.lane, target = {{json|u.target}}, queue = u.queue,
  rank = CASE WHEN n.ages THEN {jobs.AGED.replace(jobs.DUE, DUE)} ELSE u.rank END,
  priority = CASE WHEN n.ages THEN -u.rank END, ring = {jobs.RING}, run_at = {DUE},
  status = CASE WHEN j.status = 'held' THEN 'held' WHEN {DUE} <= n.now THEN 'pending' ELSE 'scheduled' END,
  max_attempts = u.max_attempts, retry = {{json|u.retry}}, timeout_us = u.timeout_us,
  silence_us = u.silence_us, on_lost = coalesce(u.on_lost, 'retry'), args = {{json|u.args}},
  unique_scope = u.unique_scope, unique_until = j.created_at + u.unique_for_us, concurrency_key = u.concurrency_key,
  callback_url = u.callback_url, tags = {{json|u.tags}}, run_on = {{json|u.run_on}}, started_by = u.started_by,
  trace = u.trace, expires_at = n.now + u.expires_us, updated_at = n.now
FROM (SELECT rota_now() AS now, EXISTS (SELECT 1 FROM rota_queues WHERE ageing_us IS NOT NULL) AS ages) n,
  {{rows|u|batch|type text, lane text, target text, queue text, rank bigint, run_at bigint, delay_us bigint,
  max_attempts bigint, retry text, timeout_us bigint, silence_us bigint, on_lost text, args text,
  unique_key text, unique_scope text, unique_for_us bigint, concurrency_key text, callback_url text, tags text,
  run_on text, started_by text, expires_us bigint, trace text, if_exists text}}
WHERE j.unique_hold = u.unique_key AND {{lite|+}}j.status{{pg| || ''}} IN ('pending', 'scheduled', 'held')
  AND (j.unique_until IS NULL OR j.unique_until > n.now)
RETURNING {{pg|j.}}id, {{pg|j.}}status
"""


def replace(tx: Tx, job: NewJob) -> str | None:
    """Make the waiting job with the unique key of ``job`` what that one is; return its id, or None where none waits.

    It keeps its id, its age, its attempts, its turn and what it waits for.
    """
    jobs.make_queues(tx, [job])
    rows = tx.rows(REPLACE, {"batch": batch([job])})
    if not rows:
        return None
    job_id, status = rows[0]
    if status != "held":
        tx.hint("jobs" if status == "pending" else "due")
    return str(job_id)
