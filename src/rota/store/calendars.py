"""Calendars: named times at which schedules do not fire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rota.model import Calendar
from rota.store.database import Tx, columns
from rota.store.sql import batch

COLUMNS = columns(Calendar.__struct_fields__)

PUT = """
INSERT INTO rota_calendars (name, document, note, version, author, created_at, updated_at)
VALUES (:name, {json|:document}, :note, 1, :author, rota_now(), rota_now())
ON CONFLICT (name) DO UPDATE SET document = excluded.document, note = excluded.note, author = excluded.author,
  version = rota_calendars.version + 1, updated_at = excluded.updated_at
"""

NAMING = """
SELECT id FROM rota_schedules
WHERE calendars IS NOT NULL
  AND {pg|strpos(CAST(calendars AS text), :quoted)}{lite|instr(calendars, :quoted)} > 0
ORDER BY id LIMIT :limit
"""


def put(tx: Tx, name: str, document: str, *, note: str | None, author: str | None) -> None:
    """Make a calendar, or the next version of the one of that name."""
    tx.run(PUT, {"name": name, "document": document, "note": note, "author": author})


def get(tx: Tx, name: str, *, lock: bool = False) -> Calendar | None:
    """Return a calendar, or None; with ``lock`` it stays as it is until the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM rota_calendars WHERE name = :name"
    row = tx.row(f"{sql} {{pg|FOR UPDATE}}" if lock else sql, {"name": name})
    return _calendar(row) if row else None


def hold(tx: Tx, names: Iterable[str]) -> set[str]:
    """Return which of these calendars there are; they are not deleted until the transaction ends."""
    sql = """
    SELECT name FROM rota_calendars WHERE name IN (SELECT n.name FROM {rows|n|batch|name text})
    ORDER BY name {pg|FOR SHARE}
    """
    return {row[0] for row in tx.rows(sql, {"batch": _batch(names)})}


def versions(tx: Tx, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the version of each of these calendars that there is, and when it was made (µs UTC)."""
    sql = """
    SELECT name, version, updated_at FROM rota_calendars WHERE name IN (SELECT n.name FROM {rows|n|batch|name text})
    """
    return {row[0]: (row[1], row[2]) for row in tx.rows(sql, {"batch": _batch(names)})}


def named(tx: Tx, names: Iterable[str]) -> list[Calendar]:
    """Return those calendars of these names that there are."""
    sql = f"SELECT {COLUMNS} FROM rota_calendars WHERE name IN (SELECT n.name FROM {{rows|n|batch|name text}})"
    return [_calendar(row) for row in tx.rows(sql, {"batch": _batch(names)})]


def listed(tx: Tx) -> list[Calendar]:
    """Return all calendars by name."""
    return [_calendar(row) for row in tx.rows(f"SELECT {COLUMNS} FROM rota_calendars ORDER BY name")]


def naming(tx: Tx, name: str, limit: int) -> list[str]:
    """Return the ids of schedules that name a calendar, the first ``limit`` of them."""
    return [row[0] for row in tx.rows(NAMING, {"quoted": f'"{name}"', "limit": limit})]


def delete(tx: Tx, name: str) -> bool:
    """Delete a calendar."""
    return tx.run("DELETE FROM rota_calendars WHERE name = :name", {"name": name}) == 1


def _batch(names: Iterable[str]) -> str:
    return batch([{"name": name} for name in sorted(set(names))])


def _calendar(row: Any) -> Calendar:
    return Calendar(**dict(zip(Calendar.__struct_fields__, row, strict=True)))
