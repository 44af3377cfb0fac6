"""The signs of life of the whole system: watermark, processes, and work that nobody takes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import Worker
from rota.store import meta, queues, types, workers
from rota.store.database import Tx
from rota.store.sql import batch


class Lane(msgspec.Struct, frozen=True):
    """Jobs of one queue and lane wait; ``type`` is that of the first of them, due since ``since`` (µs UTC)."""

    queue: str
    lane: str
    type: str | None
    since: int


class Vitals(msgspec.Struct, frozen=True):
    """Signs of life.  Times are µs UTC by the database's clock."""

    now: int
    accounted_to: int | None
    scheduler_seen_at: int | None
    """Of the living one that was seen last; None when none lives."""
    worker_seen_at: int | None
    untaken: list[Lane]
    """What waits without a living worker that takes it."""
    overdue: str | None = None
    """The schedule that is due for the longest time."""


class Stranded(msgspec.Struct, frozen=True):
    """Jobs that no living worker can take, due since ``since`` (µs UTC).

    Of a type whose code none has, in whatever queue; else of a queue and lane, and ``type`` is that of the first.
    """

    type: str | None
    queue: str | None
    lane: str | None
    count: int
    """Not above ``MOST_COUNTED``."""
    since: int


MOST_COUNTED = 10_000

# A skip scan of the index of ready jobs: one probe for each queue and lane that has some, however many they have.
WAITING = """
WITH RECURSIVE lanes(queue, lane) AS (
  SELECT * FROM (SELECT queue, lane FROM rota_jobs WHERE status = 'pending' ORDER BY queue, lane LIMIT 1) first
  UNION ALL
  SELECT
    (SELECT j.queue FROM rota_jobs j WHERE j.status = 'pending' AND (j.queue, j.lane) > (l.queue, l.lane)
     ORDER BY j.queue, j.lane LIMIT 1),
    (SELECT j.lane FROM rota_jobs j WHERE j.status = 'pending' AND (j.queue, j.lane) > (l.queue, l.lane)
     ORDER BY j.queue, j.lane LIMIT 1)
  FROM lanes l WHERE l.queue IS NOT NULL
)
SELECT l.queue, l.lane,
  (SELECT j.type FROM rota_jobs j WHERE j.status = 'pending' AND j.queue = l.queue AND j.lane = l.lane
   ORDER BY j.rank, j.run_at, j.id LIMIT 1),
  (SELECT j.run_at FROM rota_jobs j WHERE j.status = 'pending' AND j.queue = l.queue AND j.lane = l.lane
   ORDER BY j.rank, j.run_at, j.id LIMIT 1)
FROM lanes l JOIN rota_queues q ON q.name = l.queue
WHERE q.paused_at IS NULL LIMIT 1000
"""

# Only asked when there are such types; a bound keeps a backlog of millions from being read again and again.
WITHOUT_CODE = f"""
SELECT w.type, count(*), min(w.run_at) FROM (
  SELECT j.type, j.run_at FROM rota_jobs j JOIN rota_queues q ON q.name = j.queue
  WHERE j.status = 'pending' AND j.lane IN ('async', 'sync') AND q.paused_at IS NULL
    AND j.type IN (SELECT n.name FROM {{rows|n|names|name text}}) LIMIT {MOST_COUNTED}
) w GROUP BY w.type ORDER BY w.type
"""

# The clock in a subquery of its own: see store/due.py.
OVERDUE = "SELECT id FROM rota_schedules WHERE next_at <= (SELECT rota_now()) ORDER BY next_at LIMIT 1"

COUNT_DUE = f"""
SELECT count(*) FROM (
  SELECT 1 FROM rota_schedules WHERE next_at <= (SELECT rota_now()) ORDER BY next_at LIMIT {MOST_COUNTED}
) d
"""

COUNT_IN_LANE = f"""
SELECT count(*) FROM (
  SELECT 1 FROM rota_jobs WHERE status = 'pending' AND queue = :queue AND lane = :lane LIMIT {MOST_COUNTED}
) w
"""

