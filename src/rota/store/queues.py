"""Queues: limits, pauses, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rota.model import Queue
from rota.store import ageing, meta
from rota.store.database import Tx

SETTABLE = (
    "concurrency", "worker_concurrency", "key_concurrency", "rate_limits", "ageing_us", "defaults", "resolved",
    "retention",
)  # fmt: skip
_JSON = {"rate_limits", "defaults", "resolved", "retention"}

# A pause, and a slowing, whose time is over is none.
_OVER = dict.fromkeys(("paused_at", "paused_by", "paused_note", "resume_at"), "resume_at")
_OVER |= dict.fromkeys(("slowed_until", "slowed_by"), "slowed_until")
COLUMNS = ", ".join(
    f"CASE WHEN {_OVER[name]} <= n.now THEN NULL ELSE {name} END" if name in _OVER else name
    for name in Queue.__struct_fields__
)
READ = f"SELECT {COLUMNS} FROM rota_queues CROSS JOIN (SELECT rota_now() AS now) n"


def get(tx: Tx, name: str) -> Queue | None:
    """Return a queue, or None."""
    row = tx.row(f"{READ} WHERE name = :name", {"name": name})
    return Queue(**dict(zip(Queue.__struct_fields__, row, strict=True))) if row else None


def listed(tx: Tx) -> list[Queue]:
    """Return all queues by name."""
    rows = tx.rows(f"{READ} ORDER BY name")
    return [Queue(**dict(zip(Queue.__struct_fields__, row, strict=True))) for row in rows]


def change(tx: Tx, name: str, values: dict[str, Any]) -> None:
    """Set the given limits of a queue, which comes into being where it is not there.

    Where its ageing changes, its waiting jobs are ranked anew: see ``ageing``.
    """
    tx.run(
        "INSERT INTO rota_queues (name, created_at) VALUES (:name, rota_now()) ON CONFLICT DO NOTHING", {"name": name}
    )
    tx.hint("jobs")
    aged = tx.value("SELECT ageing_us FROM rota_queues WHERE name = :name", {"name": name})
    for column in SETTABLE:
        if column in values:
            value = "{json|:value}" if column in _JSON else ":value"
            tx.run(
                f"UPDATE rota_queues SET {column} = {value} WHERE name = :name", {"name": name, "value": values[column]}
            )
    if values.get("ageing_us", aged) != aged:
        ageing.begin(tx, name)
    tx.after_commit(tx.db.queue_defaults.forget)


def pause(tx: Tx, name: str, *, by: str | None, note: str | None, resume_at: int | None = None) -> bool:
    """Stop claims from a queue, until ``resume_at`` where it is given; what runs goes on."""
    sql = """
    UPDATE rota_queues SET paused_at = CASE WHEN resume_at <= rota_now() THEN rota_now()
      ELSE coalesce(paused_at, rota_now()) END, paused_by = :by, paused_note = :note, resume_at = :resume_at
    WHERE name = :name
    """
    return tx.run(sql, {"name": name, "by": by, "note": note, "resume_at": resume_at}) == 1


RESUME = """
UPDATE rota_queues SET paused_at = NULL, paused_by = NULL, paused_note = NULL, resume_at = NULL, slowed_until = NULL,
  slowed_by = NULL
"""


def resume(tx: Tx, name: str) -> bool:
    """Let claims go on, also where a target had asked for a pause."""
    tx.hint("jobs")
    paused = tx.value("SELECT paused_at FROM rota_queues WHERE name = :name", {"name": name}) is not None
    known = tx.run(f"{RESUME} WHERE name = :name", {"name": name}) == 1
    if paused:
        _note_resumed(tx, [name])
    return known


OVER = "SELECT 1 FROM rota_queues WHERE resume_at <= (SELECT rota_now())"


def resume_in_time(tx: Tx) -> list[str]:
    """End the pauses whose time is over; return the queues."""
    sql = """
    UPDATE rota_queues SET paused_at = NULL, paused_by = NULL, paused_note = NULL, resume_at = NULL
    WHERE resume_at <= rota_now() RETURNING name
    """
    found = [row[0] for row in tx.rows(sql)]
    if found:
        tx.hint("jobs")
        _note_resumed(tx, found)
    return found


_RESUMED = "resumed:"
"""And the name of a queue: under such a key ``rota_meta`` says when its last pause ended (µs UTC)."""


def _note_resumed(tx: Tx, names: Iterable[str]) -> None:
    now = str(tx.now())
    for name in sorted(names):
        meta.put(tx, _RESUMED + name, now)


def resumed(tx: Tx) -> dict[str, int]:
    """Return by queue when its last pause ended (µs UTC): nobody can have waited for longer in an open queue."""
    rows = tx.rows(f"SELECT key, value FROM rota_meta WHERE key LIKE '{_RESUMED}%'")
    now = tx.now() if rows else 0
    found = {key.removeprefix(_RESUMED): int(value) for key, value in rows}
    over = tx.rows("SELECT name, resume_at FROM rota_queues WHERE resume_at <= rota_now()")
    return {name: at for name, at in found.items() if at <= now} | dict(over)


def defaults(tx: Tx) -> Mapping[str, str]:
    """Return the defaults (JSON) of the queues that have any, as they were within the last half second."""
    found = tx.db.queue_defaults.value
    if found is None:
        sql = "SELECT name, CAST(defaults AS text) FROM rota_queues WHERE defaults IS NOT NULL"
        found = tx.db.queue_defaults.keep(dict(tx.rows(sql)))
    return found


def retentions(tx: Tx) -> dict[str, str]:
    """Return what is said of retention (JSON) by the queues that say anything."""
    return dict(tx.rows("SELECT name, CAST(retention AS text) FROM rota_queues WHERE retention IS NOT NULL"))


COUNT_CAP = 10_000

COUNT = """
SELECT queue, 'STATUS' AS status, priority, count(*) AS n,
  min(CASE WHEN status = 'running' THEN started_at ELSE run_at END) AS oldest
