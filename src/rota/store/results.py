"""Results: end attempts, each fenced by job, attempt and worker; give back what a lost worker held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rota.store import dependencies, turns
from rota.store.database import Row, Tx
from rota.store.sql import batch
from rota.store.unique import kept

LOST_LIMIT = 5
"""A job lost this often fails: it may be what kills the workers."""

# No index may serve these conditions: the statistics say that nothing runs, so the planners would go through all that
# runs once for each row of the batch, 83-256 ms for 500 instead of some milliseconds by the primary key.  PostgreSQL
# takes a CASE for true of every other row: of one that it thinks rare it reads a small table, once more for each row.
RUNNING = "{pg|CASE WHEN j.status = 'running' THEN true ELSE false END}{lite|+j.status = 'running'}"
HELD = """{pg|CASE WHEN j.worker_id = :worker AND j.status = 'running' THEN true ELSE false END}
  {lite|+j.worker_id = :worker AND +j.status = 'running'}"""
FENCE = f"j.id = u.id AND j.attempt = u.attempt AND {HELD}"

FINISH = f"""
UPDATE rota_jobs AS j SET status = u.status, result = {{json|u.result}}, result_truncated = u.truncated,
  error = u.error, error_detail = {{json|u.error_detail}}, reason = u.reason,
  attempts_used = j.attempts_used + coalesce(u.used, 1), completed_at = n.now, updated_at = n.now,
  unique_hold = {kept("n.now")}, log_lines = coalesce(u.log_lines, 0),
  exchange = coalesce({{json|u.exchange}}, j.exchange)
FROM (SELECT rota_now() AS now) n, {{few|u|batch|id uuid, attempt bigint, status text, result text,
  truncated bigint, error text, error_detail text, reason text, used bigint, log_lines bigint, exchange text}}
WHERE {FENCE}
RETURNING {{pg|j.}}id, {{pg|j.}}status, {{pg|j.}}turn_key, {{pg|j.}}awaited
"""

# Whoever asked for the end of a run wanted no other one: the job that comes back is cancelled.
CANCELLED = "j.cancel_requested_at IS NOT NULL"

GIVE_BACK = f"""
UPDATE rota_jobs AS j SET
  status = CASE WHEN {CANCELLED} THEN 'cancelled' WHEN u.delay_us > 0 THEN 'scheduled' ELSE 'pending' END,
  run_at = CASE WHEN u.delay_us > 0 THEN n.now + u.delay_us ELSE j.run_at END,
  completed_at = CASE WHEN {CANCELLED} THEN n.now END, worker_id = CASE WHEN {CANCELLED} THEN j.worker_id END,
  unique_hold = CASE WHEN {CANCELLED} THEN {kept("n.now")} ELSE j.unique_hold END,
  reason = CASE WHEN {CANCELLED} THEN 'cancelled' ELSE u.outcome END,
  error = u.error, error_detail = {{json|u.error_detail}}, attempts_used = j.attempts_used + coalesce(u.used, 0),
  updated_at = n.now, log_lines = coalesce(u.log_lines, 0), progress = NULL, progress_note = NULL,
  exchange = coalesce({{json|u.exchange}}, j.exchange)
FROM (SELECT rota_now() AS now) n, {{few|u|batch|id uuid, attempt bigint, outcome text, delay_us bigint,
  error text, error_detail text, used bigint, log_lines bigint, exchange text}}
WHERE {FENCE}
RETURNING {{pg|j.}}id, {{pg|j.}}attempt, {{pg|j.}}reason, {{pg|j.}}started_at,
  {{pg|j.}}updated_at, {{pg|j.}}error, {{pg|j.}}error_detail, {{pg|j.}}status, {{pg|j.}}turn_key,
  {{pg|j.}}awaited
"""

ATTEMPTS = """
INSERT INTO rota_attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error, error_detail)
SELECT u.job_id, u.attempt, u.outcome, u.worker_id, u.started_at, u.ended_at, u.error, {json|u.error_detail}
FROM {rows|u|batch|job_id uuid, attempt bigint, outcome text, worker_id uuid, started_at bigint, ended_at bigint,
  error text, error_detail text}
WHERE true ON CONFLICT DO NOTHING
"""

ABANDONED = """
SELECT j.id, j.attempt, j.started_at, j.worker_id, j.on_lost, j.lost_count, j.cancel_requested_at
FROM rota_jobs j LEFT JOIN rota_workers w ON w.id = j.worker_id
WHERE j.status = 'running' AND (w.id IS NULL OR w.state NOT IN ('running', 'draining'))
  AND (j.worker_id IS NOT NULL OR j.answer_by IS NULL)
