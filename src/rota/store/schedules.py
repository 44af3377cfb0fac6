"""Schedules: what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rota.model import Schedule
from rota.store.database import Tx, columns
from rota.store.sql import containing

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
    return read_schedule(row) if row else None


def lock(tx: Tx, schedule_id: str) -> Schedule | None:
    """Return a schedule as ``get`` does, kept from firing and changing until the transaction ends."""
    row = tx.row(f"SELECT {COLUMNS} FROM rota_schedules WHERE id = :id {{pg|FOR UPDATE}}", {"id": schedule_id})
    return read_schedule(row) if row else None


def read_schedule(row: Sequence[Any]) -> Schedule:
    """Return the schedule of a row of ``COLUMNS``."""
    return Schedule(**dict(zip(Schedule.__struct_fields__, row, strict=True)))


def listed(tx: Tx, *, after: str = "", limit: int = 200, q: str | None = None) -> list[Schedule]:
    """Return schedules in the order of their ids, those after ``after``, whose id or type contains ``q``."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_schedules WHERE id > :after
      AND (CAST(:q AS text) IS NULL OR lower(id) LIKE :q ESCAPE '\\' OR lower(coalesce(type, '')) LIKE :q ESCAPE '\\')
    ORDER BY id LIMIT :limit
    """
    return [
        read_schedule(row) for row in tx.rows(sql, {"after": after, "limit": limit, "q": containing(q) if q else None})
    ]


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