FROM (SELECT queue, status, coalesce(priority, -rank) AS priority, run_at, started_at FROM rota_jobs
  WHERE status = 'STATUS' WHICH LIMIT :cap) j
GROUP BY queue, priority
"""


# Each has its own index, and is read in its order, else the few of a queue would be looked for among all that wait.
_RINGS = (
    ("IS NULL", "queue, lane, rank, run_at, id"),
    ("IS NOT NULL", "queue, lane, ring, rank, run_at, id"),
)


def stats(tx: Tx) -> list[dict[str, Any]]:
    """Return rows {queue, status, priority, n, oldest} of the jobs that wait or run, and of the failed ones.

    Counts are capped, since a page must not wait for a million rows: of each queue's pending jobs the first
    COUNT_CAP are counted, of the scheduled ones the COUNT_CAP due next, of the failed ones the latest COUNT_CAP.
    Those that wait for their turn, of which COUNT_CAP are counted in all, are pending.
    """
    found = _count(tx, "running", "") + _count(tx, "scheduled", "ORDER BY run_at")
    found += _count(tx, "failed", "ORDER BY id DESC")
    pending = _count(tx, "held", "")
    for (name,) in tx.rows("SELECT name FROM rota_queues ORDER BY name"):
        for ring, order in _RINGS:
            which = f"AND queue = :queue AND ring {ring} ORDER BY {order}"
            pending += _count(tx, "pending", which, queue=name)
    return found + _together(pending)


def _together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for what is pending of each queue and priority, the highest first."""
    sums: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        one = sums.setdefault((row["queue"], -row["priority"]), {**row, "status": "pending", "n": 0})
        one["n"] += row["n"]
        one["oldest"] = min(one["oldest"], row["oldest"])
    return [sums[key] for key in sorted(sums)]


def _count(tx: Tx, status: str, which: str, **params: str) -> list[dict[str, Any]]:
    return tx.dicts(COUNT.replace("STATUS", status).replace("WHICH", which), {**params, "cap": COUNT_CAP})


WAITING = """
SELECT count(*), min(run_at) FROM (
  SELECT run_at FROM rota_jobs WHERE status = 'pending' AND queue = :queue AND WHICH LIMIT :cap) j
"""
# `"` comes right behind the `!` of what is parked: so that is passed over, and not gone through.
IN_LANE = """ring IS NOT NULL AND lane = :lane AND ring >= '"'"""
RINGED_LANES = """
WITH RECURSIVE l(lane) AS (
  SELECT (SELECT j.lane FROM rota_jobs j WHERE WAITS ORDER BY j.lane LIMIT 1)
  UNION ALL
  SELECT (SELECT j.lane FROM rota_jobs j WHERE WAITS AND j.lane > l.lane ORDER BY j.lane LIMIT 1)
  FROM l WHERE l.lane IS NOT NULL
)
SELECT lane FROM l WHERE lane IS NOT NULL
""".replace("WAITS", "j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = :queue")
# Which queues have any; in the order of an index, else the databases would look for the first from the table's begin.
FILLED = """
SELECT q.name, (SELECT 1 FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NULL AND j.queue = q.name
    ORDER BY j.queue, j.lane LIMIT 1),
  (SELECT 1 FROM rota_jobs j WHERE j.status = 'pending' AND j.ring IS NOT NULL AND j.queue = q.name
    ORDER BY j.queue, j.lane, j.ring LIMIT 1)
FROM rota_queues q WHERE q.paused_at IS NULL OR q.resume_at <= rota_now() ORDER BY q.name
"""


def waiting(tx: Tx) -> dict[str, tuple[int, int]]:
    """Return of the open queues in which jobs are ready how many, at most COUNT_CAP, and since when the oldest is.

    µs UTC.  Those of paused types do not count.
    """
    found: dict[str, tuple[int, int]] = {}
    for name, plain, ringed in tx.rows(FILLED):
        which = [("ring IS NULL", "")] if plain else []
        if ringed:
            which += [(IN_LANE, lane) for (lane,) in tx.rows(RINGED_LANES, {"queue": name})]
        for some, lane in which:
            params = {"queue": name, "cap": COUNT_CAP} | ({"lane": lane} if lane else {})
            count, oldest = tx.rows(WAITING.replace("WHICH", some), params)[0]
            if count:
                before = found.get(name, (0, oldest))
                found[name] = (min(COUNT_CAP, before[0] + count), min(before[1], oldest))
    return found
