"""The signs of life of the whole system: watermark, processes, and work that nobody takes."""

from __future__ import annotations

import msgspec

from rota.store import meta, workers
from rota.store.database import Tx


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

CODE_LANES = frozenset(("async", "sync"))


class _Taker(msgspec.Struct, frozen=True):
    queues: frozenset[str] | None
    lanes: frozenset[str]
    types: frozenset[str]

    def takes(self, queue: str, lane: str, type_: str | None) -> bool:
        if lane not in self.lanes or (self.queues is not None and queue not in self.queues):
            return False
        return lane not in CODE_LANES or type_ is None or type_ in self.types


def look(tx: Tx) -> Vitals:
    """Return the signs of life."""
    now = tx.now()
    seen: dict[str, int] = {}
    takers = []
    for worker in workers.living(tx):
        seen[worker.role] = max(worker.seen_at, seen.get(worker.role, 0))
        if worker.role == "worker" and worker.state == "running":
            queues = frozenset(msgspec.json.decode(worker.queues)) if worker.queues else None
            lanes = frozenset(msgspec.json.decode(worker.lanes or "[]"))
            takers.append(_Taker(queues, lanes, frozenset(msgspec.json.decode(worker.types or "[]"))))
    waiting = [Lane(*row) for row in tx.rows(WAITING) if row[3] is not None]
    return Vitals(
        now=now,
        accounted_to=meta.accounted_to(tx),
        scheduler_seen_at=seen.get("scheduler"),
        worker_seen_at=seen.get("worker"),
        untaken=[one for one in waiting if not any(t.takes(one.queue, one.lane, one.type) for t in takers)],
    )
