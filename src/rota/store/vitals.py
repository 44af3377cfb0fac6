"""The signs of life of the whole system: watermark, processes, and work that nobody takes."""

from __future__ import annotations

import msgspec

from rota.store import meta, untaken, workers
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
