"""Pauses of job types and of concurrency keys.  Those of queues stand with the queue.

The row of a type whose pause is over stays until the jobs that were parked meanwhile wait with the others again, so
that whoever finds it goes on with that.
"""

from __future__ import annotations

from typing import Literal

from rota.model import Pause
from rota.store import limits
from rota.store.database import Tx, columns

COLUMNS = columns(Pause.__struct_fields__)
HOLDS = "(resume_at IS NULL OR resume_at > rota_now())"
OVER = "SELECT 1 FROM rota_pauses WHERE resume_at <= (SELECT rota_now())"

PUT = f"""
INSERT INTO rota_pauses (kind, queue, name, note, author, at, resume_at)
VALUES (:kind, :queue, :name, :note, :author, rota_now(), :resume_at)
ON CONFLICT (kind, queue, name) DO UPDATE SET note = excluded.note, author = excluded.author,
  at = CASE WHEN {HOLDS.replace("resume_at", "rota_pauses.resume_at")} THEN rota_pauses.at ELSE excluded.at END,
  resume_at = excluded.resume_at
"""


def put(tx: Tx, pause: Pause) -> None:
    """Pause a type, or a key; one that is paused already keeps its beginning."""
    given = {name: getattr(pause, name) for name in ("kind", "queue", "name", "note", "author", "resume_at")}
    tx.run(PUT, given)


def listed(tx: Tx, kind: Literal["type", "key"]) -> list[Pause]:
    """Return the pauses that hold."""
    sql = f"SELECT {COLUMNS} FROM rota_pauses WHERE kind = :kind AND {HOLDS} ORDER BY queue, name"
    return [Pause(**dict(zip(Pause.__struct_fields__, row, strict=True))) for row in tx.rows(sql, {"kind": kind})]


def get(tx: Tx, kind: Literal["type", "key"], name: str, queue: str = "") -> Pause | None:
    """Return a pause that holds, or None."""
    sql = f"SELECT {COLUMNS} FROM rota_pauses WHERE kind = :kind AND queue = :queue AND name = :name AND {HOLDS}"
    row = tx.row(sql, {"kind": kind, "queue": queue, "name": name})
    return Pause(**dict(zip(Pause.__struct_fields__, row, strict=True))) if row else None


def end(tx: Tx, kind: Literal["type", "key"], name: str, queue: str = "") -> bool:
    """End a pause; tell whether there was one.  What was parked is let go by ``go_on``."""
    tx.hint("jobs")
    sql = f"""
    UPDATE rota_pauses SET resume_at = rota_now() WHERE kind = :kind AND queue = :queue AND name = :name AND {HOLDS}
    """
    return tx.run(sql, {"kind": kind, "queue": queue, "name": name}) == 1


def over(tx: Tx) -> list[Pause]:
    """Return the pauses that are over, and not yet gone."""
    sql = f"SELECT {COLUMNS} FROM rota_pauses WHERE NOT {HOLDS} ORDER BY kind, queue, name"
    return [Pause(**dict(zip(Pause.__struct_fields__, row, strict=True))) for row in tx.rows(sql)]


def go_on(tx: Tx, pause: Pause, limit: int) -> bool:
    """Let at most ``limit`` jobs go that a pause held, where it is over; tell whether there may be more."""
    if pause.kind == "type" and limits.unpark(tx, pause.name, limit) >= limit:
        return True
    sql = f"DELETE FROM rota_pauses WHERE kind = :kind AND queue = :queue AND name = :name AND NOT {HOLDS}"
    tx.run(sql, {"kind": pause.kind, "queue": pause.queue, "name": pause.name})
    return False
