"""Changes of many jobs at once, as people ask for them: a few statements for a batch, however many are in it.

The statements are those of ``jobs``, which change one.  Jobs whose state does not allow the change are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rota.ids import is_id
from rota.store import ageing, dependencies, jobs, turns
from rota.store.database import Duplicate, Row, Tx
from rota.store.sql import batch

THOSE = "{in|SELECT u.id FROM {rows|u|batch|id uuid}}"
STATUS = "{lite|+}status{pg| || ''}"
"""No index may serve it: the ids are few, and the planners take a status for rare."""


def _ids(ids: Iterable[str]) -> dict[str, str]:
    return {"batch": batch([{"id": job_id} for job_id in sorted(ids) if is_id(job_id)])}


def _of_many(statement: str) -> str:
    """Make a statement about one job one about a batch."""
    statement = statement.replace("WHERE id = :id AND", f"WHERE id {THOSE} AND")
    return statement.replace("AND status IN", f"AND {STATUS} IN").replace("AND (status IN", f"AND ({STATUS} IN")


# In the order of ids, as results are locked: or two transactions could wait for each other.
LOCK = f"""
SELECT id, status, turn_key, CASE WHEN unique_scope IS NOT NULL AND unique_until IS NULL THEN unique_key END
FROM rota_jobs WHERE id {THOSE} ORDER BY {{lite|+}}id {{pg|FOR UPDATE}}
"""
RECORD_LAST = _of_many(jobs.RECORD_LAST).replace("{pg|FOR UPDATE}", "")
RETRY = _of_many(jobs.RETRY).replace("RETURNING status", "RETURNING id, status")
HELD_KEYS = """
SELECT unique_hold FROM rota_jobs WHERE unique_hold {in|SELECT u.key FROM {rows|u|batch|key text}}
  AND unique_hold IS NOT NULL AND (unique_until IS NULL OR unique_until > rota_now())
