"""Schedules and their occurrences: one row for every due instant, or for a run of instants alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from rota.model import NewJob, Occurrence, Schedule
from rota.store import jobs
from rota.store.database import Tx, columns
from rota.store.sql import batch, containing

COLUMNS = columns(Schedule.__struct_fields__)
_JSON = {"target", "args", "rule", "job", "calendars"}
_SET_BY_FIRING = {"id", "created_at", "last_at", "last_job_id", "runs", "resumed_at", "version", "updated_at"}


def _value(name: str) -> str:
    return f"{{json|:{name}}}" if name in _JSON else "rota_now()" if name == "updated_at" else f":{name}"


PUT = (
    f"INSERT INTO rota_schedules ({COLUMNS}) VALUES ({', '.join(map(_value, Schedule.__struct_fields__))})\n"
    "ON CONFLICT (id) DO UPDATE SET version = rota_schedules.version + 1, updated_at = rota_now(), "
    + ", ".join(f"{name} = excluded.{name}" for name in Schedule.__struct_fields__ if name not in _SET_BY_FIRING)
)


def put(tx: Tx, schedule: Schedule) -> None:
    """Insert a schedule, or make it the next version of the one with its id."""
    tx.hint("schedules")
    tx.run(PUT, msgspec.structs.asdict(schedule))


def get(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule, or None."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id", {"id": schedule_id})
    return _schedule(row) if row else None


def lock(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule as ``get`` does, kept from firing and changing until the transaction ends."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id {{pg|FOR UPDATE}}", {"id": schedule_id})
    return _schedule(row) if row else None


def _schedule(row: Sequence[Any]) -> Schedule:
    return Schedule(**dict(zip(Schedule.__struct_fields__, row, strict=True)))


def listed(tx: Tx, *, after: str = "", limit: int = 200, q: str | None = None) -> list[Schedule]:
    """Return schedules in the order of their ids, those after ``after``, whose id or type contains ``q``."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedules WHERE id > :after
      AND (CAST(:q AS text) IS NULL OR lower(id) LIKE :q ESCAPE '\\' OR lower(coalesce(type, '')) LIKE :q ESCAPE '\\')
    ORDER BY id LIMIT :limit
    """
    return [_schedule(row) for row in tx.rows(sql, {"after": after, "limit": limit, "q": containing(q) if q else None})]


def count(tx: Tx) -> int:
    """Return how many schedules there are."""
    return int(tx.value("SELECT count(*) FROM rota_schedules"))


def delete(tx: Tx, schedule_id: str) -> bool:
    """Delete a schedule; its occurrences and jobs stay until their retention ends."""
    return tx.run("DELETE FROM rota_schedules WHERE id = :id", {"id": schedule_id}) == 1


def pause(tx: Tx, schedule_id: str, *, by: str | None, note: str | None, until: int | None) -> bool:
    """Pause: its instants are still accounted for, as paused.

    That is a new version, so that a scheduler which has seen the schedule before it does not fire it afterwards.
    """
    sql = """
    UPDATE rota_schedules SET paused_at = coalesce(paused_at, rota_now()), paused_by = :by, paused_note = :note,
      resume_at = :until, version = version + 1, updated_at = rota_now()
    WHERE id = :id
    """
    return tx.run(sql, {"id": schedule_id, "by": by, "note": note, "until": until}) == 1


def resume(tx: Tx, schedule_id: str) -> bool:
    """End a pause; instants that passed meanwhile do not fire."""
    tx.hint("schedules")
    sql = """
    UPDATE rota_schedules SET paused_at = NULL, paused_by = NULL, paused_note = NULL, resume_at = NULL,
      version = version + 1, updated_at = rota_now()
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


ACTIVE = """
FROM rota_jobs j WHERE j.schedule_id = rota_schedules.id AND j.schedule_id IS NOT NULL
  AND j.status IN ('scheduled', 'pending', 'running', 'held') AND overlap <> 'allow'
"""