ANYTHING = """
SELECT rota_now(), EXISTS (SELECT 1 FROM rota_jobs {lite|INDEXED BY rota_jobs_ready} WHERE status = 'pending')
"""

CODE_LANES = frozenset(("async", "sync"))


class Taker(msgspec.Struct, frozen=True):
    """What a living worker takes."""

    queues: frozenset[str] | None
    lanes: frozenset[str]
    types: frozenset[str]

    def takes(self, queue: str, lane: str, type_: str | None) -> bool:
        """Tell whether it takes such a job."""
        if lane not in self.lanes or (self.queues is not None and queue not in self.queues):
            return False
        return lane not in CODE_LANES or type_ is None or type_ in self.types


def look(tx: Tx) -> Vitals:
    """Return the signs of life."""
    now = tx.now()
    living = workers.living(tx)
    seen: dict[str, int] = {}
    for worker in living:
        seen[worker.role] = max(worker.seen_at, seen.get(worker.role, 0))
    return Vitals(
        now=now,
        accounted_to=meta.accounted_to(tx),
        scheduler_seen_at=seen.get("scheduler"),
        worker_seen_at=seen.get("worker"),
        untaken=_untaken(tx, takers_of(living)),
        overdue=tx.value(OVERDUE),
    )


class Gauges(msgspec.Struct, frozen=True):
    """The state of the system in numbers, for those who keep them.  Times are µs UTC by the database's clock."""

    now: int
    accounted_to: int | None
    schedules_due: int
    """Not above ``MOST_COUNTED``."""
    schedulers: int
    workers: int
    jobs: dict[tuple[str, str], int]
    """By queue and status, each as ``store.queues.stats`` caps it."""


COUNTED_STATUSES = ("pending", "scheduled", "running", "failed")


def gauges(tx: Tx) -> Gauges:
    """Return the state of the system in numbers."""
    roles = [worker.role for worker in workers.living(tx)]
    jobs = {(queue.name, status): 0 for queue in queues.listed(tx) for status in COUNTED_STATUSES}
    for row in queues.stats(tx):
        where = (row["queue"], row["status"])
        jobs[where] = jobs.get(where, 0) + int(row["n"])
    return Gauges(
        now=tx.now(),
        accounted_to=meta.accounted_to(tx),
        schedules_due=int(tx.value(COUNT_DUE)),
        schedulers=roles.count("scheduler"),
        workers=roles.count("worker"),
        jobs=jobs,
    )


def stranded(tx: Tx) -> tuple[int, list[Stranded]]:
    """Return the time (µs UTC) and all jobs that wait although no living worker can take them."""
    now, waiting = tx.rows(ANYTHING)[0]
    if not waiting:
        return now, []
    takers = takers_of(workers.living(tx))
    code = frozenset(types.code_names(tx))
    without = sorted(code.difference(*(taker.types for taker in takers)))
    found: list[Stranded] = []
    if without:
        rows = tx.rows(WITHOUT_CODE, {"names": batch([{"name": name} for name in without])})
        found = [Stranded(type=name, queue=None, lane=None, count=count, since=since) for name, count, since in rows]
    for lane in _untaken(tx, takers):
        if lane.type not in without:
            count = tx.value(COUNT_IN_LANE, {"queue": lane.queue, "lane": lane.lane})
            found.append(Stranded(type=lane.type, queue=lane.queue, lane=lane.lane, count=count, since=lane.since))
    return now, found


def takers_of(living: Sequence[Worker]) -> list[Taker]:
    """Return what each of these processes takes that is a worker at work."""
    found = []
    for worker in living:
        if worker.role == "worker" and worker.state == "running":
            queues = frozenset(msgspec.json.decode(worker.queues)) if worker.queues else None
            lanes = frozenset(msgspec.json.decode(worker.lanes or "[]"))
            found.append(Taker(queues, lanes, frozenset(msgspec.json.decode(worker.types or "[]"))))
    return found


def _untaken(tx: Tx, takers: Sequence[Taker]) -> list[Lane]:
    waiting = [Lane(*row) for row in tx.rows(WAITING) if row[3] is not None]
    return [one for one in waiting if not any(taker.takes(one.queue, one.lane, one.type) for taker in takers)]
