"""Jobs: insert, read one, change one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from rota.ids import is_id
from rota.model import Attempt, Job, NewJob
from rota.store import ageing, dependencies, turns
from rota.store.database import Duplicate, Row, Topic, Tx, columns
from rota.store.sql import batch, storable
from rota.store.unique import kept

COLUMNS = columns(Job.__struct_fields__)

INSERT = """
INSERT INTO rota_jobs (id, type, lane, target, queue, rank, status, run_at, max_attempts, retry, timeout_us, on_lost,
  args, unique_key, unique_scope, unique_hold, concurrency_key, callback_url, tags, run_on, origin, started_by,
  schedule_id, scheduled_for, expires_at, created_at, updated_at, ring, priority MORE_COLUMNS)
SELECT u.id, u.type, u.lane, {json|u.target}, u.queue, CASE WHEN n.ages THEN AGED ELSE u.rank END,
  CASE IF_HELD WHEN coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0) <= n.now THEN 'pending' ELSE 'scheduled' END,
  coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0), u.max_attempts, {json|u.retry}, u.timeout_us,
  coalesce(u.on_lost, 'retry'), {json|u.args},
  u.unique_key, u.unique_scope, CASE WHEN u.unique_scope IS NOT NULL THEN u.unique_key END, u.concurrency_key,
  u.callback_url, {json|u.tags}, {json|u.run_on}, coalesce(u.origin, 'enqueue'), u.started_by, u.schedule_id,
  u.scheduled_for, n.now + u.expires_us, n.now, n.now, RING, CASE WHEN n.ages THEN -u.rank END MORE_VALUES
FROM (SELECT rota_now() AS now, EXISTS (SELECT 1 FROM rota_queues WHERE ageing_us IS NOT NULL) AS ages) n
CROSS JOIN {rows|u|batch|id uuid, type text, lane text, target text, queue text,
  rank bigint, run_at bigint, delay_us bigint, max_attempts bigint, retry text, timeout_us bigint, on_lost text,
  args text, unique_key text, unique_scope text, concurrency_key text, callback_url text, tags text, run_on text,
  origin text, started_by text, schedule_id text, scheduled_for bigint, expires_us bigint MORE_GIVEN}
