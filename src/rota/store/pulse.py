"""What the loops of a scheduler look for each second, asked by one of them for all."""

from __future__ import annotations

import msgspec

from rota.store import ageing, awaiting, due, operations, pauses, queues
from rota.store.database import Tx

LOOK = f"""
SELECT rota_now(), (SELECT min(next_at) FROM rota_schedules WHERE next_at IS NOT NULL), {due.SEEN},
  EXISTS (SELECT 1 FROM rota_workers WHERE state IN ('running', 'draining') AND lease_until < {due.NOW}),
  {operations.WAITING}, EXISTS ({queues.OVER}) OR EXISTS ({pauses.OVER}) OR EXISTS ({ageing.BEGUN}),
  {awaiting.ANY_OVER}
"""


class Pulse(msgspec.Struct, frozen=True):
    """What there is to do, and when.  Times are µs UTC by the database's clock."""

    now: int
    next_at: int | None
    """The least next instant of all schedules."""
    next_job: int | None
    """When the next scheduled job is due."""
    expired: bool
    """A job waited longer than it may."""
    held: bool
    """A job waits for its turn."""
    silent: bool
    """The lease of a process ran out."""
    operation: bool
    """An operation was left that is not done."""
    upkeep: bool
    """A pause is over, or jobs are to be ranked anew."""
    unanswered: bool = False
    """A target has not answered in time."""


def look(tx: Tx) -> Pulse:
    """Return what there is to do: one statement that goes by its indexes."""
    ((now, next_at, next_job, *found),) = tx.rows(LOOK)
    return Pulse(now, next_at, next_job, *map(bool, found))
