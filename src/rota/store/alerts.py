"""Alerts: what monitors found, one row an incident; and whose turn it is to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rota.model import Severity
from rota.store import meta
from rota.store.counting import count_up_to
from rota.store.database import Tx, columns
from rota.store.sql import batch

LOOKED_AT = "monitors_looked_at"
MEMORY = "monitors_memory"
MOST_OPEN = 2000
"""Incidents that are open at once; further ones wait for room."""
MOST_ENDED = 500


class Alert(msgspec.Struct, kw_only=True):
    """An incident.  Times are µs UTC by the database's clock."""

    id: str
    monitor_id: str
    kind: str
    severity: Severity
    subject_kind: str
    subject_id: str
    text: str
    job_id: str | None = None
    since_at: int
    opened_at: int
    seen_at: int
    gone_at: int | None = None
    """Since when nothing is wrong any more, while that may be for a moment only."""
    told_at: int | None = None
    tellings: int = 0
    held_by: str | None = None
    """Why the channels are not told: ``muted``, ``quiet hours``, or the monitor that tells the cause."""
    closed_at: int | None = None
    closing: str | None = None
    over_at: int | None = None


COLUMNS = columns(Alert.__struct_fields__)
CHANGED = tuple(name for name in Alert.__struct_fields__ if name not in ("id", "monitor_id", "kind", "opened_at"))
_TYPES = {"severity": "text", "subject_kind": "text", "subject_id": "text", "text": "text", "job_id": "uuid"}
_TYPES |= {"held_by": "text", "closing": "text", "id": "uuid", "monitor_id": "text", "kind": "text"}


def _typed(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_TYPES.get(name, 'bigint')}" for name in names)


ADD = f"""
INSERT INTO rota_alerts ({COLUMNS}) SELECT {columns(Alert.__struct_fields__, "u.")}
FROM {{rows|u|batch|{_typed(Alert.__struct_fields__)}}} WHERE true ON CONFLICT DO NOTHING
"""
CHANGE = f"""
UPDATE rota_alerts AS a SET {", ".join(f"{name} = u.{name}" for name in CHANGED)}
FROM {{rows|u|batch|{_typed(("id", *CHANGED))}}}
WHERE a.id = u.id {{pg|AND a.id = ANY(ARRAY(SELECT w.id FROM {{rows|w|batch|id uuid}}))}}
"""


def opened(tx: Tx) -> dict[str, Alert]:
    """Return the incidents that are not over, by their monitors."""
    sql = f"SELECT {COLUMNS} FROM rota_alerts WHERE closed_at IS NULL ORDER BY monitor_id LIMIT {MOST_OPEN}"
    return {alert.monitor_id: alert for alert in _alerts(tx.rows(sql))}


def ended(tx: Tx) -> list[Alert]:
    """Return the incidents that are over, of which the channels were not told that yet."""
    sql = f"""
    SELECT {COLUMNS} FROM rota_alerts WHERE closed_at IS NOT NULL AND over_at IS NULL ORDER BY closed_at
    LIMIT {MOST_ENDED}
    """
    return _alerts(tx.rows(sql))


def add(tx: Tx, found: Sequence[Alert]) -> None:
    """Open incidents; of two of the same monitor the second is none."""
    if found:
        tx.run(ADD, {"batch": batch(found)})


def change(tx: Tx, found: Sequence[Alert]) -> None:
    """Store how incidents are now."""
    if found:
        tx.run(CHANGE, {"batch": batch(found)})


HISTORY = """
SELECT u.id, (SELECT max(a.since_at) FROM rota_alerts a WHERE a.monitor_id = u.id AND a.opened_at >= :since),
  (SELECT count(*) FROM rota_alerts a WHERE a.monitor_id = u.id AND a.opened_at >= :since)
FROM {rows|u|batch|id text}
"""


def history(tx: Tx, monitor_ids: Sequence[str], since_us: int) -> dict[str, tuple[int | None, int]]:
    """Return by monitor since when the latest incident that was opened since then was so, and how many were."""
    if not monitor_ids:
        return {}
    params = {"batch": batch([{"id": one} for one in monitor_ids]), "since": since_us}
    return {row[0]: (row[1], row[2]) for row in tx.rows(HISTORY, params)}