# The clock in a subquery of its own: see store/due.py.
DUE = f"""
SELECT {COLUMNS}, (SELECT min(CAST(j.id AS text)) {ACTIVE}), (SELECT count(*) {ACTIVE})
FROM rota_schedules WHERE next_at <= coalesce(CAST(:now AS bigint), (SELECT rota_now())) WITHOUT
ORDER BY next_at LIMIT :limit
"""

WITHOUT = "AND id NOT IN (SELECT w.id FROM {rows|w|without|id text})"


def due(tx: Tx, limit: int, *, now: int | None = None, without: Collection[str] = ()) -> list[Due]:
    """Return the schedules that are due at ``now`` (the database's clock by default), the longest overdue first."""
    width = len(Schedule.__struct_fields__)
    params: dict[str, object] = {"limit": limit, "now": now}
    if without:
        params["without"] = batch([{"id": schedule_id} for schedule_id in without])
    rows = tx.rows(DUE.replace("WITHOUT", WITHOUT if without else ""), params)
    return [Due(_schedule(row[:width]), row[width], row[width + 1]) for row in rows]


def next_due(tx: Tx) -> tuple[int, int | None]:
    """Return the database's clock, and the least next instant of all schedules (µs UTC)."""
    sql = "SELECT rota_now(), (SELECT min(next_at) FROM rota_schedules WHERE next_at IS NOT NULL)"
    ((now, following),) = tx.rows(sql)
    return now, following


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

# For instants that turned out to be covered: what the compare-and-set has noted of their jobs is taken back.
UNFIRE = """
UPDATE rota_schedules AS s SET runs = s.runs - u.n,
  last_job_id = (SELECT o.job_id FROM rota_occurrences o WHERE o.schedule_id = s.id AND o.job_id IS NOT NULL
                 ORDER BY o.scheduled_for DESC LIMIT 1)
FROM {rows|u|batch|id text, n bigint} WHERE s.id = u.id
"""


def fire(
    tx: Tx, firings: Sequence[Firing], occurrences: Sequence[Occurrence], new_jobs: Sequence[NewJob]
) -> dict[str, set[int]]:
    """Write decisions in one transaction.

    Return the schedules for which this scheduler was the one, with the instants that have a row of their own now.

    The compare-and-set on (next instant, version) decides between schedulers and against edits: whoever loses it
    writes nothing for that schedule.  The primary key of the occurrences is the second lock: a job is made only for
    an instant that no row covered before.
    """
    in_order = sorted(firings, key=lambda firing: firing.id)  # so that two schedulers do not deadlock
    won: dict[str, set[int]] = {row[0]: set() for row in tx.rows(ADVANCE, {"batch": batch(in_order)})}
    mine = [occurrence for occurrence in occurrences if occurrence.schedule_id in won]
    stored = account(tx, mine)
    for schedule_id, instant in stored:
        won[schedule_id].add(instant)
    wanted, refused = set(), Counter[str]()
    for occurrence in mine:
        if occurrence.job_id is not None:
            if (occurrence.schedule_id, occurrence.scheduled_for) in stored:
                wanted.add(occurrence.job_id)
            else:
                refused[occurrence.schedule_id] += 1
    if refused:
        tx.run(UNFIRE, {"batch": batch([{"id": schedule_id, "n": n} for schedule_id, n in refused.items()])})
    chosen = [job for job in new_jobs if job.id in wanted]
    if chosen:
        jobs.insert(tx, chosen)
    return won


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


OCCURRENCE_COLUMNS = columns(Occurrence.__struct_fields__)


def occurrences(tx: Tx, schedule_id: str, *, before: int | None = None, limit: int = 200) -> list[Occurrence]:
    """Return the occurrences of a schedule, the latest first, those that begin before ``before``."""
    sql = f"""
    SELECT {OCCURRENCE_COLUMNS} FROM rota_occurrences WHERE schedule_id = :id
      AND scheduled_for < coalesce(CAST(:before AS bigint), 9223372036854775807)
    ORDER BY scheduled_for DESC LIMIT :limit
    """
    names = Occurrence.__struct_fields__
    rows = tx.rows(sql, {"id": schedule_id, "before": before, "limit": limit})
    return [Occurrence(**dict(zip(names, row, strict=True))) for row in rows]
