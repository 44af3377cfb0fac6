"""Turns: of the jobs with one ``turn_key`` at most one is ready or runs; the others are held, in the order of ids.

A unique index holds the rule, whatever races.  What is here lets the next one go when its turn has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from rota.store.database import Duplicate, Tx
from rota.store.sql import batch
from rota.store.unique import kept

ACTIVE = "('scheduled', 'pending', 'running')"
KEYS = "{rows|u|batch|key text}"

Mode = Literal["stop", "kill"]


class Turn(msgspec.Struct, frozen=True):
    """A held job that was let go."""

    id: str
    key: str


class Cleared(msgspec.Struct, frozen=True):
    """A job that was in the way of a later one."""

    id: str
    key: str
    asked: bool
    """It runs and was asked to end; else it had not been started, and is cancelled."""


# Of each key the first held job, where none is active.
NEXT = f"""
SELECT n.id, n.key FROM (
  SELECT (SELECT h.id FROM rota_jobs h WHERE h.turn_key = u.key AND h.status = 'held' ORDER BY h.id LIMIT 1) AS id,
    u.key AS key
  FROM {KEYS}
  WHERE NOT EXISTS (SELECT 1 FROM rota_jobs a WHERE a.turn_key = u.key AND a.status IN {ACTIVE})
) n WHERE n.id IS NOT NULL
"""

# One that waits for other jobs keeps its place: those behind it wait too, until ``dependencies`` calls this again.
# The update locks the row and looks at its status again: of two who release it, one finds it gone.  No index may serve
# the status: PostgreSQL would go through all that are held, since few are as it thinks.
GO = """
UPDATE rota_jobs SET status = CASE WHEN run_at <= rota_now() THEN 'pending' ELSE 'scheduled' END,
  updated_at = rota_now()
WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}} AND {lite|+}status{pg| || ''} = 'held'
  AND NOT EXISTS (SELECT 1 FROM rota_dependencies d WHERE d.child_id = rota_jobs.id)
RETURNING id, turn_key, status
"""


def release(tx: Tx, keys: Iterable[str]) -> list[Turn]:
    """Let the first held job of each key go where none is active; return those that went.

    Whoever ends a job with a key calls this in the same transaction.  A job whose time is later becomes scheduled.
    """
    wanted = _keys(keys)
    found = [Turn(*row) for row in tx.rows(NEXT, {"batch": batch(wanted)})] if wanted else []
    if not found:
        return []
    try:
        return _go(tx, found)
    except Duplicate:  # another job of a key became active since we looked; the other keys must not wait for that
        return [gone for turn in found for gone in _go_alone(tx, turn)]


def _keys(keys: Iterable[str]) -> list[dict[str, str]]:
    return [{"key": key} for key in sorted(set(keys))]


def _go(tx: Tx, turns: Sequence[Turn]) -> list[Turn]:
    those = batch([{"id": job_id} for job_id in sorted(turn.id for turn in turns)])
    with tx.savepoint():
        rows = tx.rows(GO, {"batch": those})
    states = {row[2] for row in rows}
    if "pending" in states:
        tx.hint("jobs")
    if "scheduled" in states:
        tx.hint("due")
    return [Turn(row[0], row[1]) for row in rows]


def _go_alone(tx: Tx, turn: Turn) -> list[Turn]:
    try:
        return _go(tx, [turn])
    except Duplicate:
        return []


# In the order of ids, as results are locked: or two transactions could wait for each other.
LOCK_ACTIVE = f"""
SELECT turn_key, status FROM rota_jobs WHERE turn_key {{in|SELECT u.key FROM {KEYS}}} AND turn_key IS NOT NULL
  AND status IN {ACTIVE} ORDER BY {{lite|+}}id {{pg|FOR SHARE}}
