"""Jobs that wait for others to end: of each only what it still waits for is stored.

A job that waits is held, and the jobs that it waits for are marked as awaited: who has no children pays nothing for it.
Whoever ends an awaited job calls ``end`` in the same transaction; ``left`` finds what a crash or a bound left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rota import logs
from rota.model import FINAL, NewJob
from rota.store import turns
from rota.store.database import Tx
from rota.store.sql import batch
from rota.store.unique import kept

MOST = 5000
"""Most children that one transaction lets go or cancels; the sweep does the rest."""
THOSE = "{in|SELECT u.id FROM {rows|u|batch|id uuid}}"


ENDED = "id, status, turn_key, awaited, depends_on IS NOT NULL"
"""What a statement that ends jobs which do not run returns of each: the fields of ``End``."""


class End(msgspec.Struct, frozen=True):
    """A job that has ended: completed, failed or cancelled, or deleted before it completed."""

    id: str
    status: str
    turn_key: str | None = None
    awaited: int = 1
    waited: bool = False
    """Whether it waited for others itself."""
    batch_id: str | None = None
    """Of a job that is gone; else it is looked up."""


def end(tx: Tx, ended: Sequence[End]) -> None:
    """Do what follows from the end of jobs: the next of their turns go, and who waits for them goes or is cancelled."""
    turns.release(tx, (one.turn_key for one in ended if one.turn_key is not None))
    if waited := [one.id for one in ended if one.waited]:
        tx.run(f"DELETE FROM rota_dependencies WHERE child_id {THOSE}", _ids(waited))
    release(tx, [one for one in ended if one.awaited])


def _ids(ids: Iterable[str]) -> dict[str, str]:
    return {"batch": batch([{"id": job_id} for job_id in sorted(ids)])}


# -- storing ----------------------------------------------------------------------------------------------------------

# In the order of ids, as results are locked.  Its end, which may be under way in another transaction, comes either
# before this, and is seen, or after our commit, and then it finds the child.
LOCK = f"SELECT id, status, turn_key FROM rota_jobs WHERE id {THOSE} ORDER BY {{lite|+}}id {{pg|FOR UPDATE}}"
AWAIT = f"UPDATE rota_jobs SET awaited = 1 WHERE id {THOSE} AND awaited = 0"


def lock_parents(tx: Tx, jobs: Sequence[NewJob]) -> dict[str, str]:
    """Keep the parents of new jobs from ending until those are stored; return their states, without unknown ones.

    Those that are to be stored beside them are marked as awaited; as far as it matters here, they are held.
    """
    mine = dict.fromkeys((job.id for job in jobs), "held")
    wanted = {parent for job in jobs for parent in parents(job)}
    if wanted & mine.keys():
        for job in jobs:
            job.awaited = 1 if job.id in wanted else job.awaited
    wanted -= mine.keys()
    if not wanted:
        return mine
    states = {row[0]: row[1] for row in tx.rows(LOCK, _ids(wanted))}
    if open_ones := [parent for parent, status in states.items() if status != "completed"]:
        tx.run(AWAIT, _ids(open_ones))
    if "pending" in states.values():
        tx.hint("jobs")  # a claim that comes now leaves it out, and is to look again
    return mine | states


def parents(job: NewJob) -> list[str]:
    """Return the ids of the jobs that a new one waits for."""
    found: list[str] = msgspec.json.decode(job.depends_on) if job.depends_on else []
    return found


HOLD = """
INSERT INTO rota_dependencies (parent_id, child_id)
SELECT u.parent_id, u.child_id FROM {rows|u|batch|parent_id uuid, child_id uuid} WHERE true ON CONFLICT DO NOTHING
"""


def hold(tx: Tx, children: Sequence[NewJob], states: Mapping[str, str]) -> None:
    """Note what jobs wait for that were just stored as held; those whose parents have all ended go, or are cancelled.

    ``states`` are those of all parents.
    """
    edges = [
        {"parent_id": parent, "child_id": job.id}
        for job in children
        for parent in parents(job)
        if states.get(parent) != "completed"
    ]
    if edges:
        tx.run(HOLD, {"batch": batch(edges)})
    waiting = {edge["child_id"] for edge in edges}
    _go(tx, {job.id: job.turn_key for job in children if job.id not in waiting})
    over = {edge["parent_id"]: states.get(edge["parent_id"], "deleted") for edge in edges}
    release(tx, [End(parent, status) for parent, status in sorted(over.items()) if status not in OPEN])


OPEN = frozenset(("scheduled", "pending", "held", "running"))


def hold_for_batch(tx: Tx, batch_id: str, callback_id: str) -> None:
    """Note that a job which is to be stored as held waits for a batch."""
    tx.run(HOLD, {"batch": batch([{"parent_id": batch_id, "child_id": callback_id}])})


# -- ending -----------------------------------------------------------------------------------------------------------


def release(tx: Tx, ended: Sequence[End], batches: Iterable[str] = ()) -> int:
    """Let go who waited for nothing else, and cancel who does so when a parent fails, with all that waits for it.

    ``batches`` are those that may be over, beside those of ``ended``.  Return how much was done, of each at most
    ``MOST``; the rest is left to the sweep.
    """
    over, concerned, done = list(ended), {*batches, *(one.batch_id for one in ended if one.batch_id is not None)}, 0
    while over or concerned:
        concerned |= _batches_of(tx, over)
        free, fatal = _settled(tx, concerned)
        failing = [one for one in over if one.status != "completed"]
        cancelled = _cancel(tx, {**_doomed(tx, failing), **fatal})
        edges = [*_open_edges(tx, over), *free]
        _let_go(tx, edges)
        done += len(cancelled) + len(edges)
        over, concerned = [one for one in cancelled if one.awaited], set()
    return done


# What a child does when a parent does not complete; ``gone`` where it waits no longer.  A subquery, not a join, which
# PostgreSQL might make by reading all jobs.
POLICY = """
coalesce((SELECT CASE WHEN c.status = 'held' THEN coalesce(c.if_parent_failed, 'cancel') END
  FROM rota_jobs c WHERE c.id = d.child_id), 'gone')"""

# All that waits for the failing ones, and what waits for that: a chain of thousands is one statement.
DOOMED = f"""
WITH RECURSIVE doomed(id) AS (
  SELECT d.child_id FROM rota_dependencies d WHERE d.parent_id {THOSE} AND {POLICY} = 'cancel'
  UNION
  SELECT d.child_id FROM rota_dependencies d WHERE d.parent_id {{in|SELECT w.id FROM {{rows|w|deleted|id uuid}}}}
    AND {POLICY} IN ('cancel', 'wait')
  UNION
  SELECT d.child_id FROM doomed x CROSS JOIN CHILDREN AND {POLICY} = 'cancel'
)
SELECT id FROM doomed LIMIT :most
""".replace(
    "CHILDREN",
    "{pg|LATERAL (SELECT e.child_id FROM rota_dependencies e WHERE e.parent_id = x.id OFFSET 0) d WHERE true}"
    "{lite|rota_dependencies d WHERE d.parent_id = x.id}",
)

# Which of the ended a cancelled job names as its parent.
CAUSE = f"""
SELECT d.child_id, min(CAST(d.parent_id AS text)) FROM rota_dependencies d
WHERE d.child_id {{in|SELECT w.id FROM {{rows|w|children|id uuid}}}} AND d.parent_id {THOSE} GROUP BY d.child_id
"""

CANCEL = f"""
UPDATE rota_jobs AS j SET status = 'cancelled', reason = 'parent-failed', error = u.error, error_detail = NULL,
  completed_at = n.now, updated_at = n.now, unique_hold = {kept("n.now")}
