"""Retention: ended jobs, occurrences and logs are deleted by age, in small batches; spent schedules when they may."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import FINAL, Attempt, Job, LogChunk, ScheduleVersion
from rota.store import jobs, versions
from rota.store.database import Row, Tx, columns
from rota.store.sql import batch

# Runs of schedules, triggers, exec and backfills are history; plain queue jobs are traffic.  Each kind is a range of
# the index, or the traffic's short retention would walk over the whole history each time.  The next page begins after
# the last row of the one before: what stays at any age may be more than what goes.
TRAFFIC = ("enqueue",)
RUNS = ("schedule", "trigger", "exec", "backfill")

# Who holds a unique key for some time is found by it, so it stays until then.
CANDIDATES = """
SELECT id, schedule_id, scheduled_for, completed_at, queue, coalesce(unique_until, 0) FROM THOSE
  AND completed_at < :before AND (completed_at, id) > (:after_at, :after_id)
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
    queue: str | None = None
    """Only those of this one, whatever their origin; it is found by an index of its own."""

    @property
    def those(self) -> str:
        """Where an index finds them, by each of ``ranges`` as ``:range``."""
        if self.queue is None:
            ended = "status IN ('completed', 'failed', 'cancelled')"
            return f"rota_jobs WHERE status = '{self.status}' AND origin = :range AND {ended}"
        # SQLite's statistics, which may be of long ago, would have it read all that failed.
        indexed = "{lite|INDEXED BY rota_jobs_kept}"
        return f"rota_jobs {indexed} WHERE status = '{self.status}' AND queue = :range AND completed_at IS NOT NULL"

    @property
    def ranges(self) -> tuple[str, ...]:
        """Origins, or the queue."""
        return self.origins if self.queue is None else (self.queue,)

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

    A schedule that was deleted keeps none.  ``places`` says by range up to where nothing is to go, as earlier looks
    for the same found: that is not looked at again.
    """
    found: list[str] = []
    places = {} if places is None else places
    kept, left, now = _Kept(tx, keep_last), MOST_WINDOWS, tx.now()
    sql = CANDIDATES.replace("THOSE", which.those)
    for value in which.ranges:
        (at, last), more = places.get(value, FIRST), True
        while more and len(found) < limit and left:
            params = {"range": value, "before": which.before, "window": WINDOW, "after_at": at, "after_id": last}
            rows, left = tx.rows(sql, params), left - 1
            going = kept.without([row for row in rows if which.has(row[4]) and row[5] <= now])
            more = len(rows) == WINDOW
            if rows and (more or going):
                at, last = rows[-1][3], rows[-1][0]
            if more and not found and not going:
                places[value] = (at, last)
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


class Ended(msgspec.Struct, frozen=True):
    """A job that has ended, with its starts but the last."""

    job: Job
    attempts: list[Attempt]


READ = f"""
SELECT {columns(Job.__struct_fields__, "j.")} FROM {{few|u|batch|id uuid}} JOIN rota_jobs j ON j.id = u.id ORDER BY j.id
"""
ATTEMPTS = f"""
SELECT {columns(Attempt.__struct_fields__, "a.")}
FROM {{few|u|batch|id uuid}} JOIN rota_attempts a ON a.job_id = u.id ORDER BY a.job_id, a.attempt
"""


def read_jobs(tx: Tx, ids: Sequence[str]) -> list[Ended]:
    """Return jobs as they are now, to be kept elsewhere; those that are to run again are left out."""
    params = {"batch": batch([{"id": one} for one in ids])}
    attempts: dict[str, list[Attempt]] = {}
    for row in tx.rows(ATTEMPTS, params):
        one = Attempt(**dict(zip(Attempt.__struct_fields__, row, strict=True)))
        attempts.setdefault(one.job_id, []).append(one)
    found = [Job(**dict(zip(Job.__struct_fields__, row, strict=True))) for row in tx.rows(READ, params)]
    return [Ended(job, attempts.get(job.id, [])) for job in found if job.status in FINAL]


def bound(tx: Tx, which: Which, most: int) -> int:
    """Return before when jobs must have ended to be beyond the ``most`` that ended last; 0 where there are not so many.

    Those that ended in the same moment as the last of these stay too.
    """
    if most == 0:
        return tx.now()
    branches = [
        f"""
        SELECT completed_at FROM (SELECT completed_at FROM {which.those.replace(":range", f":v{place}")}
          ORDER BY completed_at DESC LIMIT :some) b{place}
        """
        for place in range(len(which.ranges))
    ]
    sql = f"{' UNION ALL '.join(branches)} ORDER BY completed_at DESC LIMIT 1 OFFSET :most"
    params = {f"v{place}": value for place, value in enumerate(which.ranges)}
    return int(tx.value(sql, {**params, "some": most, "most": most - 1}) or 0)


LENGTHS = ("args", "result", "error", "error_detail", "exchange", "target", "tags")
OVERHEAD = 900
"""Bytes of a job beside what it carries: its other columns and what stands in the indexes."""
SAMPLE = 300
WEIGHT = f"""
SELECT count(*), coalesce(sum({" + ".join(f"coalesce(length(CAST({name} AS text)), 0)" for name in LENGTHS)}
  + coalesce((SELECT sum(length(l.body)) FROM rota_logs l WHERE l.job_id = s.id), 0)), 0)
