"""Retention: ended jobs, occurrences and logs are deleted by age, in small batches; spent schedules when they may."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import FINAL, ScheduleVersion
from rota.store import jobs, versions
from rota.store.database import Row, Tx
from rota.store.sql import batch

# Runs of schedules, triggers, exec and backfills are history; plain queue jobs are traffic.  Each kind is a range of
# the index, or the traffic's short retention would walk over the whole history each time.  The next page begins after
# the last row of the one before: what stays at any age may be more than what goes.
TRAFFIC = ("enqueue",)
RUNS = ("schedule", "trigger", "exec", "backfill")

# Who holds a unique key for some time is found by it, so it stays until then.
CANDIDATES = """
SELECT id, schedule_id, scheduled_for, completed_at, queue, coalesce(unique_until, 0) FROM rota_jobs
WHERE status = 'STATUS' AND origin = :origin AND completed_at < :before
  AND (completed_at, id) > (:after_at, :after_id) AND status IN ('completed', 'failed', 'cancelled')
ORDER BY completed_at, id LIMIT :window
"""
Place = tuple[int, str]
FIRST: Place = (-1 << 63, "00000000-0000-0000-0000-000000000000")

# From which instant on a schedule's runs stay, and which was its last good one, whose result the next run is given.
KEPT = """
SELECT s.id,
  (SELECT k.scheduled_for FROM rota_jobs k WHERE k.schedule_id = s.id AND k.scheduled_for IS NOT NULL
   ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET :keep),
  (SELECT k.scheduled_for FROM rota_jobs k WHERE k.schedule_id = s.id AND k.scheduled_for IS NOT NULL
   AND {lite|+}k.status{pg| || ''} = 'completed' ORDER BY k.scheduled_for DESC LIMIT 1)
FROM {rows|w|schedules|id text} JOIN rota_schedules s ON s.id = w.id
"""
WINDOW = 1000


MOST_WINDOWS = 50
"""Read by one look: what stays may be millions of rows."""


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which ended jobs."""

    before: int
    """Ended before this, µs UTC."""
    status: str
    origins: tuple[str, ...] = TRAFFIC + RUNS
    queues: frozenset[str] | None = None
    """Only those of these; None for all."""
    but: frozenset[str] = frozenset()
    """Not those of these."""

    def has(self, queue: str) -> bool:
        """Tell whether the jobs of a queue are meant."""
        return queue not in self.but and (self.queues is None or queue in self.queues)


class Old(msgspec.Struct):
    """Jobs that may go."""

    ids: list[str]
    more: bool
    """Whether not all was looked at."""


def old_jobs(tx: Tx, which: Which, *, keep_last: int, limit: int, places: dict[str, Place] | None = None) -> Old:
    """Return ended jobs, but the last ``keep_last`` runs of each schedule (at least one), and its last good one.

    A schedule that was deleted keeps none.  ``places`` says by origin up to where nothing is to go, as earlier looks
    for the same found: that is not looked at again.
    """
    found: list[str] = []
    places = {} if places is None else places
    kept, left, now = _Kept(tx, keep_last), MOST_WINDOWS, tx.now()
    sql = CANDIDATES.replace("STATUS", which.status)
    for origin in which.origins:
        (at, last), more = places.get(origin, FIRST), True
        while more and len(found) < limit and left:
            params = {"origin": origin, "before": which.before, "window": WINDOW, "after_at": at, "after_id": last}
            rows, left = tx.rows(sql, params), left - 1
            going = kept.without([row for row in rows if which.has(row[4]) and row[5] <= now])
            more = len(rows) == WINDOW
            if rows and (more or going):
                at, last = rows[-1][3], rows[-1][0]
            if more and not found and not going:
                places[origin] = (at, last)
            found += going
    return Old(found[:limit], more=not left)