class AlertFilter(msgspec.Struct, kw_only=True):
    """Which alerts; every field narrows.  Times are µs UTC."""

    open: bool | None = None
    monitor: str | None = None
    kind: str | None = None
    severity: Severity | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    since: int | None = None
    until: int | None = None


def listed(tx: Tx, wanted: AlertFilter, *, limit: int, before: str | None = None, offset: int = 0) -> list[Alert]:
    """Return incidents, the latest first, those before the id ``before``."""
    condition, params = _narrowed(wanted)
    beyond = " AND id < :before" if before is not None else ""
    sql = f"SELECT {COLUMNS} FROM rota_alerts WHERE {condition}{beyond} ORDER BY id DESC LIMIT :limit OFFSET :offset"
    return _alerts(tx.rows(sql, {**params, "before": before, "limit": limit, "offset": offset}, fresh=True))


def count(tx: Tx, wanted: AlertFilter) -> int:
    """Return how many there are, one more than the cap of lists at most."""
    return count_up_to(tx, "rota_alerts", *_narrowed(wanted))


def get(tx: Tx, alert_id: str) -> Alert | None:
    """Return an incident, or None."""
    found = _alerts(tx.rows(f"SELECT {COLUMNS} FROM rota_alerts WHERE id = :id", {"id": alert_id}))
    return found[0] if found else None


def _narrowed(wanted: AlertFilter) -> tuple[str, dict[str, Any]]:
    parts: list[str] = ["true"]
    params: dict[str, Any] = {}
    named = {
        "monitor_id": wanted.monitor, "kind": wanted.kind, "severity": wanted.severity,
        "subject_kind": wanted.subject_kind, "subject_id": wanted.subject_id,
    }  # fmt: skip
    for column, value in named.items():
        if value is not None:
            parts.append(f"{column} = :{column}")
            params[column] = value
    if wanted.open is not None:
        parts.append(f"closed_at IS {'NULL' if wanted.open else 'NOT NULL'}")
    if wanted.since is not None:
        parts.append("opened_at >= :since")
        params["since"] = wanted.since
    if wanted.until is not None:
        parts.append("opened_at < :until")
        params["until"] = wanted.until
    return " AND ".join(parts), params


FORGET = """
DELETE FROM rota_alerts WHERE id {in|SELECT id FROM rota_alerts WHERE opened_at < :before
  ORDER BY opened_at LIMIT :limit} AND closed_at < :before
"""


def forget(tx: Tx, *, before: int, limit: int) -> int:
    """Delete incidents that were over before ``before`` (µs UTC), at most ``limit``; return how many."""
    return tx.run(FORGET, {"before": before, "limit": limit})


class Turn(msgspec.Struct, frozen=True):
    """The right to look: while it is the last one that was taken."""

    now: int
    """µs UTC, when it was taken."""
    previous: int | None
    """When the one before was."""


def wait_us(tx: Tx, every_us: int) -> int:
    """Return how long it is until the next turn, 0 where it may be taken."""
    row = tx.row("SELECT value, rota_now() FROM rota_meta WHERE key = :key", {"key": LOOKED_AT})
    if row is None:
        return 0
    held, now = row
    return 0 if int(held) > now else max(0, int(held) + every_us - now)  # the clock may have been set back


def take_turn(tx: Tx, every_us: int) -> Turn | None:
    """Take the turn to look, or None: of all processes one does, each ``every_us``."""
    tx.run("INSERT INTO rota_meta (key, value) VALUES (:key, '0') ON CONFLICT (key) DO NOTHING", {"key": LOOKED_AT})
    held = str(tx.value("SELECT value FROM rota_meta WHERE key = :key {pg|FOR UPDATE}", {"key": LOOKED_AT}))
    now, previous = tx.now(), int(held)
    if previous <= now < previous + every_us:
        return None
    meta.put(tx, LOOKED_AT, str(now))
    return Turn(now, previous or None)


def keep_turn(tx: Tx, turn: Turn) -> bool:
    """Tell whether nobody has taken a turn since; nobody does until the transaction ends."""
    sql = "SELECT value FROM rota_meta WHERE key = :key {pg|FOR UPDATE}"
    return bool(tx.value(sql, {"key": LOOKED_AT}) == str(turn.now))


def _alerts(rows: Sequence[Any]) -> list[Alert]:
    return [Alert(**dict(zip(Alert.__struct_fields__, row, strict=True))) for row in rows]
