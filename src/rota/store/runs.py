"""Runs of schedules and types, as monitors look at them: bounded looks by indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from rota.store.database import Tx
from rota.store.sql import batch

LAST_RUNS = 20
"""Of so many of the last runs of a schedule it is known how they went."""
MOST_RUNS = 1000
"""Of so many it is looked up which one completed last, where none of the last ones did."""
MOST_ACTIVE = 2000
"""Runs that go on, and schedules with runs that wait, of which so many are looked at."""
MOST_OF_ONE = 1000
"""Jobs of one schedule that wait or go on of which so many are looked at."""
MOST_FOUND = 50
MOST_DECIDED = 5000
MOST_UNFIRED = 500
MOST_PASSED = 500
MOST_FAILED = 500
MOST_ENDED = 200


class Run(msgspec.Struct, frozen=True):
    """A run of a schedule that started, or ended; times are µs UTC."""

    id: str
    status: str
    started_at: int | None
    completed_at: int | None
    scheduled_for: int

    @property
    def took(self) -> int | None:
        """How long it ran where it completed (µs)."""
        if self.status != "completed" or self.started_at is None or self.completed_at is None:
            return None
        return self.completed_at - self.started_at if self.completed_at >= self.started_at else None


RECENT = f"""
SELECT j.schedule_id, j.id, j.status, j.started_at, j.completed_at, j.scheduled_for
FROM {{few|u|ids|id text}} JOIN rota_jobs j ON j.schedule_id = u.id AND j.schedule_id IS NOT NULL
WHERE j.scheduled_for >= coalesce((
    SELECT k.scheduled_for FROM rota_jobs k
    WHERE k.schedule_id = u.id AND k.schedule_id IS NOT NULL AND k.scheduled_for IS NOT NULL
    ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET {LAST_RUNS - 1}), 0)
"""


def recent(tx: Tx, schedule_ids: Iterable[str]) -> dict[str, list[Run]]:
    """Return the last runs of each schedule, the latest first."""
    wanted = sorted(set(schedule_ids))
    found: dict[str, list[Run]] = defaultdict(list)
    for schedule_id, *run in tx.rows(RECENT, {"ids": _ids(wanted)}) if wanted else ():
        found[schedule_id].append(Run(*run))
    return {
        name: sorted(some, key=lambda run: (run.scheduled_for, run.id), reverse=True) for name, some in found.items()
    }


class LastEnd(msgspec.Struct, frozen=True):
    """When a schedule was heard of last; times are µs UTC."""

    completed_at: int | None
    """None where none of the runs that were looked at has completed."""
    scheduled_for: int
    """Of the last run that completed, or of the oldest one that was looked at."""


LAST_ENDS = f"""
SELECT j.schedule_id, max(CASE WHEN j.status = 'completed' THEN j.completed_at END),
  coalesce(max(CASE WHEN j.status = 'completed' THEN j.scheduled_for END), min(j.scheduled_for))
FROM {{few|u|ids|id text}} JOIN rota_jobs j ON j.schedule_id = u.id AND j.schedule_id IS NOT NULL
WHERE j.scheduled_for >= coalesce((
    SELECT k.scheduled_for FROM rota_jobs k
    WHERE k.schedule_id = u.id AND k.schedule_id IS NOT NULL AND k.scheduled_for IS NOT NULL
    ORDER BY k.scheduled_for DESC LIMIT 1 OFFSET {MOST_RUNS - 1}), 0)
GROUP BY j.schedule_id
"""


def last_ends(tx: Tx, schedule_ids: Iterable[str]) -> dict[str, LastEnd]:
    """Return by schedule what completed last, of many more runs than ``recent`` gives."""
    wanted = sorted(set(schedule_ids))
    rows = tx.rows(LAST_ENDS, {"ids": _ids(wanted)}) if wanted else ()
    return {row[0]: LastEnd(row[1], row[2]) for row in rows}


class Unstarted(msgspec.Struct, frozen=True):
    """A run of a schedule that is ready and was not started in time."""

    schedule_id: str
    id: str
    queue: str
    run_at: int
    """µs UTC."""
    ran_before: bool
    """Whether any run of the schedule was ever started, of those that are kept."""


# A skip scan: of each schedule with open jobs the first that should have been started, however many others it has.
# The last one in order: asked whether there is any, PostgreSQL would read the whole table.
UNSTARTED = f"""
WITH RECURSIVE s(id) AS (
  SELECT (SELECT j.schedule_id FROM rota_jobs j WHERE OPEN ORDER BY j.schedule_id LIMIT 1)
  UNION ALL
  SELECT (SELECT j.schedule_id FROM rota_jobs j WHERE OPEN AND j.schedule_id > s.id ORDER BY j.schedule_id LIMIT 1)
  FROM s WHERE s.id IS NOT NULL {{lite|LIMIT {MOST_ACTIVE}}}
)
SELECT a.schedule_id, a.id, a.queue, a.run_at, (
  SELECT 1 FROM rota_jobs k WHERE k.schedule_id = a.schedule_id AND k.schedule_id IS NOT NULL
    AND k.started_at IS NOT NULL ORDER BY k.scheduled_for DESC LIMIT 1)