WHERE true IN_ORDER
ON CONFLICT DO NOTHING
RETURNING id
"""

DUE = "coalesce(u.run_at, n.now) + coalesce(u.delay_us, 0)"

# Where jobs age, a waiting time of ageing_us is worth one priority: this order never changes while they wait.
AGED = f"""coalesce((SELECT {DUE} + q.ageing_us
  * {{pg|least}}{{lite|min}}({{pg|greatest}}{{lite|max}}(u.rank, -1000000), 1000000)
  FROM rota_queues q WHERE q.name = u.queue AND q.ageing_us IS NOT NULL), u.rank)"""

# See ``Ring``: what the claim goes round.
RING = """CASE WHEN u.run_on IS NOT NULL OR u.concurrency_key IS NOT NULL
  THEN coalesce(u.run_on, '') || '|' || coalesce(u.concurrency_key, '') END"""

# Whose key another job has, or one before it in the batch; and who waits for other jobs.
HELD = f"""
  WHEN u.depends_on IS NOT NULL THEN 'held'
  WHEN u.turn_key IS NOT NULL AND (CAST(:hold AS bigint) = 1
    OR row_number() OVER (PARTITION BY u.turn_key ORDER BY u.id) > 1
    OR EXISTS (SELECT 1 FROM rota_jobs a WHERE a.turn_key = u.turn_key AND a.status IN {turns.ACTIVE})
    OR EXISTS (SELECT 1 FROM rota_jobs h WHERE h.turn_key = u.turn_key AND h.status = 'held')) THEN 'held'"""


def _filled(template: str, **parts: str) -> str:
    for name, part in parts.items():
        template = template.replace(name, part)
    return template


# Who says nothing of turns, windows, parents and batches pays nothing for those who do.
INSERT_PLAIN = _filled(
    INSERT, AGED=AGED, RING=RING, IF_HELD="", MORE_COLUMNS="", MORE_VALUES="", MORE_GIVEN="", IN_ORDER=""
)
# One row as values of its own: to take a JSON document of 24 columns apart costs the server a third of the statement.
_GIVEN = re.search(r"\{rows\|u\|batch\|([^}]*)\}", INSERT_PLAIN)
assert _GIVEN is not None
_TYPED = dict(column.split() for column in _GIVEN[1].split(","))
INSERT_ONE = INSERT_PLAIN.replace(
    _GIVEN[0], f"(SELECT {', '.join(f'CAST(:{name} AS {kind}) AS {name}' for name, kind in _TYPED.items())}) u"
)
_values = attrgetter(*_TYPED)
INSERT_TRACED = _filled(
    INSERT,
    AGED=AGED,
    RING=RING,
    IF_HELD="",
    MORE_COLUMNS=", trace",
    MORE_VALUES=", u.trace",
    MORE_GIVEN=", trace text",
    IN_ORDER="",
)

# In order, so that two batches with the same keys do not wait for each other.
INSERT_IN_FULL = _filled(
    INSERT,
    AGED=AGED,
    RING=RING,
    IF_HELD=HELD,
    MORE_COLUMNS=", turn_key, silence_us, unique_until, depends_on, if_parent_failed, batch_id, awaited, trace",
    MORE_VALUES=""", u.turn_key, u.silence_us, n.now + u.unique_for_us, {json|u.depends_on}, u.if_parent_failed,
  u.batch_id, coalesce(u.awaited, 0), u.trace""",
    MORE_GIVEN=""", turn_key text, silence_us bigint, unique_for_us bigint, depends_on text, if_parent_failed text,
  batch_id uuid, awaited bigint, trace text""",
    IN_ORDER="ORDER BY u.turn_key, u.unique_key, u.id",
).replace("RETURNING id", "RETURNING id, turn_key, status")
IN_FULL = attrgetter("turn_key", "silence_us", "unique_for_us", "depends_on", "batch_id", "awaited")
PLAIN = (None, None, None, None, None, 0)

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
    make_queues(tx, jobs)
    if any(IN_FULL(job) != PLAIN for job in jobs):
        return _insert_in_full(tx, jobs)
    if len(jobs) > 1 and any(job.unique_key is not None for job in jobs):
        jobs = sorted(jobs, key=lambda job: job.unique_key or "")  # or two batches could wait for each other
    topic = topic_of(jobs)
    if len(jobs) == 1:  # it tells of itself, which saves the way to the server and back; of many each would do so
        return [row[0] for row in _insert_one(tx, jobs[0], tx.hint_within(topic))]
    stored = [row[0] for row in tx.rows(_insertion(jobs), {"batch": batch(jobs)})]
    if stored:
        tx.hint(topic)
    return stored


def _insertion(jobs: Sequence[NewJob]) -> str:
    return INSERT_PLAIN if all(job.trace is None for job in jobs) else INSERT_TRACED


def _insert_one(tx: Tx, job: NewJob, telling: str) -> list[Row]:
    values = _values(job)
    if job.trace is not None:
        return tx.rows(INSERT_TRACED + telling, {"batch": batch([job])})
    if tx.takes_values and storable(values):
        return tx.rows(INSERT_ONE + telling, dict(zip(_TYPED, values, strict=True)))
    return tx.rows(INSERT_PLAIN + telling, {"batch": batch([job])})


def topic_of(jobs: Sequence[NewJob]) -> Topic:
    """Return what is hinted at by jobs: that some are ready, or when they are due."""
    return "due" if all(job.delay_us or job.run_at for job in jobs) else "jobs"


def stands_alone(job: NewJob) -> bool:
    """Tell whether a job can be stored whatever else is: it has no unique key, no turn, no parents and no batch."""
    return job.unique_key is None and IN_FULL(job) == PLAIN


def insert_ahead(tx: Tx, jobs: Sequence[NewJob]) -> Callable[[], set[str]]:
    """As ``insert`` for jobs that stand alone, while the caller prepares others; the answer gives the ids stored."""
    make_queues(tx, jobs)
    rows = tx.ahead(_insertion(jobs), {"batch": batch(jobs)}, at_once=True)
    return lambda: {row[0] for row in rows()}


def make_queues(tx: Tx, jobs: Sequence[NewJob]) -> None:
    """Let the queues of jobs come into being."""
    known = tx.db.known_queues
    fresh = {job.queue for job in jobs} - known
    if fresh:
        tx.run(QUEUES, {"batch": batch([{"name": name} for name in sorted(fresh)])})
        tx.after_commit(lambda: known.update(fresh))


def _insert_in_full(tx: Tx, jobs: Sequence[NewJob]) -> list[str]:
    with tx.together():
        states = dependencies.lock_parents(tx, jobs)
        stored = _insert_in_turn(tx, jobs)
        if children := [job for job in jobs if job.depends_on is not None and job.id in stored]:
            dependencies.hold(tx, children, states)
    return stored


def _insert_in_turn(tx: Tx, jobs: Sequence[NewJob]) -> list[str]:
    rows = tx.rows(INSERT_IN_FULL, {"batch": batch(jobs), "hold": 0})
    stored = {row[0] for row in rows}
    # The index refused those whose key somebody else took in the same moment: they wait their turn.
    refused = [job for job in jobs if job.turn_key is not None and job.id not in stored]
    if refused:
        rows += tx.rows(INSERT_IN_FULL, {"batch": batch(refused), "hold": 1})
    states = {row[2] for row in rows}
    if "pending" in states:
        tx.hint("jobs")
    if "scheduled" in states:
        tx.hint("due")
    if "held" in states:
        turns.settle(tx, {row[1] for row in rows if row[2] == "held" and row[1] is not None})
    return [row[0] for row in rows]


def existing(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that are stored."""
    sql = "SELECT id FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    return {row[0] for row in tx.rows(sql, _ids(ids))}