FROM (SELECT id, {", ".join(LENGTHS)} FROM THOSE ORDER BY completed_at DESC LIMIT {SAMPLE}) s
"""


def weight(tx: Tx, which: Which) -> tuple[int, int]:
    """Return how many jobs of a kind there are, and about how many bytes they take, judged by the latest ones."""
    jobs_there = total = 0
    for value in which.ranges:
        there = int(tx.value(f"SELECT count(*) FROM {which.those}", {"range": value}))
        if there:
            seen, size = tx.rows(WEIGHT.replace("THOSE", which.those), {"range": value})[0]
            jobs_there, total = jobs_there + there, total + there * (OVERHEAD + int(size) // int(seen))
    return jobs_there, total


class Changed(Exception):
    """What was read is not what is there now."""


LOCK_ENDED = (
    "SELECT id, completed_at FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}} {pg|FOR UPDATE}"
)


def delete_read(tx: Tx, ended: Sequence[Ended], chunks: int | None) -> int:
    """Delete jobs, with so many chunks of logs where that is given; raises Changed unless they are as they were."""
    if not ended:
        return 0
    ids = [one.job.id for one in ended]
    params = {"batch": batch([{"id": one} for one in ids])}
    if dict(tx.rows(LOCK_ENDED, params)) != {one.job.id: one.job.completed_at for one in ended}:
        raise Changed
    gone = "DELETE FROM rota_logs WHERE job_id {in|SELECT u.id FROM {rows|u|batch|id uuid}}"
    if chunks is not None and tx.run(gone, params) != chunks:
        raise Changed
    return delete_jobs(tx, ids)


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


Chunk = tuple[str, int]
"""Job and first line of a chunk of a log."""


def chunks_of(tx: Tx, ids: Sequence[str]) -> list[Chunk]:
    """Return the chunks of the logs of jobs."""
    sql = """
    SELECT job_id, first_line FROM rota_logs WHERE job_id {in|SELECT u.id FROM {rows|u|batch|id uuid}}
    ORDER BY job_id, first_line
    """
    return [(row[0], row[1]) for row in tx.rows(sql, {"batch": batch([{"id": one} for one in ids])})]


def old_chunks(tx: Tx, before: int, limit: int) -> list[Chunk]:
    """Return the oldest chunks that were stored before ``before``."""
    sql = "SELECT job_id, first_line FROM rota_logs WHERE at < :before ORDER BY at LIMIT :limit"
    return [(row[0], row[1]) for row in tx.rows(sql, {"before": before, "limit": limit})]


def read_chunks(tx: Tx, chunks: Sequence[Chunk]) -> list[LogChunk]:
    """Return chunks as they are, in order; one that is gone is left out."""
    sql = f"""
    SELECT {columns(LogChunk.__struct_fields__, "l.")} FROM {{few|u|batch|job_id uuid, first_line bigint}}
    JOIN rota_logs l ON l.job_id = u.job_id AND l.first_line = u.first_line ORDER BY l.job_id, l.first_line
    """
    return [LogChunk(*row) for row in tx.rows(sql, {"batch": _of_chunks(chunks)})]


def delete_chunks(tx: Tx, chunks: Sequence[Chunk]) -> int:
    """Delete chunks."""
    sql = """
    DELETE FROM rota_logs WHERE (job_id, first_line) IN (
      SELECT u.job_id, u.first_line FROM {rows|u|batch|job_id uuid, first_line bigint})
    """
    return tx.run(sql, {"batch": _of_chunks(chunks)})


def _of_chunks(chunks: Sequence[Chunk]) -> object:
    return batch([{"job_id": job_id, "first_line": first} for job_id, first in chunks])


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