FROM (SELECT rota_now() AS now) n, {{rows|u|batch|id uuid, error text}}
WHERE j.id = u.id AND {{lite|+}}j.status{{pg| || ''}} = 'held'
RETURNING {{pg|j.}}id, {{pg|j.}}turn_key, {{pg|j.}}awaited
"""


def _doomed(tx: Tx, failing: Sequence[End]) -> dict[str, str]:
    """Return who is to be cancelled since one of ``failing`` did not complete, with what is told of it."""
    if not failing:
        return {}
    deleted = _ids(one.id for one in failing if one.status == "deleted")["batch"]
    found = tx.rows(DOOMED, {**_ids(one.id for one in failing), "deleted": deleted, "most": MOST})
    ids = [row[0] for row in found]
    if not ids:
        return {}
    how = {**dict.fromkeys(ids, "cancelled"), **{one.id: one.status for one in failing}}
    causes = tx.rows(CAUSE, {**_ids(how), "children": _ids(ids)["batch"]})
    return {child: f"job {parent}, which it waited for, {_ENDED[how[parent]]}" for child, parent in causes}


_ENDED = {"failed": "failed", "cancelled": "was cancelled", "deleted": "was deleted"}


def _cancel(tx: Tx, errors: Mapping[str, str]) -> list[End]:
    """Cancel held jobs, each with its error; return those that were held still."""
    if not errors:
        return []
    tx.rows(LOCK, _ids(errors))
    rows = tx.rows(CANCEL, {"batch": batch([{"id": one, "error": text} for one, text in sorted(errors.items())])})
    ended = [End(job_id, "cancelled", turn_key, awaited) for job_id, turn_key, awaited in rows]
    tx.run(f"DELETE FROM rota_dependencies WHERE child_id {THOSE}", _ids(one.id for one in ended))
    turns.release(tx, (one.turn_key for one in ended if one.turn_key is not None))
    tx.after_commit(lambda: _tell(ended, errors))
    return ended


def _tell(ended: Sequence[End], errors: Mapping[str, str]) -> None:
    for one in ended:
        logs.event("job/cancelled", errors[one.id], jobId=one.id, reason="parent-failed")


# What need not be waited for any more; the rows of children that are gone, or were cancelled, go too.
COMPLETED = f"SELECT d.parent_id, d.child_id FROM rota_dependencies d WHERE d.parent_id {THOSE} LIMIT :most"
ANYWAY = COMPLETED.replace("LIMIT", f"AND {POLICY} IN ('run', 'gone') LIMIT")

FORGET = """
DELETE FROM rota_dependencies
WHERE (parent_id, child_id) IN (SELECT u.parent_id, u.child_id FROM {rows|u|batch|parent_id uuid, child_id uuid})
"""

# Those that have turns too are let go by them.  No index may serve the status, as in ``turns``.
GO = f"""
UPDATE rota_jobs SET status = CASE WHEN run_at <= rota_now() THEN 'pending' ELSE 'scheduled' END,
  updated_at = rota_now()
