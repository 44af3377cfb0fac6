"""Schedules: what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from msgspec.structs import FieldInfo, fields

from rota.model import Schedule
from rota.store.counting import count_up_to
from rota.store.database import Tx, columns
from rota.store.sql import batch, containing

COLUMNS = columns(Schedule.__struct_fields__)
_JSON = {"target", "args", "rule", "job", "calendars"}
_OF_FIRING = {"id", "created_at", "last_at", "last_job_id", "runs", "version"}
"""What an edit leaves as it is."""


def _kind(field: FieldInfo) -> str:
    if field.name == "last_job_id":
        return "uuid"
    return "bigint" if int in (field.type, *get_args(field.type)) else "text"


def _value(name: str) -> str:
    if name == "version":
        return VERSION
    return f"{{json|u.{name}}}" if name in _JSON else f"u.{name}"


# An id that is made anew goes on counting.
VERSION = """coalesce((SELECT max(v.version) FROM rota_schedule_versions v WHERE v.schedule_id = u.id), 0) + 1"""
_FIELDS = fields(Schedule)
_ROWS = f"{{rows|u|batch|{', '.join(f'{field.name} {_kind(field)}' for field in _FIELDS)}}}"
# Of two who make the same schedule one does; the other is told so, and looks what it is now.
INSERT = f"""
INSERT INTO rota_schedules ({COLUMNS}) SELECT {", ".join(_value(field.name) for field in _FIELDS)} FROM {_ROWS}
WHERE true ORDER BY u.id {{pg|COLLATE "C"}} ON CONFLICT DO NOTHING RETURNING id, version
"""
# Without the second condition PostgreSQL reads a table without statistics whole; with it SQLite reads the batch for
# each row.
UPDATE = f"""
UPDATE rota_schedules AS s SET version = s.version + 1,
  {", ".join(f"{field.name} = {_value(field.name)}" for field in _FIELDS if field.name not in _OF_FIRING)}
FROM {_ROWS} WHERE s.id = u.id {{pg|AND s.id = ANY(ARRAY(SELECT w.id FROM {{rows|w|batch|id text}}))}}
RETURNING {{pg|s.}}id, {{pg|s.}}version
"""
BATCH = 1000
"""Schedules in one statement."""


def insert(tx: Tx, schedules: Sequence[Schedule]) -> dict[str, int]:
    """Store schedules that are new; return the version of each that was stored, by its id.

    One whose id is there already, or becomes so at the same time, is left out.
    """
    return _write(tx, INSERT, schedules)


def update(tx: Tx, schedules: Sequence[Schedule]) -> dict[str, int]:
    """Make each the next version of the one with its id; return the versions of those that are there, by their ids."""
    return _write(tx, UPDATE, schedules)


def _write(tx: Tx, sql: str, schedules: Sequence[Schedule]) -> dict[str, int]:
    written: dict[str, int] = {}
    for first in range(0, len(schedules), BATCH):
        rows = tx.rows(sql, {"batch": batch(schedules[first : first + BATCH])})
        written.update((row[0], row[1]) for row in rows)
    if written:
        tx.hint("schedules")
    return written


def get(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule, or None."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id", {"id": schedule_id})
    return read_schedule(row) if row else None


def lock(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule as ``get`` does, kept from firing and changing until the transaction ends."""
    return lock_all(tx, [schedule_id]).get(schedule_id)


THOSE = f"SELECT {COLUMNS} FROM rota_schedules WHERE id {{in|SELECT u.id FROM {{rows|u|batch|id text}}}}"
# In the order of ids, as schedulers lock them: or two transactions could wait for each other.
LOCK = f'{THOSE} ORDER BY id {{pg|COLLATE "C" FOR UPDATE}}'


def get_all(tx: Tx, ids: Sequence[str]) -> dict[str, Schedule]:
    """Return those schedules of these ids that there are."""
    return _by_id(tx, THOSE, ids)


def lock_all(tx: Tx, ids: Sequence[str]) -> dict[str, Schedule]:
    """Return schedules as ``get_all`` does, kept from firing and changing until the transaction ends."""
    return _by_id(tx, LOCK, ids)


def _by_id(tx: Tx, sql: str, ids: Sequence[str]) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    in_order = sorted(ids)
    for first in range(0, len(in_order), BATCH):
        rows = tx.rows(sql, {"batch": _ids(in_order[first : first + BATCH])})
        found.update((row[0], read_schedule(row)) for row in rows)
    return found


def read_schedule(row: Sequence[Any]) -> Schedule:
    """Return the schedule of a row of ``COLUMNS``."""
    return Schedule(**dict(zip(Schedule.__struct_fields__, row, strict=True)))


class ScheduleFilter(msgspec.Struct, kw_only=True, frozen=True):
    """Which schedules; every field narrows."""

    q: str | None = None
    """Part of the id or the type."""
    owner: str | None = None
    tag: str | None = None
    paused: bool | None = None
    shadow: bool | None = None
    type: str | None = None
    queue: str | None = None


EVERY_ONE = ScheduleFilter()

