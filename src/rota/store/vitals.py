"""The signs of life of the whole system: watermark, processes, and work that nobody takes."""

from __future__ import annotations

import msgspec

from rota.store import meta, queues, untaken, workers
from rota.store.database import Tx
from rota.store.untaken import Lane


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


MOST_COUNTED = 10_000

# The clock in a subquery of its own: see store/due.py.
OVERDUE = "SELECT id FROM rota_schedules WHERE next_at <= (SELECT rota_now()) ORDER BY next_at LIMIT 1"

COUNT_DUE = f"""
SELECT count(*) FROM (
  SELECT 1 FROM rota_schedules WHERE next_at <= (SELECT rota_now()) ORDER BY next_at LIMIT {MOST_COUNTED}
) d
"""


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
        untaken=untaken.lanes(tx, untaken.takers_of(living)),
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
