"""Schedules and their occurrences: one row for every due instant, or for a run of instants alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rota.model import NewJob, Occurrence, Schedule
from rota.store import jobs
from rota.store.database import Tx, columns

COLUMNS = columns(Schedule.__struct_fields__)
_JSON = {"target", "args", "rule", "job", "calendars"}
_SET_BY_FIRING = {"id", "created_at", "last_at", "last_job_id", "runs", "version", "updated_at"}


def _value(name: str) -> str:
    return (
        f"{{json|:{name}}}" if name in _JSON else "rota_now()" if name in ("created_at", "updated_at") else f":{name}"
    )


PUT = (
    f"INSERT INTO rota_schedules ({COLUMNS}) VALUES ({', '.join(map(_value, Schedule.__struct_fields__))})\n"  # noqa: S608
    "ON CONFLICT (id) DO UPDATE SET version = rota_schedules.version + 1, updated_at = rota_now(), "
    + ", ".join(f"{name} = excluded.{name}" for name in Schedule.__struct_fields__ if name not in _SET_BY_FIRING)
)


def put(tx: Tx, schedule: Schedule) -> None:
    """Insert a schedule, or make it the next version of the one with its id."""
    tx.hint("schedules")
    tx.run(PUT, msgspec.structs.asdict(schedule))


def get(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule, or None."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id", {"id": schedule_id})  # noqa: S608
    return _schedule(row) if row else None


def lock(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule as ``get`` does, kept from firing and changing until the transaction ends."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id {{pg|FOR UPDATE}}", {"id": schedule_id})  # noqa: S608
    return _schedule(row) if row else None


def _schedule(row: Sequence[Any]) -> Schedule:
    return Schedule(**dict(zip(Schedule.__struct_fields__, row, strict=True)))


def listed(tx: Tx, *, after: str = "", limit: int = 200, q: str | None = None) -> list[Schedule]:
    """Return schedules in the order of their ids, those after ``after``, whose id or type contains ``q``."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedules WHERE id > :after
      AND (CAST(:q AS text) IS NULL OR lower(id) LIKE :q OR lower(coalesce(type, '')) LIKE :q)
    ORDER BY id LIMIT :limit
    """  # noqa: S608
    like = f"%{q.lower()}%" if q else None
    return [_schedule(row) for row in tx.rows(sql, {"after": after, "limit": limit, "q": like})]


def count(tx: Tx) -> int:
    """Return how many schedules there are."""
    return int(tx.value("SELECT count(*) FROM rota_schedules"))


def delete(tx: Tx, schedule_id: str) -> bool:
    """Delete a schedule; its occurrences and jobs stay until their retention ends."""
    return tx.run("DELETE FROM rota_schedules WHERE id = :id", {"id": schedule_id}) == 1


def pause(tx: Tx, schedule_id: str, *, by: str | None, note: str | None, until: int | None) -> bool:
    """Pause: its instants are still accounted for, as paused."""
    sql = """
    UPDATE rota_schedules SET paused_at = coalesce(paused_at, rota_now()), paused_by = :by, paused_note = :note,
      resume_at = :until, updated_at = rota_now()
    WHERE id = :id
    """
    return tx.run(sql, {"id": schedule_id, "by": by, "note": note, "until": until}) == 1


def resume(tx: Tx, schedule_id: str) -> bool:
    """End a pause; instants that passed meanwhile do not fire."""
    tx.hint("schedules")
    sql = """
    UPDATE rota_schedules SET paused_at = NULL, paused_by = NULL, paused_note = NULL, resume_at = NULL, updated_at = rota_now()
    WHERE id = :id
    """
    return tx.run(sql, {"id": schedule_id}) == 1


class Due(msgspec.Struct, frozen=True):
    """A schedule whose next instant has come, and what its last run does."""

    schedule: Schedule
    blocked_by: str | None
    """The job of an earlier instant that has not ended."""
    active: int
    """How many jobs of earlier instants have not ended."""


DUE = f"""
SELECT {COLUMNS},
  (SELECT min(CAST(j.id AS text)) FROM rota_jobs j WHERE j.schedule_id = rota_schedules.id
    AND j.status IN ('scheduled', 'pending', 'running') AND overlap <> 'allow'),
  (SELECT count(*) FROM rota_jobs j WHERE j.schedule_id = rota_schedules.id
    AND j.status IN ('scheduled', 'pending', 'running') AND overlap <> 'allow')