class _Kept:
    """Which runs stay at any age, asked once for each schedule."""

    def __init__(self, tx: Tx, keep_last: int) -> None:
        self._tx = tx
        self._keep = max(0, keep_last - 1)
        self._bounds: dict[str, tuple[int, int]] = {}

    def without(self, rows: Sequence[Row]) -> list[str]:
        """Return the ids of (id, schedule, instant, …) that do not stay."""
        unknown = {row[1] for row in rows if row[2] is not None} - self._bounds.keys() - {None}
        if unknown:
            params = {"schedules": batch([{"id": schedule} for schedule in unknown]), "keep": self._keep}
            bounds = {row[0]: (row[1] or 0, row[2] or 0) for row in self._tx.rows(KEPT, params)}
            self._bounds |= {schedule: bounds.get(schedule, NEVER) for schedule in unknown}
        return [row[0] for row in rows if row[1] is None or row[2] is None or not self._stays(row[1], row[2])]

    def _stays(self, schedule: str, instant: int) -> bool:
        since, good = self._bounds[schedule]
        return instant >= since or instant == good


NEVER = (1 << 63, 0)


def delete_jobs(tx: Tx, ids: list[str]) -> int:
    """Delete jobs that have ended still, with their attempts and logs."""
    return jobs.delete(tx, ids, FINAL) if ids else 0


def delete_occurrences(tx: Tx, before: int, limit: int) -> int:
    """Delete occurrences decided before ``before``."""
    sql = """
    DELETE FROM rota_occurrences WHERE (schedule_id, scheduled_for) IN (
      SELECT schedule_id, scheduled_for FROM rota_occurrences WHERE decided_at < :before ORDER BY decided_at
      LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_logs(tx: Tx, before: int, limit: int) -> int:
    """Delete log chunks older than ``before``."""
    sql = """
    DELETE FROM rota_logs WHERE (job_id, first_line) IN (
      SELECT job_id, first_line FROM rota_logs WHERE at < :before ORDER BY at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


def delete_idempotency(tx: Tx, before: int, limit: int = 10_000) -> int:
    """Delete remembered answers older than ``before``, at most ``limit``."""
    sql = """
    DELETE FROM rota_idempotency WHERE key IN (
      SELECT key FROM rota_idempotency WHERE created_at < :before ORDER BY created_at LIMIT :limit)
    """
    return tx.run(sql, {"before": before, "limit": limit})


# Those whose last jobs have ended, and that are to go with them.
SPENT = """
SELECT s.id FROM rota_schedules s WHERE s.next_at IS NULL AND s.after_run = 'delete' AND NOT EXISTS (
  SELECT 1 FROM rota_jobs j WHERE j.schedule_id = s.id AND j.schedule_id IS NOT NULL
    AND j.status IN ('scheduled', 'pending', 'running', 'held'))
ORDER BY s.id LIMIT :limit
"""

# Whoever edited one meanwhile gave it another next instant, which is looked at when its row is free.
DELETE_SPENT = f"""
DELETE FROM rota_schedules WHERE id {{in|{SPENT} {{pg|FOR UPDATE SKIP LOCKED}}}}
  AND next_at IS NULL AND after_run = 'delete' RETURNING id, version
"""


def spent(tx: Tx) -> bool:
    """Tell whether a schedule is to be deleted since it has no next instant and its jobs have ended."""
    return tx.row(SPENT, {"limit": 1}) is not None


def delete_spent(tx: Tx, by: str, limit: int) -> list[str]:
    """Delete such schedules, with a last version by ``by``; return their ids."""
    gone = tx.rows(DELETE_SPENT, {"limit": limit})
    now = tx.now() if gone else 0
    versions.write(
        tx,
        [
            ScheduleVersion(
                schedule_id=schedule_id, version=version + 1, action="deleted", author=by, at=now,
                note="its last run has ended",
            )
            for schedule_id, version in gone
        ],
    )  # fmt: skip
    return [schedule_id for schedule_id, _ in gone]
