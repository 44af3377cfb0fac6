"""Monitors: what people said about them; one of which nobody said anything is as it is by default."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.store.database import Tx, columns

MOST = 10_000
"""Of so many at most is anything said."""


class Said(msgspec.Struct, kw_only=True):
    """What was said about a monitor, or about all of a kind; None is as it is by default.  Times are µs UTC."""

    id: str
    enabled: int | None = None
    limit_us: int | None = None
    limit_count: int | None = None
    grace_us: int | None = None
    realert_us: int | None = None
    quiet_hours: str | None = None
    """JSON: ``{timezone, from, to, days}``."""
    depends_on: str | None = None
    """JSON: ids of monitors."""
    note: str | None = None
    muted_at: int | None = None
    muted_until: int | None = None
    muted_by: str | None = None
    muted_note: str | None = None
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


COLUMNS = columns(Said.__struct_fields__)
SETTABLE = (
    "enabled", "limit_us", "limit_count", "grace_us", "realert_us", "quiet_hours", "depends_on", "note",
)  # fmt: skip
MUTE = ("muted_at", "muted_until", "muted_by", "muted_note")
_JSON = {"quiet_hours", "depends_on"}

_PUT = "INSERT INTO rota_monitors (id, {names}, version, created_at, updated_at)"
_VALUES = "VALUES (:id, {values}, 1, rota_now(), rota_now())"
_ANEW = "ON CONFLICT (id) DO UPDATE SET {sets}, version = rota_monitors.version + 1, updated_at = rota_now()"


def get(tx: Tx, monitor_id: str, *, lock: bool = False) -> Said | None:
    """Return what was said of a monitor, or None; with ``lock`` it stays so until the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM rota_monitors WHERE id = :id {'{pg|FOR UPDATE}' if lock else ''}"
    row = tx.row(sql, {"id": monitor_id})
    return None if row is None else _said(row)


def listed(tx: Tx) -> list[Said]:
    """Return all that was said, by id."""
    return [_said(row) for row in tx.rows(f"SELECT {COLUMNS} FROM rota_monitors ORDER BY id LIMIT {MOST}")]


def say(tx: Tx, said: Said) -> None:
    """Say anew what a monitor is like; a mute stays as it is."""
    _put(tx, said, SETTABLE)


def mute(tx: Tx, said: Said) -> None:
    """Store the mute of a monitor, or the end of it; all else stays as it is."""
    _put(tx, said, MUTE)


def _put(tx: Tx, said: Said, names: tuple[str, ...]) -> None:
    values = ", ".join(f"{{json|:{name}}}" if name in _JSON else f":{name}" for name in names)
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    sql = f"{_PUT} {_VALUES} {_ANEW}".replace("{names}", ", ".join(names)).replace("{values}", values)
    fields = {name: getattr(said, name) for name in ("id", *names)}
    tx.run(sql.replace("{sets}", sets), fields)


TABLES = {"queue": "rota_queues", "type": "rota_types", "schedule": "rota_schedules", "check": "rota_checks"}


def is_there(tx: Tx, subject_kind: str, subject: str) -> bool:
    """Tell whether there is such a queue, type, schedule or check."""
    key = "name" if subject_kind in ("queue", "type") else "id"
    return tx.row(f"SELECT 1 FROM {TABLES[subject_kind]} WHERE {key} = :key", {"key": subject}) is not None


def delete(tx: Tx, monitor_id: str) -> bool:
    """Let a monitor be as it is by default."""
    return tx.run("DELETE FROM rota_monitors WHERE id = :id", {"id": monitor_id}) == 1


def _said(row: Any) -> Said:
    return Said(**dict(zip(Said.__struct_fields__, row, strict=True)))