FROM (
  SELECT (
    SELECT w.id FROM (
      SELECT j.id, j.queue, j.status, j.origin, j.attempt, j.run_at, j.ring, j.concurrency_key FROM rota_jobs j
      WHERE OPEN AND j.schedule_id = s.id LIMIT {MOST_OF_ONE}
    ) w
    WHERE w.status = 'pending' AND w.origin <> 'backfill' AND w.attempt = 0 AND w.run_at <= :before
      AND coalesce(w.ring, '') NOT LIKE '!%'
      AND NOT EXISTS (SELECT 1 FROM rota_pauses p
        WHERE p.kind = 'key' AND p.name = w.concurrency_key AND p.queue IN ('', w.queue))
      AND NOT EXISTS (SELECT 1 FROM rota_queues q WHERE q.name = w.queue AND q.paused_at IS NOT NULL)
    ORDER BY w.run_at, w.id LIMIT 1) AS id
  FROM s WHERE s.id IS NOT NULL LIMIT {MOST_ACTIVE}
) f JOIN rota_jobs a ON a.id = f.id
ORDER BY a.run_at LIMIT {MOST_FOUND}
""".replace("OPEN", "j.schedule_id IS NOT NULL AND j.status IN ('scheduled', 'pending', 'running', 'held')")


def unstarted(tx: Tx, before_us: int) -> list[Unstarted]:
    """Return the runs that were ready before then and are not started, though nobody has paused what they are in."""
    return [
        Unstarted(row[0], row[1], row[2], row[3], bool(row[4])) for row in tx.rows(UNSTARTED, {"before": before_us})
    ]


class Running(msgspec.Struct, frozen=True):
    """A job that runs for a while; times are µs UTC, durations µs."""

    id: str
    type: str | None
    queue: str
    schedule_id: str | None
    started_at: int
    updated_at: int
    timeout_us: int | None
    answer_by: int | None


RUNNING = f"""
SELECT id, type, queue, schedule_id, started_at, updated_at, timeout_us, answer_by FROM (
  SELECT id, type, queue, schedule_id, started_at, updated_at, timeout_us, answer_by FROM rota_jobs
  WHERE status = 'running' LIMIT {MOST_ACTIVE}
) r WHERE started_at <= :before ORDER BY started_at
"""


def running(tx: Tx, before_us: int) -> list[Running]:
    """Return the jobs that run since before then, the oldest first."""
    return [Running(*row) for row in tx.rows(RUNNING, {"before": before_us})]


LOGGED = """
SELECT u.id, (SELECT l.at FROM rota_logs l WHERE l.job_id = u.id ORDER BY l.first_line DESC LIMIT 1)
FROM {rows|u|batch|id uuid}
"""


def logged(tx: Tx, job_ids: Sequence[str]) -> dict[str, int]:
    """Return when jobs last wrote to their logs (µs UTC), of those that did."""
    rows = tx.rows(LOGGED, {"batch": _ids(job_ids)}) if job_ids else ()
    return {row[0]: row[1] for row in rows if row[1] is not None}


# Each kind of end by its own part of the index.  What a person cancelled is no sign that something is wrong.
FAILED = " UNION ".join(
    f"""
