"""Rows of the ledger that a backfill looks at, and puts in place of others."""

from __future__ import annotations

from collections.abc import Sequence

from rota.model import Occurrence
from rota.store.database import Tx
from rota.store.occurrences import OCCURRENCE_COLUMNS
from rota.store.sql import batch

# Also the range that began before.
ROWS = f"""
SELECT {OCCURRENCE_COLUMNS} FROM rota_occurrences WHERE schedule_id = :id AND scheduled_for <= :last
  AND scheduled_for >= coalesce((SELECT max(b.scheduled_for) FROM rota_occurrences b
                                 WHERE b.schedule_id = :id AND b.scheduled_for <= :first), :first)
ORDER BY scheduled_for
"""

REMOVE = """
DELETE FROM rota_occurrences WHERE schedule_id = :id
  AND scheduled_for IN (SELECT u.scheduled_for FROM {rows|u|batch|scheduled_for bigint})
"""

# Decided now, so that retention keeps them.
INSERT = """
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, job_id, reason, cause, version,
  decided_at)
SELECT u.schedule_id, u.scheduled_for, u.until_at, u.disposition, u.job_id, u.reason, u.cause, u.version,
  CASE WHEN u.job_id IS NULL THEN u.decided_at ELSE rota_now() END
FROM {rows|u|batch|schedule_id text, scheduled_for bigint, until_at bigint, disposition text, job_id uuid, reason text,
  cause text, version bigint, decided_at bigint}
WHERE true ON CONFLICT DO NOTHING
"""


def rows(tx: Tx, schedule_id: str, first: int, last: int) -> list[Occurrence]:
    """Return the rows that cover instants from ``first`` up to and with ``last`` (µs UTC), in order."""
    found = tx.rows(ROWS, {"id": schedule_id, "first": first, "last": last})
    names = Occurrence.__struct_fields__
    read = [Occurrence(**dict(zip(names, row, strict=True))) for row in found]
    return [one for one in read if one.until_at >= first]


def replace(tx: Tx, schedule_id: str, old: Sequence[Occurrence], new: Sequence[Occurrence]) -> None:
    """Put rows in the place of others, which covered their instants."""
    if old:
        tx.run(REMOVE, {"id": schedule_id, "batch": batch([{"scheduled_for": one.scheduled_for} for one in old])})
    if new:
        tx.run(INSERT, {"batch": batch(new)})
