"""Versions of schedules: what each one was, from when on, and who made it so."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import ScheduleVersion, VersionAction
from rota.store.database import Row, Tx, columns
from rota.store.sql import batch

COLUMNS = columns(ScheduleVersion.__struct_fields__)

WRITE = f"""
INSERT INTO rota_schedule_versions ({COLUMNS})
SELECT u.schedule_id, u.version, u.action, u.author, u.note, {{json|u.definition}}, u.at
FROM {{rows|u|batch|schedule_id text, version bigint, action text, author text, note text, definition text, at bigint}}
WHERE true ON CONFLICT DO NOTHING
"""

# What it is does not change where it is only paused or resumed.
REPEAT = """
INSERT INTO rota_schedule_versions (schedule_id, version, action, author, note, definition, at)
SELECT u.schedule_id, s.version, u.action, u.author, u.note,
  (SELECT v.definition FROM rota_schedule_versions v WHERE v.schedule_id = u.schedule_id
   ORDER BY v.version DESC LIMIT 1), rota_now()
FROM {rows|u|batch|schedule_id text, action text, author text, note text}
JOIN rota_schedules s ON s.id = u.schedule_id
WHERE true {pg|AND s.id = ANY(ARRAY(SELECT w.schedule_id FROM {rows|w|batch|schedule_id text}))} ON CONFLICT DO NOTHING
"""


MOST_KEPT = 1000
"""Versions of a schedule: two programs that disagree about one make a version at each start."""

FORGET = """
DELETE FROM rota_schedule_versions WHERE schedule_id = :id AND version <= :last
"""


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is what the one before was, but paused or resumed."""

    schedule_id: str
    action: VersionAction
    author: str | None = None
    note: str | None = None


def write(tx: Tx, versions: Sequence[ScheduleVersion]) -> None:
    """Store versions with the numbers that they say; those long before them are forgotten."""
    if versions:
        tx.run(WRITE, {"batch": batch(versions)})
    for one in versions:
        if one.version > MOST_KEPT:
            tx.run(FORGET, {"id": one.schedule_id, "last": one.version - MOST_KEPT})


def repeat(tx: Tx, those: Sequence[Repeat]) -> None:
    """Store the present number of schedules as versions with the definition of the version before, from now on.

    For whoever pauses or resumes schedules, in the same transaction and after it.
    """
    if those:
        tx.run(REPEAT, {"batch": batch(those)})


def get(tx: Tx, schedule_id: str, version: int) -> ScheduleVersion | None:
    """Return a version, or None."""
    sql = f"SELECT {COLUMNS} FROM rota_schedule_versions WHERE schedule_id = :id AND version = :version"
    row = tx.row(sql, {"id": schedule_id, "version": version})
    return _read(row) if row else None


def listed(
    tx: Tx, schedule_id: str, *, before: int | None = None, limit: int = 200, offset: int = 0
) -> list[ScheduleVersion]:
    """Return the versions of a schedule, the latest first, those with numbers below ``before``."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedule_versions WHERE schedule_id = :id
      AND version < coalesce(CAST(:before AS bigint), 9223372036854775807)
    ORDER BY version DESC LIMIT :limit OFFSET :offset
    """
    params = {"id": schedule_id, "before": before, "limit": limit, "offset": offset}
    return [_read(row) for row in tx.rows(sql, params)]


def numbered(tx: Tx, schedule_id: str, numbers: Sequence[int]) -> dict[int, ScheduleVersion]:
    """Return those versions of a schedule that there are of some numbers."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedule_versions WHERE schedule_id = :id
      AND version IN (SELECT u.version FROM {{rows|u|batch|version bigint}})
    """
    rows = tx.rows(sql, {"id": schedule_id, "batch": batch([{"version": number} for number in sorted(set(numbers))])})
    return {row[1]: _read(row) for row in rows}


def in_force(tx: Tx, schedule_id: str, start: int, end: int) -> list[ScheduleVersion]:
    """Return the versions that held at some time from ``start`` to ``end`` (µs UTC), in order."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedule_versions WHERE schedule_id = :id AND at <= :end
      AND version >= coalesce((SELECT max(b.version) FROM rota_schedule_versions b
                               WHERE b.schedule_id = :id AND b.at <= :start), 0)
    ORDER BY version
    """
    return [_read(row) for row in tx.rows(sql, {"id": schedule_id, "start": start, "end": end})]


def _read(row: Row) -> ScheduleVersion:
    return ScheduleVersion(**dict(zip(ScheduleVersion.__struct_fields__, row, strict=True)))
