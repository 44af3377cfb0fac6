"""What has changed of late, for those who show it live: a look that goes by indexes, and never grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from rota.ids import least_id
from rota.model import FINAL, Job, Origin, Queue
from rota.store import queues
from rota.store.database import Tx
from rota.store.sql import batch
from rota.store.workers import STATE

MOST_NEW = 1000
MOST_ENDED = 300
"""Of each final status and origin."""
MOST_RUNNING = 1000
MOST_OTHERS = 1000
"""Schedules, audit entries, workers."""
CLOCKS_APART_US = 10_000_000
"""How far the clocks of those who make ids may be behind the database's before something new is seen late."""
LONGEST_DOCUMENT = 16_384
"""Arguments and results longer than this are left out."""

_MARK = "id, updated_at, status, attempt"

NEW = f"SELECT {_MARK} FROM rota_jobs WHERE id > :first_id ORDER BY id DESC LIMIT {MOST_NEW}"

RUNNING = f"SELECT {_MARK} FROM rota_jobs WHERE status = 'running' LIMIT {MOST_RUNNING}"

# Each status and origin by itself, so that the index of ended jobs serves: the time of the end is its last column.
ENDED = " UNION ALL ".join(
    f"""
SELECT * FROM (
  SELECT {_MARK} FROM rota_jobs WHERE status = '{status}' AND origin = '{origin}' AND completed_at >= :since
    AND status IN ('completed', 'failed', 'cancelled') ORDER BY completed_at DESC LIMIT {MOST_ENDED}
) {status}_{origin}
"""
    for status in sorted(FINAL)
    for origin in get_args(Origin)
)

THOSE = "SELECT j.id, j.updated_at, j.status, j.attempt FROM {few|u|batch|id uuid} JOIN rota_jobs j ON j.id = u.id"

DECIDED = f"""
SELECT schedule_id, decided_at FROM rota_occurrences WHERE decided_at >= :since ORDER BY decided_at DESC
LIMIT {MOST_OTHERS}
"""

AUDITED = f"SELECT id, noun, name FROM rota_audit WHERE id > :first_id ORDER BY id DESC LIMIT {MOST_OTHERS}"

WORKERS = f"""
SELECT id, {STATE} AS state, seen_at, claimed_at, running FROM rota_workers ORDER BY started_at DESC LIMIT {MOST_OTHERS}
"""

OPERATIONS = "SELECT id, looked_at FROM rota_operations WHERE status = 'running' ORDER BY id LIMIT 100"

ALERTS = f"""
SELECT monitor_id, id, severity, text, gone_at, told_at, held_by FROM rota_alerts WHERE closed_at IS NULL
ORDER BY monitor_id LIMIT {MOST_OTHERS}
"""

_LONG = ("args", "result", "error_detail", "target")


def _too_long(name: str) -> str:
    return f"coalesce(length({{pg|CAST({name} AS text)}}{{lite|{name}}}), 0) > {LONGEST_DOCUMENT}"


def _shown(name: str) -> str:
    if name == "exchange":
        return "NULL AS exchange"
    return f"CASE WHEN {_too_long(name)} THEN NULL ELSE {name} END AS {name}" if name in _LONG else name


SHOWN = f"""
SELECT {", ".join(map(_shown, Job.__struct_fields__))}, {" OR ".join(map(_too_long, _LONG))}
FROM rota_jobs WHERE id {{in|SELECT u.id FROM {{rows|u|batch|id uuid}}}}
ORDER BY id
"""

Mark = tuple[int, str, int]
"""When a job was changed last (µs UTC), its state and its attempt: what tells whether it has changed."""


class News(msgspec.Struct, frozen=True):
    """What was seen.  Times are µs UTC by the database's clock."""

    now: int
    jobs: dict[str, Mark]
    """New ones, those that run, those that ended of late, and of those asked for the ones that are there."""
    schedules: dict[str, int]
    """Which ones a scheduler decided upon, and when last."""
    queues: dict[str, Queue]
    workers: dict[str, tuple[Any, ...]]
    audited: list[tuple[str, str, str]]
    """Id, noun and name of what people did."""
    operations: dict[str, int]
    """How far the operations on many jobs are that are under way."""
    monitors: dict[str, tuple[Any, ...]] = {}
    """Those that have found something, and how that is told."""


def look(tx: Tx, since_us: int, known: Sequence[str] = ()) -> News:
    """Return what has changed since then, and how the jobs ``known`` by their ids are."""
    now = tx.now()
    params = {"first_id": least_id(since_us - CLOCKS_APART_US), "since": since_us}
    found = [*tx.rows(NEW, params), *tx.rows(RUNNING), *tx.rows(ENDED, params)]
    marks: dict[str, Mark] = {row[0]: (row[1], row[2], row[3]) for row in found}
    if rest := [{"id": job_id} for job_id in known if job_id not in marks]:
        marks.update((row[0], (row[1], row[2], row[3])) for row in tx.rows(THOSE, {"batch": batch(rest)}))
    decided: dict[str, int] = {}
    for schedule_id, at in tx.rows(DECIDED, params):
        decided.setdefault(schedule_id, at)
    return News(
        now=now,
        jobs=marks,
        schedules=decided,
        queues={queue.name: queue for queue in queues.listed(tx)},
        workers={row[0]: tuple(row[1:]) for row in tx.rows(WORKERS)},
        audited=[(row[0], row[1], row[2]) for row in tx.rows(AUDITED, params)],
        operations=dict(tx.rows(OPERATIONS)),
        monitors={row[0]: tuple(row[1:]) for row in tx.rows(ALERTS)},
    )


def shown(tx: Tx, ids: Sequence[str]) -> list[tuple[Job, bool]]:
    """Return those jobs, the oldest first, each with whether long documents of it were left out.

    Those are None then, arguments too.
    """
    rows = tx.rows(SHOWN, {"batch": batch([{"id": job_id} for job_id in ids])}) if ids else []
    names = Job.__struct_fields__
    return [(Job(**dict(zip(names, row[:-1], strict=True))), bool(row[-1])) for row in rows]