def _ids(ids: Iterable[str]) -> dict[str, str]:
    """The parameter of a statement over ids; a malformed one is simply unknown."""
    return {"batch": batch([{"id": job_id} for job_id in ids if is_id(job_id)])}


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


AWAITS = "status = 'running' AND answer_by IS NOT NULL AND worker_id IS NULL"
"""Its target has taken it and answers later: nobody holds it."""

CANCEL_WAITING = f"""
UPDATE rota_jobs SET status = 'cancelled', completed_at = rota_now(), updated_at = rota_now(),
  unique_hold = {kept()}, cancel_requested_at = rota_now(), cancel_requested_by = :by, error = NULL,
  error_detail = NULL, reason = 'cancelled'
WHERE id = :id AND (status IN ('pending', 'scheduled', 'held') OR {AWAITS}) RETURNING {dependencies.ENDED}
"""


def cancel_waiting(tx: Tx, job_id: str, by: str | None) -> bool:
    """Cancel a job that no worker runs; tell whether it was so."""
    rows = tx.rows(CANCEL_WAITING, {"id": job_id, "by": by})
    tx.hint("room")
    dependencies.end(tx, [dependencies.End(*row) for row in rows])
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
SELECT id, attempt, CASE WHEN status = 'failed' AND reason IN ('timeout', 'silent', 'lost') THEN reason ELSE status END,
  worker_id, started_at, completed_at, error, error_detail
FROM rota_jobs WHERE id = :id AND attempt > 0 AND status IN ('completed', 'failed', 'cancelled') {pg|FOR UPDATE}
ON CONFLICT DO NOTHING
"""


RETRY = f"""
UPDATE rota_jobs SET status = CASE WHEN turn_key IS NOT NULL AND (CAST(:hold AS bigint) = 1 OR EXISTS (
    SELECT 1 FROM rota_jobs a WHERE a.turn_key = rota_jobs.turn_key AND a.status IN {turns.ACTIVE}))
  THEN 'held' ELSE 'pending' END,
  {ageing.RANKED_NOW},
  run_at = rota_now(), attempts_used = 0, lost_count = 0, completed_at = NULL, worker_id = NULL, result = NULL,
  result_truncated = NULL, progress = NULL, progress_note = NULL, reason = NULL, cancel_requested_at = NULL,
  cancel_requested_by = NULL, cancel_mode = NULL, expires_at = NULL, updated_at = rota_now(),
  checkpoint = CASE WHEN status <> 'completed' AND CAST(:fresh AS bigint) = 0 THEN checkpoint END,
  unique_hold = CASE WHEN unique_until IS NOT NULL THEN unique_hold WHEN unique_scope IS NOT NULL THEN unique_key END