WHERE id {THOSE} AND {{lite|+}}status{{pg| || ''}} = 'held' AND turn_key IS NULL
  AND NOT EXISTS (SELECT 1 FROM rota_dependencies d WHERE d.child_id = rota_jobs.id)
RETURNING status
"""


def _open_edges(tx: Tx, ended: Sequence[End]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for sql, completed in ((COMPLETED, True), (ANYWAY, False)):
        if ids := [one.id for one in ended if (one.status == "completed") == completed]:
            found += [(row[0], row[1]) for row in tx.rows(sql, {**_ids(ids), "most": MOST})]
    return found


def _let_go(tx: Tx, edges: Sequence[tuple[str, str]]) -> None:
    """Forget (parent, child) pairs, and let go the children that wait for nothing else.

    The children are locked first: of two parents that end at once, the second sees what the first has forgotten.
    """
    if edges:
        children = {row[0]: row[2] for row in tx.rows(LOCK, _ids({child for _, child in edges}))}
        pairs = [{"parent_id": parent, "child_id": child} for parent, child in edges]
        tx.run(FORGET, {"batch": batch(pairs)})
        _go(tx, children)


def _go(tx: Tx, children: Mapping[str, str | None]) -> None:
    """Let go the jobs that wait for nothing, given with their turns."""
    states = {row[0] for row in tx.rows(GO, _ids(children))} if children else set()
    if "pending" in states:
        tx.hint("jobs")
    if "scheduled" in states:
        tx.hint("due")
    turns.release(tx, (key for key in children.values() if key is not None))


# -- batches ----------------------------------------------------------------------------------------------------------

BATCHES_OF = f"SELECT DISTINCT batch_id FROM rota_jobs WHERE id {THOSE} AND batch_id IS NOT NULL"

# Only batches somebody waits for.  Whether a job waits or runs is asked apart: see ``_settled``.
LOOK = f"""
SELECT b.id, b.callback_id,
  coalesce((SELECT c.if_parent_failed FROM rota_jobs c WHERE c.id = b.callback_id), 'run'),
  EXISTS (SELECT 1 FROM rota_jobs j WHERE j.batch_id = b.id AND j.batch_id IS NOT NULL
    AND j.status IN ('pending', 'scheduled', 'held')),
  EXISTS (SELECT 1 FROM rota_jobs j WHERE j.batch_id = b.id AND j.batch_id IS NOT NULL AND j.status = 'running'),
  EXISTS (SELECT 1 FROM rota_jobs j WHERE j.batch_id = b.id AND j.batch_id IS NOT NULL
    AND j.status IN ('failed', 'cancelled'))