LIMIT 500 {pg|FOR UPDATE OF j SKIP LOCKED}
"""

LOSE = f"""
UPDATE rota_jobs AS j SET status = u.status, reason = u.reason, error = u.error, lost_count = j.lost_count + 1,
  completed_at = CASE WHEN u.status = 'pending' THEN NULL ELSE n.now END, updated_at = n.now,
  worker_id = CASE WHEN u.status = 'pending' THEN NULL ELSE j.worker_id END,
  unique_hold = CASE WHEN u.status = 'pending' THEN j.unique_hold ELSE {kept("n.now")} END, error_detail = NULL,
  log_lines = coalesce((SELECT max(l.first_line + l.lines - 1) FROM rota_logs l WHERE l.job_id = j.id), j.log_lines)
FROM (SELECT rota_now() AS now) n, {{few|u|batch|id uuid, attempt bigint, status text, reason text,
  error text}}
WHERE j.id = u.id AND j.attempt = u.attempt AND {RUNNING}
RETURNING {{pg|j.}}id, {{pg|j.}}status, {{pg|j.}}turn_key, {{pg|j.}}awaited
"""


class Ended(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The end of an attempt.  The statements know the defaults, which are left out of what goes to the database."""

    id: str
    attempt: int
    error: str | None = None
    error_detail: str | None = None
    log_lines: int = 0
    exchange: str | None = None


class Finished(Ended, kw_only=True, omit_defaults=True, gc=False):
    """The end of a job."""

    status: str
    result: str | None = None
    truncated: int | None = None
    reason: str | None = None
    used: int = 1


class Returned(Ended, kw_only=True, omit_defaults=True, gc=False):
    """The end of an attempt that leaves the job waiting: ``outcome`` is failed, timeout, snoozed, interrupted."""

    outcome: str
    delay_us: int = 0
    used: int = 0


class Deferred(Ended, kw_only=True, omit_defaults=True):
    """The target of a job has taken the work and answers later, ``limit_us`` after its start at the latest."""

    limit_us: int


class Lost(msgspec.Struct, frozen=True):
    """What became of a job whose worker was lost."""

    id: str
    attempt: int
    worker_id: str | None
    status: str
    error: str


# A connection lost at commit leaves open whether it happened; the same batch again must not look fenced off.
FINISHED_BEFORE = """
SELECT j.id FROM {rows|u|batch|id uuid, attempt bigint, status text, reason text} JOIN rota_jobs j ON j.id = u.id
WHERE j.attempt = u.attempt AND {lite|+}j.worker_id = :worker AND {lite|+}j.status{pg| || ''} = u.status
  AND coalesce(j.reason, '') = coalesce(u.reason, '')
"""

RETURNED_BEFORE = """
SELECT a.job_id FROM {rows|u|batch|id uuid, attempt bigint, outcome text}
JOIN rota_attempts a ON a.job_id = u.id AND a.attempt = u.attempt WHERE a.worker_id = :worker AND a.outcome = u.outcome
UNION ALL
SELECT j.id FROM {rows|u|batch|id uuid, attempt bigint} JOIN rota_jobs j ON j.id = u.id
WHERE j.attempt = u.attempt AND {lite|+}j.worker_id = :worker AND {lite|+}j.status{pg| || ''} = 'cancelled'
"""


def finish(tx: Tx, worker: str, ended: Sequence[Finished]) -> set[str]:
    """Record ended jobs; return the ids that were accepted.  The others ran under a lease that is lost.

    What the same worker recorded of the same attempt before is accepted again, and not written twice.
    """
    rows = tx.rows(FINISH, {"worker": worker, "batch": batch(_in_order(ended))})
    end(tx, rows)
    return _with_earlier(tx, FINISHED_BEFORE, worker, ended, {row[0] for row in rows})


def give_back(tx: Tx, worker: str, ended: Sequence[Returned]) -> set[str]:
    """Record attempts that did not end their job, and make the job wait again; return the ids accepted, as above."""
    rows = tx.rows(GIVE_BACK, {"worker": worker, "batch": batch(_in_order(ended))})
    # The last start of an ended job is in its own row.
    _record(tx, [_started(row, worker) for row in rows if row[7] != "cancelled"])
    end(tx, [(row[0], *row[7:]) for row in rows if row[7] == "cancelled"])
    return _with_earlier(tx, RETURNED_BEFORE, worker, ended, {row[0] for row in rows})


FINISH_ANSWERED = FINISH.replace(HELD, RUNNING)
GIVE_BACK_ANSWERED = GIVE_BACK.replace(HELD, RUNNING)


def answer(tx: Tx, ended: Finished | Returned, worker: str | None) -> bool:
    """Record the end of a running attempt that its worker does not tell; tell whether it ran still.

    ``worker`` is who had it; its own report will be refused.
    """
    tx.hint("room")
    if isinstance(ended, Finished):
        rows = tx.rows(FINISH_ANSWERED, {"batch": batch([ended])})
        end(tx, rows)
        return bool(rows)
    rows = tx.rows(GIVE_BACK_ANSWERED, {"batch": batch([ended])})
    _record(tx, [_started(row, worker) for row in rows if row[7] != "cancelled"])
    end(tx, [(row[0], *row[7:]) for row in rows if row[7] == "cancelled"])
    tx.hint("due" if ended.delay_us > 0 else "jobs")
    return bool(rows)