TAGGED = """
EXISTS (SELECT 1 FROM {pg|json_array_elements_text(job->'tags') AS t(value)}{lite|json_each(job, '$.tags') AS t}
  WHERE t.value = :tag)
"""


def _narrowed(wanted: ScheduleFilter) -> tuple[str, dict[str, Any]]:
    parts: list[str] = ["true"]
    params: dict[str, Any] = {}
    if wanted.q:
        parts.append("(lower(id) LIKE :q ESCAPE '\\' OR lower(coalesce(type, '')) LIKE :q ESCAPE '\\')")
        params["q"] = containing(wanted.q)
    if wanted.owner is not None:
        parts.append("owner = :owner")
        params["owner"] = wanted.owner
    if wanted.tag is not None:
        parts.append(TAGGED)
        params["tag"] = wanted.tag
    if wanted.type is not None:
        parts.append("type = :type")
        params["type"] = wanted.type
    if wanted.queue is not None:
        parts.append("job->>'queue' = :queue")
        params["queue"] = wanted.queue
    if wanted.paused is not None:
        parts.append(f"paused_at IS {'NOT ' if wanted.paused else ''}NULL")
    if wanted.shadow is not None:
        parts.append("shadow = :shadow")
        params["shadow"] = int(wanted.shadow)
    return " AND ".join(parts), params


def listed(
    tx: Tx, wanted: ScheduleFilter = EVERY_ONE, *, after: str = "", limit: int = 200, offset: int = 0
) -> list[Schedule]:
    """Return schedules in the order of their ids, those after ``after``."""
    condition, params = _narrowed(wanted)
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedules WHERE id > :after AND {condition} ORDER BY id LIMIT :limit OFFSET :offset
    """
    return [read_schedule(row) for row in tx.rows(sql, {"after": after, "limit": limit, "offset": offset, **params})]


def count(tx: Tx, wanted: ScheduleFilter = EVERY_ONE) -> int:
    """Return how many schedules there are."""
    condition, params = _narrowed(wanted)
    return int(tx.value(f"SELECT count(*) FROM rota_schedules WHERE {condition}", params))


def count_up_to_cap(tx: Tx, wanted: ScheduleFilter) -> int:
    """Return how many there are, one more than the cap of lists at most."""
    return count_up_to(tx, "rota_schedules", *_narrowed(wanted))


def delete(tx: Tx, schedule_id: str) -> bool:
    """Delete a schedule; its occurrences and jobs stay until their retention ends."""
    return tx.run("DELETE FROM rota_schedules WHERE id = :id", {"id": schedule_id}) == 1


_OF_THESE = "WHERE id {in|SELECT u.id FROM {rows|u|batch|id text}}"
PAUSE = f"""
UPDATE rota_schedules SET paused_at = coalesce(paused_at, rota_now()), paused_by = :by, paused_note = :note,
  resume_at = :until, version = version + 1, updated_at = rota_now()
{_OF_THESE}
"""
RESUME = f"""
UPDATE rota_schedules SET paused_at = NULL, paused_by = NULL, paused_note = NULL, resume_at = NULL,
  resumed_at = rota_now(), version = version + 1, updated_at = rota_now()
{_OF_THESE}
"""


def pause(tx: Tx, schedule_id: str, *, by: str | None, note: str | None, until: int | None) -> bool:
    """As ``pause_all``, of one; tell whether it is there."""
    return pause_all(tx, [schedule_id], by=by, note=note, until=until) == 1


def pause_all(tx: Tx, ids: Sequence[str], *, by: str | None, note: str | None, until: int | None) -> int:
    """Pause: instants are still accounted for, as paused; return how many schedules there are of these.

    That is a new version, so that a scheduler which has seen the schedule before it does not fire it afterwards.
    """
    return tx.run(PAUSE, {"batch": _ids(ids), "by": by, "note": note, "until": until})


def resume(tx: Tx, schedule_id: str) -> bool:
    """As ``resume_all``, of one; tell whether it is there."""
    return resume_all(tx, [schedule_id]) == 1


def resume_all(tx: Tx, ids: Sequence[str]) -> int:
    """End pauses; return how many schedules there are of these.  What was due must be accounted for before."""
    tx.hint("schedules")
    return tx.run(RESUME, {"batch": _ids(ids)})


def _ids(ids: Sequence[str]) -> str:
    return batch([{"id": one} for one in ids])


def ids(tx: Tx, q: str | None, *, limit: int, offset: int) -> list[str]:
    """Return ids of schedules in their order; ``q`` is a part of them, in any case."""
    condition, params = _having(q)
    sql = f"SELECT id FROM rota_schedules WHERE {condition} ORDER BY id LIMIT :limit OFFSET :offset"
    return [row[0] for row in tx.rows(sql, {**params, "limit": limit, "offset": offset})]


def count_ids(tx: Tx, q: str | None) -> int:
    """Return how many schedules have such ids, one more than the cap of lists at most."""
    return count_up_to(tx, "rota_schedules", *_having(q))


def _having(q: str | None) -> tuple[str, dict[str, str]]:
    return ("true", {}) if q is None else (r"lower(id) LIKE :q ESCAPE '\'", {"q": containing(q)})