SELECT schedule_id FROM (
  SELECT schedule_id, reason FROM rota_jobs WHERE status = '{status}' AND origin = 'schedule'
    AND completed_at >= :since AND status IN ('completed', 'failed', 'cancelled')
  ORDER BY completed_at DESC LIMIT {MOST_FAILED}
) f WHERE schedule_id IS NOT NULL AND {which}"""
    for status, which in (("failed", "true"), ("cancelled", "reason IN ('expired', 'replaced')"))
)


def failed(tx: Tx, since_us: int) -> list[str]:
    """Return the schedules of which a run failed, expired or was replaced since then, of the latest that did."""
    return [row[0] for row in tx.rows(FAILED, {"since": since_us})]


COMPLETED = f"""
SELECT schedule_id, min(completed_at - started_at) FROM (
  SELECT schedule_id, started_at, completed_at FROM rota_jobs
  WHERE status = 'completed' AND origin = 'schedule' AND completed_at >= :since
    AND status IN ('completed', 'failed', 'cancelled') ORDER BY completed_at DESC LIMIT {MOST_ENDED}
) c WHERE schedule_id IS NOT NULL AND completed_at >= started_at GROUP BY schedule_id
"""


def completed(tx: Tx, since_us: int) -> dict[str, int]:
    """Return by schedule how long the shortest of its runs took (µs), of the latest that completed since then."""
    return {row[0]: row[1] for row in tx.rows(COMPLETED, {"since": since_us})}


# The bound is on what is read: one on what is found would let a search for little go through all of it.
UNFIRED = f"""
SELECT schedule_id FROM (
  SELECT schedule_id, disposition, cause, decided_at FROM rota_occurrences WHERE decided_at >= :since
  ORDER BY decided_at DESC LIMIT {MOST_DECIDED}
) d WHERE disposition IN ('skipped', 'missed', 'coalesced') AND coalesce(cause, '') <> 'shadow'
GROUP BY schedule_id ORDER BY max(decided_at) DESC, schedule_id LIMIT {MOST_UNFIRED}
"""


def unfired(tx: Tx, since_us: int) -> list[str]:
    """Return the schedules of which an instant was decided since then that made no job, though nobody wanted that."""
    return [row[0] for row in tx.rows(UNFIRED, {"since": since_us})]


# Of each the first instant after one that was to make a job, whatever became of it.
DUE_AFTER = """
SELECT u.id, (SELECT o.scheduled_for FROM rota_occurrences o
  WHERE o.schedule_id = u.id AND o.scheduled_for > u.after AND o.disposition NOT IN ('paused', 'blackout')
  AND coalesce(o.cause, '') <> 'shadow'
  ORDER BY o.scheduled_for LIMIT 1)
FROM {rows|u|batch|id text, after bigint}
"""


def due_after(tx: Tx, instants: dict[str, int]) -> dict[str, int]:
    """Return by schedule the first instant after the given one (µs UTC) at which a run was wanted."""
    rows = [{"id": name, "after": after} for name, after in instants.items()]
    found = tx.rows(DUE_AFTER, {"batch": batch(rows)}) if rows else ()
    return {row[0]: row[1] for row in found if row[1] is not None}


QUIET = f"""
SELECT s.id, CASE WHEN s.paused_at IS NULL AND s.shadow = 0 AND s.runs > 0 THEN 1 ELSE 0 END, (
  SELECT CASE WHEN k.status = 'completed' THEN k.completed_at END FROM rota_jobs k
  WHERE k.schedule_id = s.id AND k.schedule_id IS NOT NULL AND k.scheduled_for IS NOT NULL
  ORDER BY k.scheduled_for DESC LIMIT 1)
FROM (SELECT id, paused_at, shadow, runs FROM rota_schedules WHERE id > :after ORDER BY id LIMIT {MOST_PASSED}) s
ORDER BY s.id
"""


def quiet(tx: Tx, before_us: int, limit: int, after: str) -> tuple[list[str], str]:
    """Return at most ``limit`` schedules behind ``after`` whose last run did not complete since then.

    With that where to go on, as only so many are looked at; empty behind the last one.
    """
    rows = tx.rows(QUIET, {"after": after})
    found: list[str] = []
    for name, expected, completed_at in rows:
        if expected and (completed_at or 0) < before_us:
            found.append(name)
            if len(found) == limit:
                return found, name
    return found, rows[-1][0] if len(rows) == MOST_PASSED else ""


LATE = f"""
SELECT id, next_at, runs FROM rota_schedules WHERE next_at <= :before AND paused_at IS NULL
ORDER BY next_at LIMIT {MOST_FOUND}
"""


def undecided(tx: Tx, before_us: int) -> list[tuple[str, int, int]]:
    """Return (id, instant, runs made) of the schedules that were due before then and about which nobody has decided."""
    return [(row[0], row[1], row[2]) for row in tx.rows(LATE, {"before": before_us})]


class Watched(msgspec.Struct, frozen=True):
    """What is asked of a schedule."""

    runs: int
    paused: bool
    """Or in the shadow: nobody expects it to run."""
    created_at: int
    resumed_at: int
    """When its last pause ended (µs UTC), 0 where it had none: what was before counts no more."""


THOSE = """
SELECT s.id, s.runs, CASE WHEN s.paused_at IS NULL AND s.shadow = 0 THEN 0 ELSE 1 END, s.created_at,
  coalesce(s.resumed_at, 0)
FROM {few|u|ids|id text} JOIN rota_schedules s ON s.id = u.id
"""


def watched(tx: Tx, schedule_ids: Iterable[str]) -> dict[str, Watched]:
    """Return what is asked of those schedules that there are."""
    wanted = sorted(set(schedule_ids))
    rows = tx.rows(THOSE, {"ids": _ids(wanted)}) if wanted else ()
    return {row[0]: Watched(row[1], bool(row[2]), row[3], row[4]) for row in rows}


def _ids(names: Iterable[str]) -> str:
    return batch([{"id": name} for name in names])