"""
ENDED = frozenset(("completed", "failed", "cancelled"))


def retry(tx: Tx, ids: Sequence[str], *, fresh: bool = False) -> int:
    """Make ended jobs wait again, as ``jobs.retry`` does one; return how many.

    Those whose unique key another job holds, or an earlier one of these, are left.
    """
    found = [row for row in tx.rows(LOCK, _ids(ids)) if row[1] in ENDED]
    wanted = _with_free_keys(tx, found)
    if not wanted:
        return 0
    tx.run(RECORD_LAST, _ids(row[0] for row in wanted))
    tx.hint("jobs")
    first = {row[2]: row[0] for row in reversed(wanted) if row[2] is not None}  # of each turn, in the order of ids
    later = [row[0] for row in wanted if row[2] is not None and first[row[2]] != row[0]]
    try:
        with tx.savepoint():
            now = {row[0] for row in wanted}.difference(later)
            rows = tx.rows(RETRY, {**_ids(now), "hold": 0, "fresh": int(fresh)})
            rows += tx.rows(RETRY, {**_ids(later), "hold": 1, "fresh": int(fresh)}) if later else []
    except Duplicate:  # a key was taken in this moment, or is held by a job whose window is over
        return sum(_retry_alone(tx, row[0], fresh=fresh) for row in wanted)
    turns.settle(tx, {row[2] for row in rows if row[1] == "held"})
    rerank(tx, (row[0] for row in rows))
    return len(rows)


def _with_free_keys(tx: Tx, found: Sequence[Row]) -> list[Row]:
    keys = {row[3] for row in found if row[3] is not None}
    if not keys:
        return list(found)
    taken: set[str] = {row[0] for row in tx.rows(HELD_KEYS, {"batch": batch([{"key": key} for key in sorted(keys)])})}
    free = []
    for row in found:
        if row[3] not in taken:
            free.append(row)
        if row[3] is not None:
            taken.add(row[3])
    return free


def _retry_alone(tx: Tx, job_id: str, *, fresh: bool) -> bool:
    try:
        with tx.savepoint():
            return jobs.retry(tx, job_id, fresh=fresh)
    except Duplicate:
        return False


CANCEL = _of_many(jobs.CANCEL_WAITING)
STOP = f"UPDATE rota_jobs SET {turns.ASKED} WHERE id {THOSE} AND {STATUS} = 'running'"


def cancel(tx: Tx, ids: Sequence[str], by: str | None, *, mode: turns.Mode = "stop") -> int:
    """Cancel jobs that wait, and ask for the end of those that run; return how many."""
    running = [row[0] for row in tx.rows(LOCK, _ids(ids)) if row[1] == "running"]
    rows = tx.rows(CANCEL, {**_ids(ids), "by": by})
    tx.hint("room")
    dependencies.end(tx, [dependencies.End(*row) for row in rows])
    if not running:
        return len(rows)
    tx.hint("cancel")
    return len(rows) + tx.run(STOP, {**_ids(running), "by": by, "mode": mode})


MOVABLE = "('pending', 'scheduled', 'held', 'failed', 'cancelled')"
MOVE = f"""
UPDATE rota_jobs SET queue = :queue, rank = -({ageing.PRIORITY}), priority = NULL, updated_at = rota_now()
WHERE id {THOSE} AND {STATUS} IN {MOVABLE} AND {{lite|+}}queue <> :queue RETURNING id
"""


def move(tx: Tx, ids: Sequence[str], queue: str) -> int:
    """Put jobs that wait, failed or were cancelled into another queue; return how many were not in it."""
    make_queue(tx, queue)
    return _placed(tx, MOVE, ids, queue=queue)


def make_queue(tx: Tx, name: str) -> None:
    """Make a queue where it is not there."""
    if name not in tx.db.known_queues:
        tx.run(jobs.QUEUES, {"batch": batch([{"name": name}])})
        tx.after_commit(lambda: tx.db.known_queues.add(name))


REPRIORITISE = f"""
UPDATE rota_jobs SET rank = :rank, priority = NULL, updated_at = rota_now()
WHERE id {THOSE} AND {STATUS} IN {MOVABLE} AND {ageing.PRIORITY} <> -CAST(:rank AS bigint) RETURNING id
"""


def reprioritise(tx: Tx, ids: Sequence[str], rank: int) -> int:
    """Give jobs that wait, failed or were cancelled another priority (negated); return how many had another."""
    return _placed(tx, REPRIORITISE, ids, rank=rank)


def _placed(tx: Tx, sql: str, ids: Sequence[str], **values: Any) -> int:
    tx.rows(LOCK, _ids(ids))
    changed = [row[0] for row in tx.rows(sql, {**_ids(ids), **values})]
    rerank(tx, changed)
    if changed:
        tx.hint("jobs")
    return len(changed)


RERANK = f"UPDATE rota_jobs SET {ageing.RANKED} WHERE id {THOSE}"


def rerank(tx: Tx, ids: Iterable[str]) -> None:
    """Give jobs the rank that their queue gives them, where any queue lets its jobs age."""
    if tx.value("SELECT EXISTS (SELECT 1 FROM rota_queues WHERE ageing_us IS NOT NULL)"):
        tx.run(RERANK, _ids(ids))


JSON = frozenset(("args", "retry", "tags", "run_on"))
RING = jobs.RING.replace("coalesce(u.run_on", "coalesce(CAST(u.run_on AS text)").replace("u.", "rota_jobs.")
DUE = """
UPDATE rota_jobs SET run_at = coalesce(:run_at, rota_now()) + :delay_us,
  status = CASE WHEN status = 'held' THEN 'held'
    WHEN coalesce(:run_at, rota_now()) + :delay_us <= rota_now() THEN 'pending' ELSE 'scheduled' END
WHERE id = :id AND status IN ('pending', 'scheduled', 'held')
"""


def edit(tx: Tx, job_id: str, values: dict[str, Any], *, due: tuple[int | None, int] | None = None) -> None:
    """Set columns of a job that does not run, which the caller has locked, and what follows from them.

    ``due`` is when it is to start: a time (µs UTC), None for now, and a delay.  ``expires_us`` counts from now.
    """
    expires = {"expires_us": values.pop("expires_us")} if "expires_us" in values else {}
    columns = [f"{name} = {{json|:{name}}}" if name in JSON else f"{name} = :{name}" for name in values]
    if "rank" in values:
        columns.append("priority = NULL")
    if expires:
        columns.append("expires_at = rota_now() + CAST(:expires_us AS bigint)")
    if "queue" in values:
        make_queue(tx, values["queue"])
    tx.run(
        f"UPDATE rota_jobs SET {', '.join([*columns, 'updated_at = rota_now()'])} WHERE id = :id",
        {**values, **expires, "id": job_id},
    )
    if due is not None:
        tx.run(DUE, {"id": job_id, "run_at": due[0], "delay_us": due[1]})
    tx.run(f"UPDATE rota_jobs SET ring = {RING} WHERE id = :id", {"id": job_id})
    rerank(tx, [job_id])
    tx.hint("jobs")
    tx.hint("due")