def _started(row: Row, worker: str | None) -> dict[str, object]:
    """Return the start that a row of ``GIVE_BACK`` tells of."""
    names = ("job_id", "attempt", "outcome", "started_at", "ended_at", "error", "error_detail")
    return {**dict(zip(names, row[:7], strict=True)), "worker_id": worker}


def end(tx: Tx, rows: Sequence[Row]) -> None:
    """Let go who waits for the ended jobs, given as (id, status, turn, awaited); most of them nobody waits for."""
    if concerned := [dependencies.End(*row) for row in rows if row[2] is not None or row[3]]:
        dependencies.end(tx, concerned)


def _in_order(ended: Sequence[Finished | Returned]) -> list[Finished | Returned]:
    """Sort by id: transactions that lock the same rows in the same order do not deadlock."""
    return sorted(ended, key=lambda one: one.id)


def _with_earlier(tx: Tx, sql: str, worker: str, ended: Sequence[Finished | Returned], accepted: set[str]) -> set[str]:
    rest = [one for one in ended if one.id not in accepted]
    if rest:
        accepted |= {row[0] for row in tx.rows(sql, {"worker": worker, "batch": batch(rest)})}
    return accepted


def lose(tx: Tx) -> list[Lost]:
    """End the attempts of workers whose lease ran out, at most 500; the jobs wait again, or fail if they must."""
    lost: list[Lost] = []
    ended: list[dict[str, object]] = []
    now = tx.now()
    for job_id, attempt, started_at, worker_id, on_lost, lost_count, cancelled in tx.rows(ABANDONED):
        status, error = _fate(on_lost, lost_count + 1, cancelled is not None)
        lost.append(Lost(job_id, attempt, worker_id, status, error))
        if status == "pending":
            ended.append({"job_id": job_id, "attempt": attempt, "outcome": "lost", "worker_id": worker_id,
                          "started_at": started_at, "ended_at": now, "error": error, "error_detail": None})  # fmt: skip
    if not lost:
        return []
    fates = [
        {"id": job.id, "attempt": job.attempt, "status": job.status, "reason": "lost", "error": job.error}
        for job in lost
    ]
    rows = tx.rows(LOSE, {"batch": batch(fates)})
    done = {row[0] for row in rows}
    _record(tx, [row for row in ended if row["job_id"] in done])
    end(tx, [row for row in rows if row[1] != "pending"])
    return [job for job in lost if job.id in done]


def _fate(on_lost: str, times: int, cancelled: bool) -> tuple[str, str]:
    if cancelled:
        return "cancelled", "cancelled; its worker was lost while stopping it"
    if on_lost == "fail":
        return "failed", "its worker was lost, and the job must not run twice"
    if times >= LOST_LIMIT:
        return "failed", f"lost too often: {times} workers died while running it"
    return "pending", "its worker was lost"


def _record(tx: Tx, ended: Sequence[dict[str, object]]) -> None:
    if ended:
        tx.run(ATTEMPTS, {"batch": batch(ended)})


PROGRESS = f"""
UPDATE rota_jobs AS j SET progress = u.value, progress_note = u.note, updated_at = rota_now()
FROM {{few|u|batch|id uuid, attempt bigint, value float8, note text}}
WHERE {FENCE}
"""


def progress(tx: Tx, worker: str, reports: Sequence[dict[str, object]]) -> None:
    """Store the progress of running jobs: ``{id, attempt, value, note}`` each."""
    tx.run(PROGRESS, {"worker": worker, "batch": batch(sorted(reports, key=lambda report: str(report["id"])))})


CHECKPOINT = f"""
UPDATE rota_jobs AS j SET checkpoint = {{json|u.value}}
FROM {{few|u|batch|id uuid, attempt bigint, value text}}
WHERE {FENCE}
"""


def checkpoint(tx: Tx, worker: str, values: Mapping[tuple[str, int], str]) -> None:
    """Store what running attempts, (job, attempt), keep for the next one (JSON)."""
    rows = [{"id": job_id, "attempt": attempt, "value": value} for (job_id, attempt), value in sorted(values.items())]
    tx.run(CHECKPOINT, {"worker": worker, "batch": batch(rows)})


def cancels(tx: Tx, worker: str) -> list[tuple[str, int, turns.Mode]]:
    """Return (job, attempt, how) of what this worker runs and somebody wants ended."""
    sql = """
    SELECT id, attempt, coalesce(cancel_mode, 'stop') FROM rota_jobs WHERE worker_id = :worker AND status = 'running'
      AND cancel_requested_at IS NOT NULL
    """
    return [(row[0], row[1], row[2]) for row in tx.rows(sql, {"worker": worker})]


def held(tx: Tx, worker: str) -> list[tuple[str, int]]:
    """Return (job, attempt) of everything that runs under this worker's lease, by the database's word."""
    sql = "SELECT id, attempt FROM rota_jobs WHERE worker_id = :worker AND status = 'running'"
    return [(row[0], row[1]) for row in tx.rows(sql, {"worker": worker})]