WHERE id = :id AND status IN ('completed', 'failed', 'cancelled') RETURNING status, turn_key
"""

# A job whose window is over need not stand in the way.
FREE_FOR = """
UPDATE rota_jobs SET unique_hold = NULL WHERE unique_until <= rota_now() AND unique_hold =
  (SELECT r.unique_key FROM rota_jobs r WHERE r.id = :id AND r.unique_scope IS NOT NULL AND r.unique_until IS NULL)
"""


def retry(tx: Tx, job_id: str, *, fresh: bool = False) -> bool:
    """Make a finished job wait again; its history stays.  Raises Duplicate when another job holds its unique key.

    It goes on from its checkpoint, unless it had completed or is to begin ``fresh``.  Where another job of its key is
    active it is held, and has its turn before those with greater ids.
    """
    tx.run(RECORD_LAST, {"id": job_id})
    tx.hint("jobs")
    try:
        with tx.savepoint():
            rows = tx.rows(RETRY, {"id": job_id, "hold": 0, "fresh": int(fresh)})
    except Duplicate:  # of its unique key, or another job of its turns became active in this moment
        tx.run(FREE_FOR, {"id": job_id})
        rows = tx.rows(RETRY, {"id": job_id, "hold": 1, "fresh": int(fresh)})
    if rows and rows[0][0] == "held":
        turns.settle(tx, [rows[0][1]])
    return len(rows) == 1


def run_now(tx: Tx, job_id: str, *, fresh: bool = False) -> bool:
    """Make a scheduled job due, ``fresh`` without its checkpoint; tell whether it was one."""
    tx.hint("jobs")
    sql = f"""
    UPDATE rota_jobs SET status = 'pending', {ageing.RANKED_NOW}, run_at = rota_now(), updated_at = rota_now(),
      checkpoint = CASE WHEN CAST(:fresh AS bigint) = 0 THEN checkpoint END
    WHERE id = :id AND status = 'scheduled'
    """
    return tx.run(sql, {"id": job_id, "fresh": int(fresh)}) == 1


IDLE = ("scheduled", "pending", "held", "completed", "failed", "cancelled")


def delete(tx: Tx, ids: Sequence[str], states: Iterable[str] = IDLE) -> int:
    """Delete jobs that are in one of these states still, with their attempts and logs; return how many.

    Whoever looked them up in another transaction says in which states: one that was retried meanwhile is to run.
    """
    those = "{in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    still = ", ".join(f"'{state}'" for state in states if state in IDLE)
    sql = f"""
    DELETE FROM rota_jobs WHERE id {those} AND {{lite|+}}status{{pg| || ''}} IN ({still})
    RETURNING {dependencies.ENDED}, batch_id, completed_at
    """
    gone = tx.rows(sql, _ids(ids))
    history = _ids(row[0] for row in gone)
    tx.run(f"DELETE FROM rota_attempts WHERE job_id {those}", history)
    tx.run(f"DELETE FROM rota_logs WHERE job_id {those}", history)
    dependencies.end(tx, [_deleted(row) for row in gone if row[1] != "completed" and (row[3] or row[6] is None)])
    return len(gone)


def _deleted(row: Row) -> dependencies.End:
    """Tell what follows from a deletion: who waits for a job that failed hears now that it never completes."""
    job_id, _, turn_key, awaited, waited, batch_id, ended_at = row
    waits = ended_at is None
    return dependencies.End(job_id, "deleted", turn_key if waits else None, awaited, waits and bool(waited), batch_id)


def states(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Return the status of each known job: what waiters ask for."""
    sql = "SELECT id, status FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    return {row[0]: row[1] for row in tx.rows(sql, _ids(ids))}