FROM rota_batches b WHERE b.id {THOSE}
  AND EXISTS (SELECT 1 FROM rota_dependencies d WHERE d.parent_id = b.id AND d.child_id = b.callback_id)
"""


class _Seen(msgspec.Struct, frozen=True):
    id: str
    callback_id: str
    policy: str
    waits: bool
    runs: bool
    failed: bool


def _batches_of(tx: Tx, ended: Sequence[End]) -> set[str]:
    return {row[0] for row in tx.rows(BATCHES_OF, _ids(one.id for one in ended))} if ended else set()


def _settled(tx: Tx, batches: Iterable[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return what batches that are over let go, as (batch, callback), and callbacks that are cancelled, with why.

    Whoever ends jobs of a batch that others still end looks again under a lock on its callback: a shared one while
    jobs wait, so that such ends do not wait for each other, else one that only one has.
    """
    seen = _look(tx, batches)
    if waiting := [one for one in seen if one.waits]:
        _lock(tx, waiting, "SHARE")
        seen = [*(one for one in seen if not one.waits), *_look(tx, (one.id for one in waiting))]
    if ready := [one for one in seen if not one.waits]:
        _lock(tx, ready, "UPDATE")
        ready = [one for one in _look(tx, (one.id for one in ready)) if not one.waits and not one.runs]
    fatal = {one.callback_id: one for one in ready if one.failed and one.policy == "cancel"}
    free = [(one.id, one.callback_id) for one in ready if one.callback_id not in fatal]
    return free, {callback: f"jobs of batch {one.id} did not complete" for callback, one in fatal.items()}


def _look(tx: Tx, batches: Iterable[str]) -> list[_Seen]:
    ids = _ids(batches)
    rows = tx.rows(LOOK, ids) if ids["batch"] != "[]" else []
    return [_Seen(*row[:3], *map(bool, row[3:])) for row in rows]


def _lock(tx: Tx, seen: Sequence[_Seen], mode: str) -> None:
    if tx.dialect == "postgresql":
        tx.rows(LOCK.replace("FOR UPDATE", f"FOR {mode}"), _ids(one.callback_id for one in seen))


# -- looking ----------------------------------------------------------------------------------------------------------

# In the order of the text: by that of the ids PostgreSQL would go through all that anybody waits for.
WAITING_FOR = """
SELECT d.parent_id, coalesce((SELECT j.status FROM rota_jobs j WHERE j.id = d.parent_id),
  (SELECT 'batch' FROM rota_batches b WHERE b.id = d.parent_id), 'deleted')
FROM rota_dependencies d WHERE d.child_id = :id ORDER BY CAST(d.parent_id AS text) LIMIT :limit
"""


def waiting_for(tx: Tx, child_id: str, limit: int = 1000) -> list[tuple[str, str]]:
    """Return (parent, state) of what a job waits for still; of a batch (id, ``batch``)."""
    return [(row[0], row[1]) for row in tx.rows(WAITING_FOR, {"id": child_id, "limit": limit})]


# A skip scan: one probe for each parent, however many children it has.
PARENTS = """
WITH RECURSIVE parents(id) AS (
  SELECT (SELECT d.parent_id FROM rota_dependencies d WHERE d.parent_id > CAST(:after AS {uuid})
          ORDER BY d.parent_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.parent_id FROM rota_dependencies d WHERE d.parent_id > p.id ORDER BY d.parent_id LIMIT 1)
  FROM parents p WHERE p.id IS NOT NULL
)
SELECT p.id, j.status, b.id FROM (SELECT id FROM parents WHERE id IS NOT NULL LIMIT :limit) p
LEFT JOIN rota_jobs j ON j.id = p.id LEFT JOIN rota_batches b ON b.id = p.id ORDER BY p.id
"""
FIRST = "00000000-0000-0000-0000-000000000000"


class Left(msgspec.Struct, frozen=True):
    """Parents that have ended, and batches, for which somebody waits still."""

    ended: list[End]
    batches: list[str]
    last: str
    """Where to go on; ``FIRST`` after the last parent."""


def left(tx: Tx, limit: int, after: str = FIRST) -> Left:
    """Look at ``limit`` parents, those after ``after``: the safety net under ``end``."""
    rows = tx.rows(PARENTS, {"limit": limit, "after": after})
    ended = [End(row[0], row[1] or "deleted") for row in rows if row[2] is None and (row[1] in FINAL or not row[1])]
    batches = [row[0] for row in rows if row[2] is not None]
    return Left(ended, batches, rows[-1][0] if len(rows) == limit else FIRST)