FROM rota_schedules WHERE next_at <= rota_now() ORDER BY next_at LIMIT :limit
"""  # noqa: S608


def due(tx: Tx, limit: int) -> list[Due]:
    """Return the schedules that are due, the longest overdue first."""
    width = len(Schedule.__struct_fields__)
    return [Due(_schedule(row[:width]), row[width], row[width + 1]) for row in tx.rows(DUE, {"limit": limit})]


def next_due(tx: Tx) -> int | None:
    """Return the least next instant of all schedules, µs UTC."""
    found: int | None = tx.value("SELECT min(next_at) FROM rota_schedules WHERE next_at IS NOT NULL")
    return found


class Firing(msgspec.Struct, kw_only=True):
    """What a scheduler decided about one due schedule."""

    id: str
    version: int
    seen_next: int
    """The next instant it decided upon: the compare-and-set."""
    next_at: int | None
    last_at: int | None = None
    last_job_id: str | None = None
    fired: int = 0
    resumed: bool = False
    """A pause whose end has come."""


ADVANCE = """
UPDATE rota_schedules AS s SET next_at = u.next_at, last_at = coalesce(u.last_at, s.last_at),
  last_job_id = coalesce(u.last_job_id, s.last_job_id), runs = s.runs + u.fired,
  paused_at = CASE WHEN u.resumed THEN NULL ELSE s.paused_at END,
  paused_by = CASE WHEN u.resumed THEN NULL ELSE s.paused_by END,
  paused_note = CASE WHEN u.resumed THEN NULL ELSE s.paused_note END,
  resume_at = CASE WHEN u.resumed THEN NULL ELSE s.resume_at END
FROM {rows|u|batch|id text, version bigint, seen_next bigint, next_at bigint, last_at bigint, last_job_id uuid,
  fired bigint, resumed boolean}
WHERE s.id = u.id AND s.next_at = u.seen_next AND s.version = u.version
RETURNING {pg|s.}id
"""

# A row of the same disposition and cause that this one follows is made longer instead: a schedule of each minute,
# paused for a month, is one row.
EXTEND = """
UPDATE rota_occurrences AS o SET until_at = u.until_at, decided_at = rota_now()
FROM {rows|u|batch|schedule_id text, scheduled_for bigint, until_at bigint, disposition text, cause text, version bigint}
WHERE o.schedule_id = u.schedule_id AND o.disposition = u.disposition AND o.job_id IS NULL
  AND coalesce(o.cause, '') = coalesce(u.cause, '') AND o.version = u.version
  AND o.scheduled_for = (SELECT max(l.scheduled_for) FROM rota_occurrences l
                         WHERE l.schedule_id = u.schedule_id AND l.scheduled_for < u.scheduled_for)
RETURNING {pg|o.}schedule_id, {pg|o.}until_at
"""

ACCOUNT = """
INSERT INTO rota_occurrences (schedule_id, scheduled_for, until_at, disposition, job_id, reason, cause, version, decided_at)
SELECT u.schedule_id, u.scheduled_for, u.until_at, u.disposition, u.job_id, u.reason, u.cause, u.version, rota_now()
FROM {rows|u|batch|schedule_id text, scheduled_for bigint, until_at bigint, disposition text, job_id uuid, reason text,
  cause text, version bigint}
WHERE true ON CONFLICT DO NOTHING RETURNING schedule_id, scheduled_for
"""


def fire(
    tx: Tx, firings: Sequence[Firing], occurrences: Sequence[Occurrence], new_jobs: Sequence[NewJob]
) -> set[str]:
    """Write decisions in one transaction; return the ids of the schedules for which this scheduler was the one.

    The compare-and-set on (next instant, version) decides between schedulers and against edits: whoever loses it
    writes nothing for that schedule.  The primary key of the occurrences is the second lock.
    """
    won = {row[0] for row in tx.rows(ADVANCE, {"batch": msgspec.json.encode(firings).decode()})}
    mine = [occurrence for occurrence in occurrences if occurrence.schedule_id in won]
    account(tx, mine)
    wanted = {(occurrence.schedule_id, occurrence.job_id) for occurrence in mine if occurrence.job_id}
    chosen = [job for job in new_jobs if (job.schedule_id, job.id) in wanted]
    if chosen:
        jobs.insert(tx, chosen)
    return won


def account(tx: Tx, occurrences: Sequence[Occurrence]) -> None:
    """Store occurrences; the ranges that follow a range alike make it longer."""
    ranges = [occurrence for occurrence in occurrences if occurrence.job_id is None]
    extended: set[tuple[str, int]] = set()
    if ranges:
        extended = {(row[0], row[1]) for row in tx.rows(EXTEND, {"batch": msgspec.json.encode(ranges).decode()})}
    fresh = [o for o in occurrences if o.job_id is not None or (o.schedule_id, o.until_at) not in extended]
    if fresh:
        tx.rows(ACCOUNT, {"batch": msgspec.json.encode(fresh).decode()})


OCCURRENCE_COLUMNS = columns(Occurrence.__struct_fields__)


def occurrences(tx: Tx, schedule_id: str, *, before: int | None = None, limit: int = 200) -> list[Occurrence]:
    """Return the occurrences of a schedule, the latest first, those that begin before ``before``."""
    sql = f"""
    SELECT {OCCURRENCE_COLUMNS} FROM rota_occurrences WHERE schedule_id = :id
      AND scheduled_for < coalesce(CAST(:before AS bigint), 9223372036854775807)
    ORDER BY scheduled_for DESC LIMIT :limit
    """  # noqa: S608
    names = Occurrence.__struct_fields__
    rows = tx.rows(sql, {"id": schedule_id, "before": before, "limit": limit})
    return [Occurrence(**dict(zip(names, row, strict=True))) for row in rows]