"""


def settle(tx: Tx, keys: Iterable[str]) -> None:
    """Make sure that the jobs of ``keys`` that were just stored as held will be released by somebody.

    The active job is locked: so its end, which may be under way in another transaction, comes either before this, and
    then we release, or after our commit, and then it finds what we stored.
    """
    left = set(keys)
    for _ in range(3):  # each time the one that was active may have ended, and another have become so; then: the sweep
        if not left:
            return
        locked = tx.rows(LOCK_ACTIVE, {"batch": batch(_keys(left))})
        if any(status == "pending" for _, status in locked):
            tx.hint("jobs")  # a claim that comes now leaves it out, and is to look again
        left -= {key for key, _ in locked}
        left -= {turn.key for turn in release(tx, left)}


# A skip scan: one probe for each key that has held jobs, however many they are.
HELD_KEYS = f"""
WITH RECURSIVE held(key) AS (
  SELECT (SELECT j.turn_key FROM rota_jobs j WHERE j.status = 'held' AND j.turn_key > :after
          ORDER BY j.turn_key LIMIT 1)
  UNION ALL
  SELECT (SELECT j.turn_key FROM rota_jobs j WHERE j.status = 'held' AND j.turn_key > h.key
          ORDER BY j.turn_key LIMIT 1)
  FROM held h WHERE h.key IS NOT NULL
)
SELECT h.key, EXISTS (SELECT 1 FROM rota_jobs a WHERE a.turn_key = h.key AND a.status IN {ACTIVE})
FROM held h WHERE h.key IS NOT NULL LIMIT :limit
"""


class Idle(msgspec.Struct, frozen=True):
    """Keys whose jobs are all held, so that nobody will release them."""

    keys: list[str]
    last: str
    """Where to go on; empty after the last key."""


def idle(tx: Tx, limit: int, after: str = "") -> Idle:
    """Look at ``limit`` keys that have held jobs, those after ``after``: the safety net under ``release``.

    A race can leave such jobs behind only on PostgreSQL, where a job is stored as held after the active one has ended.
    """
    rows = tx.rows(HELD_KEYS, {"limit": limit, "after": after})
    return Idle([key for key, active in rows if not active], rows[-1][0] if len(rows) == limit else "")


LOCK_ALL = f"""
SELECT id, turn_key, status FROM rota_jobs WHERE id {{in|
    SELECT a.id FROM {KEYS} CROSS JOIN rota_jobs a WHERE a.turn_key = u.key AND a.status IN {ACTIVE}
    UNION ALL SELECT h.id FROM {KEYS} CROSS JOIN rota_jobs h WHERE h.turn_key = u.key AND h.status = 'held'}}
  AND status{{pg| || ''}} IN ('scheduled', 'pending', 'running', 'held') ORDER BY {{lite|+}}id {{pg|FOR UPDATE}}
"""

REPLACE = f"""
UPDATE rota_jobs SET status = 'cancelled', reason = 'replaced', error = :error, error_detail = NULL,
  unique_hold = {kept()}, cancel_requested_at = rota_now(), cancel_requested_by = :by, cancel_mode = :mode,
  completed_at = rota_now(), updated_at = rota_now()
WHERE id {{in|SELECT u.id FROM {{rows|u|batch|id uuid}}}}
"""

# Who asked first is kept; of the modes the harder one.
ASKED = """
cancel_requested_at = coalesce(cancel_requested_at, rota_now()),
  cancel_requested_by = coalesce(cancel_requested_by, :by),
  cancel_mode = CASE WHEN cancel_mode = 'kill' THEN cancel_mode ELSE :mode END, updated_at = rota_now()
"""

ASK = f"UPDATE rota_jobs SET {ASKED} WHERE id {{in|SELECT u.id FROM {{rows|u|batch|id uuid}}}}"


def clear(
    tx: Tx, keys: Iterable[str], mode: Mode, by: str | None, error: str = "replaced by a later run"
) -> list[Cleared]:
    """Make way for another job of each key: cancel what has not been started, ask what runs to end.

    Return what was done, in the order of ids.  ``error`` is told of those that are cancelled.  Who depends on one of
    them hears of it by the sweep.
    """
    wanted = _keys(keys)
    found = tx.rows(LOCK_ALL, {"batch": batch(wanted)}) if wanted else []
    cleared = [Cleared(job_id, key, status == "running") for job_id, key, status in found]
    if waiting := [{"id": one.id} for one in cleared if not one.asked]:
        tx.run(REPLACE, {"batch": batch(waiting), "error": error, "by": by, "mode": mode})
    if running := [{"id": one.id} for one in cleared if one.asked]:
        tx.run(ASK, {"batch": batch(running), "by": by, "mode": mode})
        tx.hint("cancel")
    return cleared


# Whom a held job waits for: the active one, and how many held ones come before it.
AHEAD = f"""
SELECT (SELECT a.id FROM rota_jobs a WHERE a.turn_key = :key AND a.status IN {ACTIVE}),
  (SELECT count(*) FROM rota_jobs h WHERE h.turn_key = :key AND h.status = 'held' AND CAST(h.id AS text) < :id)
"""


def ahead(tx: Tx, key: str, job_id: str) -> tuple[str | None, int]:
    """Return the active job of a key, and how many held ones come before ``job_id``."""
    row = tx.row(AHEAD, {"key": key, "id": job_id})
    return (row[0], row[1]) if row else (None, 0)


# As the index of overlaps has them; one that is held has a key.
ADOPT = f"""
UPDATE rota_jobs SET turn_key = :key, updated_at = rota_now()
WHERE id = (SELECT j.id FROM rota_jobs j WHERE j.schedule_id = :schedule AND j.schedule_id IS NOT NULL
    AND j.status IN ('scheduled', 'pending', 'running', 'held') AND j.turn_key IS NULL AND j.origin <> 'backfill'
    ORDER BY j.id DESC LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM rota_jobs a WHERE a.turn_key = :key AND a.status IN {ACTIVE})
"""


def adopt(tx: Tx, key: str, schedule_id: str) -> bool:
    """Give a key to the last job of a schedule that has not ended, where none has it: others wait for that one now.

    For a schedule whose runs might overlap so far.  Tell whether there was such a job.
    """
    return tx.run(ADOPT, {"key": key, "schedule": schedule_id}) == 1
