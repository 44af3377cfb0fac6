"""The ledger: one row for every due instant that made a job, or for a run of instants alike."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import Occurrence, State
from rota.store.database import Tx, columns
from rota.store.sql import batch

OCCURRENCE_COLUMNS = columns(Occurrence.__struct_fields__)

# A row of the same disposition and cause that this one follows is made longer instead: a schedule of each minute,
# paused for a month, is one row.
EXTEND = """
UPDATE rota_occurrences AS o SET until_at = u.until_at, decided_at = rota_now()
FROM {rows|u|batch|schedule_id text, scheduled_for bigint, until_at bigint, disposition text, cause text,
  version bigint}
WHERE o.schedule_id = u.schedule_id AND o.disposition = u.disposition AND o.job_id IS NULL
  AND coalesce(o.cause, '') = coalesce(u.cause, '') AND o.version = u.version AND o.until_at < u.scheduled_for
  AND o.scheduled_for = (SELECT max(l.scheduled_for) FROM rota_occurrences l WHERE l.schedule_id = u.schedule_id)
RETURNING {pg|o.}schedule_id
"""

# An instant that a row covers already stays as it was decided: a clock set back must not fire it again.
ACCOUNT = """
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, job_id, reason, cause, version,
  decided_at)
SELECT u.schedule_id, u.scheduled_for, u.until_at, u.disposition, u.job_id, u.reason, u.cause, u.version, rota_now()
FROM {rows|u|batch|schedule_id text, scheduled_for bigint, until_at bigint, disposition text, job_id uuid, reason text,
  cause text, version bigint}
WHERE coalesce((SELECT c.until_at < u.scheduled_for FROM rota_occurrences c
  WHERE c.schedule_id = u.schedule_id AND c.scheduled_for <= u.scheduled_for
  ORDER BY c.scheduled_for DESC LIMIT 1), true)
ON CONFLICT DO NOTHING RETURNING schedule_id, scheduled_for
"""


def account(tx: Tx, occurrences: Sequence[Occurrence]) -> set[tuple[str, int]]:
    """Store occurrences, all of a schedule at once; return (schedule, instant) of those that have a row of their own.

    Of runs of instants alike one row is made, and one that follows the schedule's last row alike makes that longer.
    """
    rows = _merged(occurrences)
    first: dict[str, Occurrence] = {}
    for occurrence in rows:
        first.setdefault(occurrence.schedule_id, occurrence)
    ranges = [occurrence for occurrence in first.values() if occurrence.job_id is None]
    extended: set[str] = set()
    if ranges:
        extended = {row[0] for row in tx.rows(EXTEND, {"batch": batch(ranges)})}
    fresh = [row for row in rows if row.schedule_id not in extended or row is not first[row.schedule_id]]
    if not fresh:
        return set()
    return {(row[0], row[1]) for row in tx.rows(ACCOUNT, {"batch": batch(fresh)})}


def _merged(occurrences: Sequence[Occurrence]) -> list[Occurrence]:
    """Sort by schedule and instant, and make one of neighbours alike."""
    merged: list[Occurrence] = []
    for occurrence in sorted(occurrences, key=lambda one: (one.schedule_id, one.scheduled_for)):
        last = merged[-1] if merged else None
        if last is not None and _alike(last, occurrence):
            merged[-1] = msgspec.structs.replace(last, until_at=max(last.until_at, occurrence.until_at))
        else:
            merged.append(occurrence)
    return merged


def _alike(one: Occurrence, other: Occurrence) -> bool:
    return (
        one.job_id is None
        and other.job_id is None
        and (one.schedule_id, one.disposition, one.cause, one.version)
        == (other.schedule_id, other.disposition, other.cause, other.version)
    )


def listed(
    tx: Tx, schedule_id: str, *, before: int | None = None, limit: int = 200, offset: int = 0
) -> list[Occurrence]:
    """Return the occurrences of a schedule, the latest first, those that begin before ``before``."""
    sql = f"""
    SELECT {OCCURRENCE_COLUMNS} FROM rota_occurrences WHERE schedule_id = :id
      AND scheduled_for < coalesce(CAST(:before AS bigint), 9223372036854775807)
    ORDER BY scheduled_for DESC LIMIT :limit OFFSET :offset
    """
    names = Occurrence.__struct_fields__
    rows = tx.rows(sql, {"id": schedule_id, "before": before, "limit": limit, "offset": offset})
    return [Occurrence(**dict(zip(names, row, strict=True))) for row in rows]


RECENT = """
SELECT {columns} FROM {few|u|batch|id text}
CROSS JOIN rota_occurrences o WHERE o.schedule_id = u.id AND o.scheduled_for >= coalesce(
  (SELECT c.scheduled_for FROM rota_occurrences c WHERE c.schedule_id = u.id
   ORDER BY c.scheduled_for DESC LIMIT 1 OFFSET :others), CAST(-9223372036854775807 AS bigint))
ORDER BY o.schedule_id, o.scheduled_for DESC
""".replace("{columns}", columns(Occurrence.__struct_fields__, "o."))


def recent(tx: Tx, ids: Sequence[str], limit: int) -> dict[str, list[Occurrence]]:
    """Return the last occurrences of each schedule that has any, the latest first."""
    found: dict[str, list[Occurrence]] = {}
    given = {"batch": batch([{"id": schedule_id} for schedule_id in ids]), "others": limit - 1}
    for row in tx.rows(RECENT, given) if ids else []:
        one = Occurrence(**dict(zip(Occurrence.__struct_fields__, row, strict=True)))
        found.setdefault(one.schedule_id, []).append(one)
    return found


class Run(msgspec.Struct, frozen=True):
    """How far the job of an occurrence is (times in µs UTC)."""

    status: State
    started_at: int | None
    completed_at: int | None


RUNS = """
SELECT id, status, started_at, completed_at FROM rota_jobs WHERE id {in|SELECT u.id FROM {rows|u|batch|id uuid}}
"""


def runs(tx: Tx, occurrences: Sequence[Occurrence]) -> dict[str, Run]:
    """Return how far the jobs of occurrences are, by their ids; those that are gone are left out."""
    ids = [{"id": one.job_id} for one in occurrences if one.job_id is not None]
    return {str(row[0]): Run(*row[1:]) for row in tx.rows(RUNS, {"batch": batch(ids)})} if ids else {}


# Up to when each schedule's ledger goes.
ENDS = """
SELECT u.id, (SELECT o.until_at FROM rota_occurrences o WHERE o.schedule_id = u.id
              ORDER BY o.scheduled_for DESC LIMIT 1) FROM {rows|u|batch|id text}
"""


def ends(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """Return the last instant that is accounted for of each schedule that has a ledger (µs UTC)."""
    rows = tx.rows(ENDS, {"batch": batch([{"id": schedule_id} for schedule_id in ids])}) if ids else []
    return {row[0]: row[1] for row in rows if row[1] is not None}
