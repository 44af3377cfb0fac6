"""Jobs that run without a worker: their target has taken the work, and answers later or not at all.

Such a job is running, belongs to no worker, and ``answer_by`` says until when.  It takes no slot and needs no lease,
but counts for the limits of its queue, which count rows.  What its target answers is fenced by its attempt; that it may
answer is proved by a token, of which the row has a hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from rota.ids import is_id
from rota.model import Job
from rota.store import due, jobs, results
from rota.store.answer_tokens import digest
from rota.store.database import Tx
from rota.store.sql import batch
from rota.store.unique import kept


def is_token(tx: Tx, job_id: str, given: str) -> bool:
    """Tell whether ``given`` is the token of the job's last attempt."""
    stored = tx.value("SELECT answer_hash FROM rota_jobs WHERE id = :id", {"id": job_id}) if is_id(job_id) else None
    return hmac.compare_digest(digest(given), stored or "")


# A job of which somebody wanted the end meanwhile is cancelled, as one that is given back.
DEFER = f"""
UPDATE rota_jobs AS j SET status = CASE WHEN {results.CANCELLED} THEN 'cancelled' ELSE 'running' END,
  worker_id = CASE WHEN {results.CANCELLED} THEN j.worker_id END,
  completed_at = CASE WHEN {results.CANCELLED} THEN n.now END,
  reason = CASE WHEN {results.CANCELLED} THEN 'cancelled' END,
  unique_hold = CASE WHEN {results.CANCELLED} THEN {kept("n.now")} ELSE j.unique_hold END,
  answer_by = coalesce(j.answer_by, j.started_at + u.limit_us), silent_by = n.now + j.silence_us,
  log_lines = coalesce(u.log_lines, 0), exchange = coalesce({{json|u.exchange}}, j.exchange), updated_at = n.now
FROM (SELECT rota_now() AS now) n,
  {{rows|u|batch|id uuid, attempt bigint, limit_us bigint, log_lines bigint, exchange text}}
WHERE {results.FENCE}
RETURNING {{pg|j.}}id, {{pg|j.}}status, {{pg|j.}}turn_key, {{pg|j.}}awaited
"""

# One that was answered before its 202 was recorded here: its log is longer than who answered knew.
ANSWERED = """
UPDATE rota_jobs AS j SET log_lines = {pg|greatest}{lite|max}(j.log_lines, coalesce(u.log_lines, 0))
FROM {rows|u|batch|id uuid, attempt bigint, log_lines bigint}
WHERE j.id = u.id AND j.attempt = u.attempt
  AND (j.status{pg| || ''} IN ('completed', 'failed', 'cancelled') OR j.worker_id IS NULL)
RETURNING {pg|j.}id
"""


def defer(tx: Tx, worker: str, deferred: Sequence[results.Deferred]) -> set[str]:
    """Let jobs run on without their worker; return the ids that were accepted, and those whose end was told already."""
    deferred = sorted(deferred, key=lambda one: one.id)
    rows = tx.rows(DEFER, {"worker": worker, "batch": batch(deferred)})
    results.end(tx, [row for row in rows if row[1] == "cancelled"])
    accepted = {row[0] for row in rows}
    if rest := [one for one in deferred if one.id not in accepted]:
        accepted |= {row[0] for row in tx.rows(ANSWERED, {"batch": batch(rest)})}
    return accepted


OVER = f"""{jobs.AWAITS.replace("worker_id", "{lite|+}worker_id")}
  AND (answer_by <= {due.NOW} OR silent_by <= {due.NOW} OR cancel_requested_at IS NOT NULL)"""

ANY_OVER = f"EXISTS (SELECT 1 FROM rota_jobs {{lite|INDEXED BY rota_jobs_awaiting}} WHERE {OVER})"

FIND = f"""
SELECT {jobs.COLUMNS} FROM rota_jobs {{lite|INDEXED BY rota_jobs_awaiting}} WHERE {OVER}
ORDER BY answer_by LIMIT :limit {{pg|FOR UPDATE SKIP LOCKED}}
"""


def over(tx: Tx, limit: int) -> list[Job]:
    """Return, locked, jobs whose target has not answered in time, was silent too long, or is not wanted any more."""
    return [Job(**dict(zip(Job.__struct_fields__, row, strict=True))) for row in tx.rows(FIND, {"limit": limit})]


BEAT = """
UPDATE rota_jobs SET progress = coalesce(:value, progress), progress_note = coalesce(:note, progress_note),
  checkpoint = coalesce({json|:checkpoint}, checkpoint),
  answer_by = CASE WHEN coalesce(answer_by, started_at + timeout_us) < rota_now() + CAST(:extend_us AS bigint)
    THEN rota_now() + CAST(:extend_us AS bigint) ELSE answer_by END,
  silent_by = rota_now() + silence_us, updated_at = rota_now()
WHERE id = :id AND status = 'running' RETURNING worker_id
"""


def beat(
    tx: Tx,
    job_id: str,
    *,
    value: float | None,
    note: str | None,
    extend_us: int | None,
    checkpoint: str | None = None,
) -> None:
    """Note a sign of life of a running job, which the caller has locked; its deadline is never brought forward."""
    said = {"value": value, "note": note, "extend_us": extend_us, "checkpoint": checkpoint}
    rows = tx.rows(BEAT, {"id": job_id, **said})
    if rows and rows[0][0] is not None:
        tx.hint("cancel")  # its worker looks what it was told


class Clock(msgspec.Struct, frozen=True):
    """What a worker is told of the time of a run: in how many microseconds it is over, or its silence is."""

    id: str
    attempt: int
    left_us: int | None
    silence_left_us: int | None


CLOCKS = """
SELECT id, attempt, answer_by - rota_now(), silent_by - rota_now() FROM rota_jobs
WHERE worker_id = :worker AND status = 'running' AND (answer_by IS NOT NULL OR silent_by IS NOT NULL)
"""


def clocks(tx: Tx, worker: str) -> list[Clock]:
    """Return what was said from outside of the time of the runs that a worker holds."""
    return [Clock(*row) for row in tx.rows(CLOCKS, {"worker": worker})]


EXTEND = """
UPDATE rota_jobs AS j SET answer_by = rota_now() + u.left_us
FROM {rows|u|batch|id uuid, attempt bigint, left_us bigint}
WHERE j.id = u.id AND j.attempt = u.attempt AND {pg|CASE WHEN j.worker_id = :worker AND j.status = 'running' THEN true
  ELSE false END}{lite|+j.worker_id = :worker AND +j.status = 'running'}
  AND coalesce(j.answer_by, 0) < rota_now() + u.left_us
"""


def extend(tx: Tx, worker: str, extended: Sequence[tuple[str, int, int]]) -> None:
    """Store by when the time of runs is over that asked their worker for more: job, attempt, microseconds from now."""
    rows = [{"id": job_id, "attempt": attempt, "left_us": left} for job_id, attempt, left in sorted(extended)]
    tx.run(EXTEND, {"worker": worker, "batch": batch(rows)})
